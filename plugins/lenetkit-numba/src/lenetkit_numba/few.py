"""Few images: a block would stay nearly empty, and take as long as a full one. NumPy has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from lenetkit.kernels.base import Array
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layer import Call, Layer, Params

FEW = 4
"""Images from which on a block of 16 is faster than NumPy (measured)."""


def are_few(images: Array) -> bool:
    """Whether NumPy computes a batch (N, …)."""
    return len(images) <= FEW


class Saved(NamedTuple):
    """What the backward pass of layers one after the other needs."""

    calls: list[Call]
    saved: list[Any]


def forward(layers: Sequence[Layer], params: Params, x: Array, call: Call) -> tuple[Array, Saved]:
    """The layers one after the other, on NumPy's kernels; the first has the parameters."""
    kept = Saved([], [])
    for index, layer in enumerate(layers):
        needed = call.needs_input_grad or index > 0
        own = Call(kernels=NumpyKernels(), training=call.training, needs_input_grad=needed)
        x, saved = layer.forward({} if index else params, x, own)
        kept.calls.append(own)
        kept.saved.append(saved)
    return x, kept


def backward(
    layers: Sequence[Layer], params: Params, kept: Saved, dy: Array, grads: Params
) -> Array | None:
    """dL/dx, and the gradients of the first layer's parameters."""
    gradient: Array | None = dy
    for index in reversed(range(len(layers))):
        if gradient is None:
            raise RuntimeError("NumPy's kernels gave no input gradient")
        gradient = layers[index].backward(
            {} if index else params,
            kept.saved[index],
            gradient,
            {} if index else grads,
            kept.calls[index],
        )
    return gradient
