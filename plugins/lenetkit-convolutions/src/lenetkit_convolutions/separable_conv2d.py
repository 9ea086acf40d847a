"""Depthwise separable convolution: first within each map, then across maps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lenetkit.authoring import (
    Array,
    Call,
    Cost,
    Initializer,
    Layer,
    Pair,
    Params,
    ParamSpec,
    Reach,
    Shape,
    Window,
    Zeros,
    expect_image,
    option,
    pair,
)
from lenetkit_convolutions.scratch import part

POINT = Window((1, 1))


@dataclass(frozen=True, kw_only=True)
class SeparableConv2d(Layer):
    """A convolution whose weight is a product: depthwise[c·m + k, u, v] · pointwise[o, c·m + k].

    z[n, c·m + k] = depthwise[c·m + k] ⋆ x[n, c], k < m = depth_multiplier, with stride, padding
    and dilation as in `conv2d`; y[n, o] = bias[o] + Σ_r pointwise[o, r] · z[n, r].
    There is no nonlinearity in between.

    Input shape: (N, C, H, W). Output shape: (N, out_channels, OH, OW), OH and OW as in `conv2d`.
    Parameters: depthwise (C·m, 1, kh, kw), pointwise (out_channels, C·m, 1, 1), bias
    (out_channels,): C·m·(kh·kw + out_channels) weights instead of C·kh·kw·out_channels.
    Raises ShapeError if the kernel is larger than the padded input.
    Source: Chollet 2017, section 2; Howard et al. 2017, section 3.1; m as in Keras.
    """

    out_channels: int = option(minimum=1, doc="Output feature maps.")
    kernel_size: int | Pair = option(minimum=1, doc="Window size in pixels: one number or [h, w].")
    stride: int | Pair = option(1, minimum=1, doc="Pixels from one window to the next.")
    padding: int | Pair = option(0, minimum=0, doc="Rows and columns of zeros added on each side.")
    dilation: int | Pair = option(1, minimum=1, doc="Pixels between two taps of the kernel.")
    depth_multiplier: int = option(1, minimum=1, doc="Depthwise kernels per input map.")
    bias: bool = option(True, doc="Whether to add a bias to each output map.")
    weight_init: Initializer | None = option(
        None, doc="Initial weights of both steps; default: the spec's `init`."
    )
    bias_init: Initializer = option(Zeros(), doc="Initial biases.")
    in_channels: int | None = option(None, minimum=1, doc="Input feature maps (inferred).")

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"in_channels": expect_image(in_shape)[0]}

    def output_shape(self, in_shape: Shape) -> Shape:
        _, H, W = expect_image(in_shape)
        return self.out_channels, *self._window.output_size(H, W)

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        between, m = in_shape[0] * self.depth_multiplier, self.depth_multiplier
        window = self._window.kernel
        fan_out = m * math.prod(window)
        specs = {
            "depthwise": ParamSpec((between, 1, *window), self.weight_init, fan_out=fan_out),
            "pointwise": ParamSpec((self.out_channels, between, 1, 1), self.weight_init),
        }
        if self.bias:
            specs["bias"] = ParamSpec((self.out_channels,), self.bias_init)
        return specs

    def cost(self, in_shape: Shape) -> Cost:
        O, OH, OW = self.output_shape(in_shape)
        between = in_shape[0] * self.depth_multiplier
        macs = OH * OW * between * (math.prod(self._window.kernel) + O)
        return Cost(macs, macs + self.bias * OH * OW * O)

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return self._window.reach(*in_shape[1:])

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        conv2d = call.operations.conv2d
        scratch, groups = part(call, "depthwise"), x.shape[1]
        z, first = conv2d(x, params["depthwise"], None, self._window, groups, scratch)
        scratch = part(call, "pointwise")
        y, second = conv2d(z, params["pointwise"], params.get("bias"), POINT, 1, scratch)
        return y, (first, second)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        first, second = saved
        conv2d_backward, needed = call.operations.conv2d_backward, call.needs_input_grad
        weight, d_weight, scratch = params["pointwise"], grads["pointwise"], part(call, "pointwise")
        dz = conv2d_backward(second, weight, dy, d_weight, grads.get("bias"), True, scratch)
        assert dz is not None  # because it was asked for
        weight, d_weight, scratch = params["depthwise"], grads["depthwise"], part(call, "depthwise")
        return conv2d_backward(first, weight, dz, d_weight, None, needed, scratch)

    @property
    def _window(self) -> Window:
        return Window(
            pair(self.kernel_size), pair(self.stride), pair(self.padding), pair(self.dilation)
        )
