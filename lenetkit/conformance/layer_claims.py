"""Checks of what a layer says of itself, as far as its passes can judge it: cost and fans."""

from __future__ import annotations

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance.compare import fail
from lenetkit.conformance.passes import LayerCase
from lenetkit.conformance.report import CheckSkipped

_OUTPUTS = 12
"""Outputs of which the weights are counted that reach them."""


def cost_covers_every_weight(case: LayerCase) -> None:
    """Where `cost` counts multiply-adds, they are no fewer than the weights that take part."""
    macs, weights = case.planned.cost(case.in_shape).macs, _weights(case)
    if not isinstance(macs, int) or not macs or not weights:
        raise CheckSkipped("the layer counts no multiply-adds, or has no weights")
    y = case.output(case.x(1), training=False)
    for name, gradient in _gradients(case, case.dy(y.shape)).items():
        used = int(np.count_nonzero(gradient))
        if name in weights and macs < used:
            raise fail(
                f"cost: expected at least {used:,} multiply-adds, one for each value of {name}, "
                f"found {macs:,}",
                "a factor is left out, such as the input channels",
            )


def fans_are_not_exchanged(case: LayerCase) -> None:
    """Where a ParamSpec says its fans, fan_in is not what passes find to be the fan_out."""
    weights = {n: s for n, s in case.specs.items() if n in _weights(case) and s.fan_in}
    if not weights:
        raise CheckSkipped("no ParamSpec of a weight says its fan_in")
    y = case.output(case.x(1), training=False)
    reached = dict.fromkeys(weights, 0)
    for place in np.random.default_rng(0).permutation(y.size)[:_OUTPUTS]:
        dy = np.zeros_like(y)
        dy.reshape(-1)[place] = 1
        for name, gradient in _gradients(case, dy).items():
            if name in reached:
                reached[name] = max(reached[name], int(np.count_nonzero(gradient)))
    for name, spec in weights.items():
        fan_in, fan_out = spec.fans()
        if reached[name] == fan_out != fan_in:
            raise fail(
                f"param_specs: expected fan_in of {name} to be {reached[name]}, the weights of an "
                f"output, found {fan_in}",
                "fan_in and fan_out are in each other's place",
            )


def _weights(case: LayerCase) -> set[str]:
    """Parameters with two axes or more; others are biases, or scale a channel."""
    return {name for name, spec in case.specs.items() if len(spec.shape) > 1}


def _gradients(case: LayerCase, dy: Array) -> dict[str, Array]:
    """The parameters' gradients of one image."""
    found = case.results(case.x(1), dy=dy, call=case.call(training=False))
    return {name: found[f"gradient of {name}"] for name in case.specs}
