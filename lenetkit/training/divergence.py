"""Non-finite values: where they began, the usual cause, and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.errors import LenetkitError
from lenetkit.network.network import Network
from lenetkit.registry.catalog import BUILTIN, installed


class DivergedError(LenetkitError):
    """Loss, gradient or weights are no longer finite, so training stopped."""


def is_finite(values: Array) -> bool:
    """Whether all of a vector is finite; if so, at the cost of a dot product."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values @ values) or np.isfinite(values).all())


_LARGE = 1e3
"""No initializer that suits a network gives weights as large as this."""
_IMAGES = "the images that reach the network"


def remedy(where: str, lr: float) -> str:
    """A remedy for what `locate` found; `lr` is the optimizer's rate."""
    if where == _IMAGES:
        return "The data or its transforms are at fault: inspect them with `lenetkit data show`"
    if not lr:
        return "The learning rate is 0, so no step is at fault: check that layer's weights"
    return (
        "Usually the learning rate is too high: try a tenth of it, "
        f"--set train.optimizer.lr={lr / 10:.1g}"
    )


def remedy_at_start(where: str, network: Network) -> str:
    """A remedy for what `locate` found before any step: the learning rate is not at fault."""
    if where == _IMAGES:
        return remedy(where, 1.0)
    catalog, names = installed(), [layer.name for layer in network.plan.layers]
    begins = where.removeprefix("layers.").partition(":")[0]
    reached = network.plan.layers[: names.index(begins) + 1 if begins in names else None]
    tensors = network.tensors()
    sizes = {
        (layer, name): float(np.abs(np.nan_to_num(tensors[f"{layer.name}.{name}"])).max(initial=0))
        for layer in reached
        for name in layer.params
    }
    layer, name = max(sizes, key=lambda key: sizes[key], default=(reached[-1], ""))
    last, most = reached[-1], sizes.get((layer, name), 0.0)
    not_the_rate = "No step has been taken, so the learning rate is not at fault"
    if most < _LARGE and last.provider and last.provider.distribution != BUILTIN:
        return (
            f"{not_the_rate}, and no initial weight is above {most:.3g}: check the layer itself, "
            f"{last.type} of {last.provider}"
        )
    own = layer.params[name].init if name else None
    initializer, _ = catalog.identity(own or network.plan.spec.init)
    key = f"layers.{layer.name}.{name}_init" if own else "init"
    return (
        f"{not_the_rate}, but the initial weights: those of layers.{layer.name}, its {name}, from "
        f"the initializer {initializer}, go up to {most:.3g}; try --set {key}=he_normal"
    )


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
        for stage in reversed(workspace.stages):
            if not np.isfinite(dy).all():
                return f"layers.{stage.name}: the gradient of its output"
            grads = {name: np.zeros_like(view) for name, view in stage.grads.items()}
            dy = stage.backward(dy, grads)
            for name, gradient in grads.items():
                if not np.isfinite(gradient).all():
                    return f"layers.{stage.name}: the gradient of its {name}"
    return "no layer that a second pass over the batch could identify"
