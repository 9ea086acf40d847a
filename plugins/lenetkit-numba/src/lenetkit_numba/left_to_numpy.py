"""What NumPy's kernels compute faster, as measured: see docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from lenetkit.authoring import Array, Call, Layer, NumpyKernels, Params

FEW = 4
"""Up to this many images NumPy is faster: a block takes as long as a full one."""
MANY = 32
"""From this many channels on NumPy is faster, unless there is a full block."""
LARGE = 8 << 20
"""Bytes of a block's input or output; more are evicted from the caches before they are reused."""


def is_left(shape: tuple[int, ...], maps: int, itemsize: int) -> bool:
    """Whether NumPy convolves images of this shape (N, C, H, W) to this many maps."""
    from lenetkit_numba.target import lanes

    N, C, H, W = shape
    block = lanes(itemsize)
    large = block * max(C, maps) * H * W * itemsize > LARGE
    return N <= FEW or large or (C >= MANY and block > N)


class Saved(NamedTuple):
    """What the backward pass of a sequence of layers needs."""

    layers: list[Layer]
    calls: list[Call]
    saved: list[Any]


def forward(layers: Sequence[Layer], params: Params, x: Array, call: Call) -> tuple[Array, Saved]:
    """Run the layers on NumPy's kernels, fused as usual; the first one has the parameters."""
    kept = Saved([], [], [])
    while layers:
        count, layer = NumpyKernels().fuse(layers) or (1, layers[0])
        first, layers = not kept.layers, layers[count:]
        needed = call.needs_input_grad or not first
        own = Call(operations=NumpyKernels(), training=call.training, needs_input_grad=needed)
        x, saved = layer.forward(params if first else {}, x, own)
        kept.layers.append(layer)
        kept.calls.append(own)
        kept.saved.append(saved)
    return x, kept


def backward(params: Params, kept: Saved, dy: Array, grads: Params) -> Array | None:
    """Return dL/dx; write the gradients of the first layer's parameters."""
    gradient: Array | None = dy
    for index in reversed(range(len(kept.layers))):
        if gradient is None:
            raise RuntimeError("NumPy's kernels returned no input gradient")
        gradient = kept.layers[index].backward(
            {} if index else params,
            kept.saved[index],
            gradient,
            {} if index else grads,
            kept.calls[index],
        )
    return gradient
