"""Non-finite values: where they began, the usual cause, and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.errors import LenetkitError
from lenetkit.network.network import Network


class DivergedError(LenetkitError):
    """Loss, gradient or weights are no longer finite, so training stopped."""


def is_finite(values: Array) -> bool:
    """Whether all of a vector is finite; if so, at the cost of a dot product."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values @ values) or np.isfinite(values).all())


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


def locate(network: Network, images: Array, targets: Any, key: tuple[int, ...]) -> str:
    """Where a batch's passes first produce a non-finite value.

    Runs them again, layer by layer. Untrained state may change.
    """
    with np.errstate(all="ignore"):
        if not np.isfinite(images).all():
            return _IMAGES
        workspace = network.workspace(training=True, fused=False)
        workspace.reseed(*key)
        x = images
        for stage, planned in zip(workspace.stages, network.plan.layers, strict=True):
            for name in planned.params:
                if not np.isfinite(stage.params[name]).all():
                    return f"layers.{stage.name}: its {name}, after the previous step"
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
