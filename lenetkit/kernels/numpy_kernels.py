"""The built-in kernel set: plain NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lenetkit.kernels.base import Kernels
from lenetkit.kernels.fused import ConvMaxPool2d, ReLUMaxPool2d
from lenetkit.layers.activations import ReLU
from lenetkit.layers.base import Layer
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.pooling import MaxPool2d
from lenetkit.operations import convolution, pooling, workers
from lenetkit.operations.blocks import Blocks
from lenetkit.operations.products import Products

_FUSED = (Conv2d, ReLU, MaxPool2d)
"""The exact types that `fuse` handles; a subclass may do anything."""


@dataclass(frozen=True, kw_only=True)
class NumpyKernels(Kernels):
    """Convolution by matrix products, pooling by strided slices."""

    conv2d = staticmethod(convolution.forward)
    conv2d_backward = staticmethod(convolution.backward)
    max_pool2d = staticmethod(pooling.max_forward)
    max_pool2d_backward = staticmethod(pooling.max_backward)
    avg_pool2d = staticmethod(pooling.avg_forward)
    avg_pool2d_backward = staticmethod(pooling.avg_backward)

    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        strips = self._inherits_operations()
        match list(itertools.takewhile(lambda layer: type(layer) in _FUSED, layers[:3])):
            case [Conv2d() as conv, ReLU(), MaxPool2d() as pool] if strips and pool.window.tiles:
                return 3, ConvMaxPool2d(conv=conv, pool=pool)
            case [Conv2d() as conv, MaxPool2d() as pool, *_] if strips and pool.window.tiles:
                return 2, ConvMaxPool2d(conv=conv, pool=pool, relu=False)
            case [ReLU(), MaxPool2d() as pool, *_]:
                return 2, ReLUMaxPool2d(pool=pool)
        return None

    def algorithm(self, layer: Layer, in_shape: tuple[int, ...], batch: int) -> str:
        match layer:
            case ConvMaxPool2d(conv=conv, pool=pool):
                way, blocks = _plan(conv, in_shape, batch)
                multiple = pool.window.kernel[0]
                pooled = pool.window.output_size(*blocks.out)[0] * multiple
                part = blocks.parts(batch, pooled, multiple)[0]
                strip = blocks.strips(part, batch, multiple)[0]
                return f"{way.describe(blocks, batch)}, {strip.stop} of {pooled} rows at a time"
            case Conv2d() if type(layer) is Conv2d:
                way, blocks = _plan(layer, in_shape, batch)
                return way.describe(blocks, batch)
            case ReLUMaxPool2d():
                return "pooled before rectified"
        return ""

    def _inherits_operations(self) -> bool:
        """Whether a subclass, such as a plugin's, leaves convolution and pooling unchanged."""
        operations = ("conv2d", "conv2d_backward", "max_pool2d", "max_pool2d_backward")
        return all(getattr(type(self), o) is getattr(NumpyKernels, o) for o in operations)

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        """Large convolutions on `threads` threads, each of their matrix products on one.

        BLAS's threads wait for each other: on a busy machine a product is ten times slower.
        """
        with super().limited(1), workers.limited(threads):
            yield

    def threads(self) -> int:
        return max(super().threads(), workers.threads())


def _plan(conv: Conv2d, in_shape: tuple[int, ...], batch: int) -> tuple[type[Products], Blocks]:
    """How a convolution of `batch` images of `in_shape` (C, H, W) is computed."""
    C, H, W = in_shape
    shape = (conv.out_channels, C // conv.groups, *conv.window.kernel)
    return convolution.plan((H, W), shape, conv.window, conv.groups, conv.bias, batch)
