"""Transposed convolution, which enlarges images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.authoring import (
    Array,
    Call,
    Cost,
    Initializer,
    Layer,
    OptionError,
    Pair,
    Params,
    ParamSpec,
    Reach,
    Shape,
    ShapeError,
    Window,
    Zeros,
    expect_image,
    option,
    pair,
    show,
)
from lenetkit_convolutions.scratch import part


@dataclass(frozen=True, kw_only=True)
class ConvTranspose2d(Layer):
    """Each input pixel adds its value times the kernel to the output, `stride` pixels apart.

    y[n, o, i·s + u·d − p, j·s + v·d − p] += weight[c, o, u, v] · x[n, c, i, j], then + bias[o],
    with s the stride, d the dilation, p the padding; values outside the image are dropped.
    This is the input gradient of the convolution y → x with the same weight and options, and is
    computed as such; dx is that convolution of dy, and dweight its weight gradient.

    Input shape: (N, C, H, W). Output shape: (N, out_channels, OH, OW) with
    OH = (H − 1)·stride − 2·padding + dilation·(kernel_size − 1) + output_padding + 1; likewise OW.
    Parameters: weight (C, out_channels / groups, kh, kw), bias (out_channels,).
    Raises ShapeError if padding leaves no output or `groups` does not divide C.
    Source: Dumoulin & Visin 2016, chapter 4; options and layout as PyTorch's ConvTranspose2d.
    """

    out_channels: int = option(minimum=1, doc="Output feature maps.")
    kernel_size: int | Pair = option(minimum=1, doc="Window size in pixels: one number or [h, w].")
    stride: int | Pair = option(1, minimum=1, doc="Output pixels from one input pixel to the next.")
    padding: int | Pair = option(0, minimum=0, doc="Output rows and columns dropped on each side.")
    output_padding: int | Pair = option(
        0, minimum=0, doc="Extra output rows at the bottom and columns at the right."
    )
    dilation: int | Pair = option(1, minimum=1, doc="Pixels between two taps of the kernel.")
    groups: int = option(1, minimum=1, doc="Channel groups that are convolved separately.")
    bias: bool = option(True, doc="Whether to add a bias to each map.")
    weight_init: Initializer | None = option(
        None, doc="Initial weights; default: the spec's `init`."
    )
    bias_init: Initializer = option(Zeros(), doc="Initial biases.")
    in_channels: int | None = option(None, minimum=1, doc="Input feature maps (inferred).")

    def validate(self) -> None:
        if self.out_channels % self.groups:
            raise OptionError(
                "groups", f"must divide out_channels ({self.out_channels}), found {self.groups}"
            )
        limits = zip(self._window.stride, self._window.dilation, strict=True)
        if any(o >= max(limit) for o, limit in zip(pair(self.output_padding), limits, strict=True)):
            raise OptionError(
                "output_padding",
                f"must be less than stride ({show(self.stride)}) or dilation "
                f"({show(self.dilation)}), found {show(self.output_padding)}",
            )

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"in_channels": expect_image(in_shape)[0]}

    def output_shape(self, in_shape: Shape) -> Shape:
        C, *size = expect_image(in_shape)
        if C % self.groups:
            raise ShapeError(f"groups must divide the input channels ({C}), found {self.groups}")
        window = self._window
        steps = zip(size, window.stride, window.padding, window.extent, self._more, strict=True)
        OH, OW = ((n - 1) * s - 2 * p + extent + more for n, s, p, extent, more in steps)
        if OH < 1 or OW < 1:
            raise ShapeError(
                f"padding {show(self.padding)} leaves an output of {OH}×{OW}; use less"
            )
        return self.out_channels, OH, OW

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        """`fan_in` is a mean: an output pixel sees 1 / stride² of C / groups · kh · kw weights."""
        C, maps, window = in_shape[0], self.out_channels // self.groups, self._window
        taps = math.prod(window.kernel)
        fan_in = max(C // self.groups * taps // math.prod(window.stride), 1)
        shape = (C, maps, *window.kernel)
        specs = {"weight": ParamSpec(shape, self.weight_init, fan_in=fan_in, fan_out=maps * taps)}
        if self.bias:
            specs["bias"] = ParamSpec((self.out_channels,), self.bias_init)
        return specs

    def cost(self, in_shape: Shape) -> Cost:
        each = self.out_channels // self.groups * math.prod(self._window.kernel)
        macs = math.prod(in_shape) * each  # including those that `padding` drops
        return Cost(macs, macs + self.bias * math.prod(self.output_shape(in_shape)))

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        sizes = zip((0, 1), in_shape[1:], self.output_shape(in_shape)[1:], strict=True)
        return tuple(self._reach(axis, size, out) for axis, size, out in sizes)

    def _reach(self, axis: int, size: int, out: int) -> Reach:
        """Output j reads input i where j = i·stride − padding + u·dilation for a tap u."""
        window = self._window
        taps = np.arange(window.kernel[axis]) * window.dilation[axis]
        place, left = np.divmod(
            np.arange(out)[:, None] + window.padding[axis] - taps, window.stride[axis]
        )
        read = (left == 0) & (place >= 0) & (place < size)
        return Reach(
            np.where(read, place, size).min(axis=1), np.where(read, place + 1, 0).max(axis=1)
        )

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        weight, scratch = params["weight"], part(call, "forward")
        # An input gradient needs a forward pass: here, of an image of zeros.
        zeros = np.broadcast_to(x.dtype.type(0), (len(x), *self.output_shape(x.shape[1:])))
        _, inner = call.operations.conv2d(zeros, weight, None, self._window, self.groups, scratch)
        unused = np.empty_like(weight)
        y = call.operations.conv2d_backward(
            inner, weight, self._as_gradient(x), unused, None, True, scratch
        )
        assert y is not None  # because it was asked for
        if self.bias:
            y += params["bias"][:, None, None]
        return y, x

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        x, weight, scratch = saved, params["weight"], part(call, "backward")
        dx, inner = call.operations.conv2d(dy, weight, None, self._window, self.groups, scratch)
        call.operations.conv2d_backward(
            inner, weight, self._as_gradient(x), grads["weight"], None, False, scratch
        )
        if self.bias:
            dy.sum(axis=(0, 2, 3), out=grads["bias"])
        return dx[:, :, : x.shape[2], : x.shape[3]]

    def _as_gradient(self, x: Array) -> Array:
        """A copy of x, which operations may write to, with the output shape of y → x.

        That has more rows and columns than x if output_padding is a stride or more.
        """
        N, C, H, W = x.shape
        (more_h, more_w), (sh, sw) = self._more, self._window.stride
        copy = np.zeros_like(x, shape=(N, C, H + more_h // sh, W + more_w // sw))
        copy[:, :, :H, :W] = x
        return copy

    @property
    def _more(self) -> Pair:
        return pair(self.output_padding)

    @property
    def _window(self) -> Window:
        """The window of the convolution y → x."""
        return Window(
            pair(self.kernel_size), pair(self.stride), pair(self.padding), pair(self.dilation)
        )
