"""Non-finite values: where they began, the usual cause, and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.errors import LenetkitError
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.network import Network
from lenetkit.registry.catalog import installed
from lenetkit.schedules import Schedule, uses_lr


class DivergedError(LenetkitError):
    """Loss, gradient or weights are no longer finite, so training stopped."""


def is_finite(values: Array) -> bool:
    """Whether all of a vector is finite; if so, at the cost of a dot product."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values @ values) or np.isfinite(values).all())


_LARGE = 10.0
"""Initializers that suit a network rarely give a larger weight."""
_IMAGES = "the images that reach the network"


def remedy(where: str, lr: float, schedule: Schedule) -> str:
    """A remedy for what `locate` found; `lr` is the optimizer's, which the schedule may ignore."""
    if where == _IMAGES:
        return "The data or its transforms are at fault: inspect them with `lenetkit data show`"
    if not uses_lr(schedule):
        name, _ = installed().identity(schedule)
        return (
            f"Usually the learning rate is too high: it is that of the schedule {name}, which does "
            "not use train.optimizer.lr; try a tenth of its rates, in train.schedule"
        )
    if not lr:
        return "The learning rate is 0, so no step is at fault: check that layer's weights"
    return (
        "Usually the learning rate is too high: try a tenth of it, "
        f"--set train.optimizer.lr={lr / 10:.1g}"
    )


def remedy_at_start(where: str, network: Network) -> str:
    """A remedy for what `locate` found before any step: the learning rate is not at fault."""
    if where == _IMAGES:
        return remedy(where, 1.0, network.plan.spec.train.schedule)
    layers = {layer.name: layer for layer in network.plan.layers}
    begins = where.removeprefix("layers.").partition(":")[0]
    last = layers.get(begins, network.plan.layers[-1])
    largest, layer, name = _largest_weight(network, last)
    if largest < _LARGE:
        maker = last.provider or "this process"
        return (
            "No step has been taken, so the learning rate is not at fault, and no initial weight "
            f"is above {largest:.3g}: check layers.{last.name}, {last.type} of {maker}, and the "
            "layers before it"
        )
    begun = (
        "No step has been taken, so the initial weights are at fault, not the learning rate: the "
        f"{name} of layers.{layer.name}"
    )
    if not network.is_initial(layer, name):
        return f"{begun}, which was loaded or set, goes up to {largest:.3g}; start from others"
    own = layer.params[name].init
    initializer, _ = installed().identity(own or network.plan.spec.init)
    key = f"layers.{layer.name}.{name}_init" if own else "init"
    better = "he_normal" if len(layer.params[name].shape) > 1 else "zeros"
    return (
        f"{begun}, from the initializer {initializer}, goes up to {largest:.3g}; "
        f"try --set {key}={better}"
    )


def _largest_weight(network: Network, last: LayerPlan) -> tuple[float, LayerPlan, str]:
    """The largest weight, in absolute value, of the layers up to `last`, with its layer and name.

    NaN counts as infinite.
    """
    tensors, found = network.tensors(), (0.0, last, "")
    for layer in network.plan.layers:
        for name in layer.params:
            sizes = np.abs(tensors[f"{layer.name}.{name}"])
            size = float(np.nan_to_num(sizes, nan=np.inf, posinf=np.inf).max(initial=0))
            found = max(found, (size, layer, name), key=lambda each: each[0])
        if layer is last:
            break
    return found


def locate(
    network: Network, images: Array, targets: Any, key: tuple[int, ...], *, begun: bool = True
) -> str:
    """Where a batch's passes first produce a non-finite value.

    Runs them again, layer by layer. Untrained state may change. `begun` says whether a step was
    taken before.
    """
    since = "after the previous step" if begun else "as it is initialized"
    with np.errstate(all="ignore"):
        if not np.isfinite(images).all():
            return _IMAGES
        workspace = network.workspace(training=True, fused=False)
        workspace.reseed(*key)
        x = images
        for stage, planned in zip(workspace.stages, network.plan.layers, strict=True):
            for name in planned.params:
                if not np.isfinite(stage.params[name]).all():
                    return f"layers.{stage.name}: its {name}, {since}"
            x = stage.forward(x)
            if not np.isfinite(x).all():
                return f"layers.{stage.name}: its output"
        loss = network.plan.spec.loss
        losses, kept = loss.forward(x, targets)
        if not np.isfinite(losses).all():
            return "the loss: the outputs are finite, but too large for it"
        dy = loss.backward(kept)
        for stage in reversed(workspace.learning):
            if not np.isfinite(dy).all():
                return f"layers.{stage.name}: the gradient of its output"
            grads = {name: np.zeros_like(view) for name, view in stage.grads.items()}
            dy = stage.backward(dy, grads)
            for name, gradient in grads.items():
                if not np.isfinite(gradient).all():
                    return f"layers.{stage.name}: the gradient of its {name}"
    return "no layer that a second pass over the batch could identify"
