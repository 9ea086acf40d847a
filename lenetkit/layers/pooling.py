"""Pooling: the maximum or the mean of each window. Windows may overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.errors import OptionError
from lenetkit.layers.base import Cost, Layer, Params, SecondOrderLayer, expect_image
from lenetkit.layers.call import Call
from lenetkit.operations.base import Pair, Window, pair
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class _Pool2d(Layer):
    """The window and the shapes, which both poolings share."""

    kernel_size: int | Pair = option(minimum=1, doc="Window size in pixels: one number or [h, w].")
    stride: int | Pair | None = option(
        None, minimum=1, doc="Pixels from one window to the next; default: kernel_size."
    )
    padding: int | Pair = option(
        0, minimum=0, doc="Rows and columns added on each side, at most half the window."
    )

    def validate(self) -> None:
        kernel, padding = pair(self.kernel_size), pair(self.padding)
        if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
            raise OptionError(
                "padding",
                f"must be at most half of kernel_size ({kernel[0]}×{kernel[1]}), "
                f"found {padding[0]}×{padding[1]}",
            )

    def output_shape(self, in_shape: Shape) -> Shape:
        C, H, W = expect_image(in_shape)
        return C, *self.window.output_size(H, W)

    def cost(self, in_shape: Shape) -> Cost:
        units = math.prod(self.output_shape(in_shape))
        return Cost(connections=units * math.prod(self.window.kernel))

    @property
    def window(self) -> Window:
        """The sliding window that the options describe."""
        kernel = pair(self.kernel_size)
        stride = kernel if self.stride is None else pair(self.stride)
        return Window(kernel, stride, pair(self.padding))


@dataclass(frozen=True, kw_only=True)
class MaxPool2d(_Pool2d):
    """The largest value of each window: y[n, c, i, j] = max_{u,v} x[n, c, i·s + u, j·s + v].

    Input shape: (N, C, H, W). Output shape: (N, C, OH, OW) with
    OH = ⌊(H + 2·padding − kernel_size) / stride⌋ + 1, and likewise OW. Padding never wins.
    Backward: each gradient goes to the first largest value of its window, row by row; where windows
    overlap, gradients add. 0 and −0 are equal, and y may be either. Raises ShapeError if the window
    is larger than the padded input.
    """

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        return call.operations.max_pool2d(x, self.window, call.scratch)

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        return call.operations.max_pool2d_backward(saved, dy, call.scratch)


@dataclass(frozen=True, kw_only=True)
class AvgPool2d(_Pool2d, SecondOrderLayer):
    """The mean of each window: y[n, c, i, j] = mean_{u,v} x[n, c, i·s + u, j·s + v], s the stride.

    Input shape: (N, C, H, W). Output shape: (N, C, OH, OW) as for `max_pool2d`.
    Backward: each gradient is spread evenly over its window; where windows overlap, gradients add.
    Raises ShapeError if the window is larger than the padded input.
    Source: LeCun et al. 1998, section II.B, without the trainable coefficient and bias.
    """

    count_include_pad: bool = option(True, doc="Whether padding counts in the mean, as zeros.")

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, inner = call.operations.avg_pool2d(x, self.window, self.count_include_pad, call.scratch)
        return y, (inner, x.shape[2:])

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        inner, _ = saved
        return call.operations.avg_pool2d_backward(inner, dy, call.scratch)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        inner, size = saved
        pixels: Any = math.prod(self.window.kernel)
        if not self.count_include_pad:  # only those inside the image, window by window
            ones = np.ones((1, 1, *size), d2y.dtype)
            pixels = pixels * call.operations.avg_pool2d(ones, self.window, True, _fresh)[0]
        d2y /= pixels  # backward divides once; the square needs it twice
        return call.operations.avg_pool2d_backward(inner, d2y, call.scratch)


def _fresh(name: str, shape: Shape, dtype: Any) -> Array:
    """New memory, for when scratch is still in use."""
    return np.empty(shape, dtype)
