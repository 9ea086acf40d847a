"""Pooling: the maximum or the mean of each window, or the mean of a whole map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.errors import OptionError
from lenetkit.layers.base import Cost, Layer, Params, SecondOrderLayer, expect_image
from lenetkit.layers.call import Call
from lenetkit.operations.base import Padding, Pair, Window, pair, sides
from lenetkit.operations.reach import Reach, all_places
from lenetkit.options import option
from lenetkit.values import show


@dataclass(frozen=True, kw_only=True)
class _Pool2d(Layer):
    """The window and the shapes, which both poolings share."""

    kernel_size: int | Pair = option(minimum=1, doc="Window size in pixels: one number or [h, w].")
    stride: int | Pair | None = option(
        None, minimum=1, doc="Pixels from one window to the next; default: kernel_size."
    )
    padding: Padding = option(
        0,
        minimum=0,
        doc="Rows and columns added on each side: one number, [h, w], or "
        "[[top, bottom], [left, right]].",
    )
    dilation: int | Pair = option(1, minimum=1, doc="Pixels between two places in the window.")
    ceil_mode: bool = option(
        False, doc="Whether pixels that no window covers get one more, unless they are padding."
    )

    def validate(self) -> None:
        (height, width), (before, after) = self.window.extent, sides(self.padding)
        if max(before[0], after[0]) >= height or max(before[1], after[1]) >= width:
            raise OptionError(
                "padding",
                f"must be smaller than the window ({height}×{width}), which else sees nothing of "
                f"the image; found {show(self.padding)}",
            )

    def output_shape(self, in_shape: Shape) -> Shape:
        C, H, W = expect_image(in_shape)
        return C, *self.window.output_size(H, W)

    def cost(self, in_shape: Shape) -> Cost:
        units = math.prod(self.output_shape(in_shape))
        return Cost(connections=units * math.prod(self.window.kernel))

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return self.window.reach(*in_shape[1:])

    @property
    def window(self) -> Window:
        """The sliding window that the options describe."""
        kernel = pair(self.kernel_size)
        stride = kernel if self.stride is None else pair(self.stride)
        before, after = sides(self.padding)
        return Window(kernel, stride, before, pair(self.dilation), after, self.ceil_mode)


@dataclass(frozen=True, kw_only=True)
class MaxPool2d(_Pool2d):
    """The largest value of each window: y[n, c, i, j] = max_{u,v} x[n, c, i·s + u·d, j·s + v·d].

    Here s is the stride and d the dilation. Input shape: (N, C, H, W). Output shape:
    (N, C, OH, OW) with OH = ⌊(H + 2·padding − d·(kernel_size − 1) − 1) / s⌋ + 1, and likewise OW;
    with `ceil_mode` rounded up, unless the last window would begin beyond the image. Padding never
    wins. Backward: each gradient goes to the first largest value of its window, row by row; where
    windows overlap, gradients add. 0 and −0 are equal, and y may be either. Raises ShapeError if
    the window is larger than the padded input.
    """

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        return call.operations.max_pool2d(x, self.window, call.scratch)

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        return call.operations.max_pool2d_backward(saved, dy, call.scratch)


@dataclass(frozen=True, kw_only=True)
class AvgPool2d(_Pool2d, SecondOrderLayer):
    """The mean of each window: y[n, c, i, j] = mean_{u,v} x[n, c, i·s + u·d, j·s + v·d].

    Here s is the stride and d the dilation; what lies beyond the padding, with `ceil_mode`, does
    not count. Input shape: (N, C, H, W). Output shape: (N, C, OH, OW) as for `max_pool2d`.
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
        counts = self.window.pixels(*size, padding=self.count_include_pad)
        d2y /= np.maximum(counts, 1)  # backward divides once; the square needs it twice
        return call.operations.avg_pool2d_backward(inner, d2y, call.scratch)


@dataclass(frozen=True, kw_only=True)
class GlobalAvgPool2d(SecondOrderLayer):
    """The mean of each map, whatever its size: y[n, c] = mean_{i,j} x[n, c, i, j].

    Input shape: (N, C, H, W). Output shape: (N, C, 1, 1), as of PyTorch's AdaptiveAvgPool2d(1).
    Backward: each gradient is spread evenly over its map. Lin et al. 2014, section 3.2.
    """

    def output_shape(self, in_shape: Shape) -> Shape:
        return expect_image(in_shape)[0], 1, 1

    def cost(self, in_shape: Shape) -> Cost:
        return Cost(connections=math.prod(in_shape))

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return all_places(in_shape, self.output_shape(in_shape))

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        return x.mean(axis=(2, 3), keepdims=True), x

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        dx = call.scratch_like("dx", saved)
        dx[...] = dy / math.prod(saved.shape[2:])
        return dx

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        return self.backward(params, saved, d2y / math.prod(saved.shape[2:]), d2grads, call)
