"""Numbers that stopped being finite: where that began, why as a rule, and what helps."""

from __future__ import annotations

from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.errors import LenetkitError
from lenetkit.network.network import Network


class DivergedError(LenetkitError):
    """Loss, gradient or weights stopped being finite; going on could only make it worse."""


def is_finite(values: Array) -> bool:
    """Whether all of a vector is finite, for the price of a dot product where it is."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values @ values) or np.isfinite(values).all())


_IMAGES = "the images that reach the network"


def remedy(where: str, lr: float) -> str:
    """What helps against what `locate` found; `lr` is the optimizer's rate."""
    if where == _IMAGES:
        return "The data or its transforms are at fault: look at them by `lenetkit data show`"
    if not lr:
        return "No step is at fault, as the learning rate is 0: look at that layer's weights"
    return (
        "As a rule the learning rate is too high: try a tenth of it, "
        f"--set train.optimizer.lr={lr / 10:.1g}"
    )


def locate(network: Network, images: Array, targets: Any, key: tuple[int, ...]) -> str:
    """Where a batch's passes first give a value that is not finite.

    Runs them once more, layer by layer. Untrained state may move.
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
                    return f"layers.{stage.name}: its {name}, by the step before"
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
    return "no layer that a second pass over the batch could tell"
