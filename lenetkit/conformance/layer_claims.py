"""Checks of what a layer says of itself, as far as its passes can judge it: cost, fans, reach."""

from __future__ import annotations

import contextlib

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array, shape_text
from lenetkit.conformance.compare import fail
from lenetkit.conformance.examination import in_circumstance
from lenetkit.conformance.other_options import variants
from lenetkit.conformance.passes import LayerCase
from lenetkit.conformance.report import CheckSkipped
from lenetkit.errors import ShapeError
from lenetkit.layers.base import with_inferred
from lenetkit.network.receptive import fits
from lenetkit.operations.reach import Reach, places

_OUTPUTS = 12
"""Outputs of which the weights are counted that reach them."""
_TURNS = 24
"""Times that each place of the input gets other values."""
_ROUNDING = 1e-9
"""Changes of the output that are smaller, relative to its largest value, come from rounding."""


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


def receptive_field_is_what_is_read(case: LayerCase) -> None:
    """Where `receptive_field` is not None, it is what changes the output in inference."""
    tried = {"": case.thing}
    for variant in variants(case.thing, case.thing.inferred(case.in_shape)):
        tried[f"with {variant}"] = variant.thing
    claimed = False
    for circumstance, layer in tried.items():
        with contextlib.suppress(ShapeError):
            planned, _ = with_inferred(layer, case.in_shape)
            planned.output_shape(case.in_shape)
            with in_circumstance(circumstance):
                claimed |= _expect_reach(LayerCase(planned, case.in_shape))
    if not claimed:
        raise CheckSkipped("receptive_field is None: what the layer reads is not known")


def _expect_reach(case: LayerCase) -> bool:
    """Whether the layer says what it reads."""
    found = case.planned.receptive_field(case.in_shape)
    if found is None:
        return False
    out_shape = case.planned.output_shape(case.in_shape)
    if not fits(found, case.in_shape, out_shape):
        raise fail(
            "receptive_field: expected a tuple with a Reach for each axis of the input, each with "
            f"a place for every one of the output's, or None, found {found!r}",
            f"the input is {shape_text(case.in_shape)}, the output {shape_text(out_shape)}; "
            "channels are no axis",
        )
    axes = ["row", "column"] if len(found) == 2 else ["value"]
    for axis, (reach, name) in enumerate(zip(found, axes, strict=True)):
        _expect_read(reach, _reads(case, axis), name)
    return True


def _reads(case: LayerCase, axis: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether an output place (first axis) changes with an input place (second), at all and by more
    than rounding.
    """
    size = places(case.in_shape)[axis]
    along = len(case.in_shape) - len(places(case.in_shape)) + axis
    base = case.x(_TURNS)
    other = case.x(_TURNS, seed=1)
    here = np.arange(size).reshape(size, *[1] * (len(case.in_shape) + 1))
    index = np.arange(size).reshape(-1, *[1] * (len(case.in_shape) - along - 1))
    changed = np.where(index == here, other, base)
    with np.errstate(all="ignore"):
        before = case.output(base, training=False)
        after = case.output(changed.reshape(-1, *case.in_shape), training=False)
        moved = np.abs(after.reshape(size, *before.shape) - before)
    out_shape = before.shape[1:]
    kept = len(out_shape) - len(places(out_shape))
    kept += axis if len(places(out_shape)) == len(places(case.in_shape)) else 0
    rest = tuple(i for i in range(moved.ndim) if i not in (0, 2 + kept))
    largest = np.nan_to_num(moved).max(axis=rest).T
    scale = np.abs(np.nan_to_num(before)).max(initial=0.0)
    return largest > 0, largest > _ROUNDING * scale


def _expect_read(
    reach: Reach, reads: tuple[NDArray[np.bool_], NDArray[np.bool_]], name: str
) -> None:
    ever, clearly = reads
    for i, (start, stop) in enumerate(zip(reach.start, reach.stop, strict=True)):
        said = f"{name}s {start} to {stop - 1}" if start < stop else "nothing"
        beyond = [j for j in np.flatnonzero(clearly[i]) if not start <= j < stop]
        if beyond:
            raise fail(
                f"receptive_field: {name} {i} of the output is said to read {said} of the input, "
                f"but {name} {beyond[0]} changes it",
                "stride, dilation or padding is not counted, or the axes are exchanged",
            )
        unread = [j for j in (start, stop - 1) if start < stop and not ever[i, j]]
        if unread:
            raise fail(
                f"receptive_field: {name} {i} of the output is said to read {said} of the input, "
                f"but {name} {unread[0]} never changes it",
                "padding is no part of the image; if what is read depends on the values, return "
                "None",
            )


def _weights(case: LayerCase) -> set[str]:
    """Parameters with two axes or more; others are biases, or scale a channel."""
    return {name for name, spec in case.specs.items() if len(spec.shape) > 1}


def _gradients(case: LayerCase, dy: Array) -> dict[str, Array]:
    """The parameters' gradients of one image."""
    found = case.results(case.x(1), dy=dy, call=case.call(training=False))
    return {name: found[f"gradient of {name}"] for name in case.specs}
