"""The kernel set. Its first pass imports Numba."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from lenetkit.authoring import (
    Array,
    AvgPool2d,
    Conv2d,
    Layer,
    MaxPool2d,
    NumpyKernels,
    ReLU,
    Scratch,
    Window,
)
from lenetkit_numba import left_to_numpy
from lenetkit_numba.fused import ConvReLUPool2d
from lenetkit_numba.threads import limited, processors, threads


@dataclass(frozen=True, kw_only=True)
class NumbaKernels(NumpyKernels):
    """Convolution compiled by Numba, over vectors of images side by side.

    A convolution and the ReLU and 2×2 pooling that follow it run as one. All other pooling is
    NumPy's. The first use compiles, and says so; the result is cached for later runs.
    """

    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        match layers:
            case [Conv2d() as conv, ReLU() as relu, MaxPool2d() | AvgPool2d() as pool, *_] if (
                type(conv) is Conv2d
                and type(relu) is ReLU
                and type(pool) in (MaxPool2d, AvgPool2d)
                and _is_2x2(pool)
            ):
                return 3, ConvReLUPool2d(conv=conv, pool=pool)
        return super().fuse(layers)

    def algorithm(self, layer: Layer, in_shape: tuple[int, ...], batch: int) -> str:
        if not isinstance(layer, ConvReLUPool2d) and type(layer) is not Conv2d:
            return super().algorithm(layer, in_shape, batch)
        from lenetkit_numba.target import PIXELS, lanes, tile_maps

        conv = layer.conv if isinstance(layer, ConvReLUPool2d) else layer
        # in float32:
        if left_to_numpy.is_left((batch, *in_shape), conv.out_channels, 4):
            return f"as numpy: {super().algorithm(conv, in_shape, batch)}"
        maps = tile_maps(conv.out_channels // conv.groups)
        images = lanes(4)
        blocks = -(-batch // images)
        return f"compiled: {blocks} × {images} images, tiles of {PIXELS} outputs × {maps} maps"

    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in ("numba", "llvmlite")}

    def best_threads(self, macs: int) -> int:
        """All processors: each thread takes the next free block of images."""
        return processors()

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        """`threads` for all convolutions, NumPy's included; one for matrix products.

        Linear layers' products are too short to share.
        """
        with super().limited(threads), limited(threads):
            yield

    def threads(self) -> int:
        return threads()

    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        scratch: Scratch,
    ) -> tuple[Array, Any]:
        if left_to_numpy.is_left(x.shape, len(weight), x.itemsize):
            return super().conv2d(x, weight, bias, window, groups, scratch)
        from lenetkit_numba import convolution

        return convolution.forward(x, weight, bias, window, groups, None, scratch)

    def conv2d_backward(
        self,
        saved: Any,
        weight: Array,
        dy: Array,
        d_weight: Array,
        d_bias: Array | None,
        needs_input_grad: bool,
        scratch: Scratch,
    ) -> Array | None:
        from lenetkit_numba import convolution

        if not isinstance(saved, convolution.Saved):
            return super().conv2d_backward(
                saved, weight, dy, d_weight, d_bias, needs_input_grad, scratch
            )
        return convolution.backward(saved, weight, dy, d_weight, d_bias, needs_input_grad, scratch)


def _is_2x2(pool: MaxPool2d | AvgPool2d) -> bool:
    """Whether the pooling covers the image with adjacent 2×2 windows."""
    return pool.window.tiles and pool.window.kernel == (2, 2)
