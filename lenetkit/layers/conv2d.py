"""Convolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from lenetkit.arrays import Array, Shape
from lenetkit.errors import OptionError, ShapeError
from lenetkit.initializers import Initializer, Zeros
from lenetkit.layers.base import Cost, Params, ParamSpec, SecondOrderLayer, expect_image
from lenetkit.layers.call import Call
from lenetkit.operations.base import Padding, Pair, Window, pair, sides
from lenetkit.operations.reach import Reach
from lenetkit.options import option
from lenetkit.values import show


@dataclass(frozen=True, kw_only=True)
class Conv2d(SecondOrderLayer):
    """2-D convolution (a cross-correlation, as usual in deep learning).

    y[n, o, i, j] = bias[o] + Σ_{c,u,v} weight[o, c, u, v] · x[n, c, i·s + u·d − p, j·s + v·d − p]
    with s the stride, d the dilation, p the padding; x is 0 outside the image.

    Input shape: (N, C, H, W). Output shape: (N, out_channels, OH, OW) with
    OH = ⌊(H + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1, and likewise OW. With
    `padding: same`, OH = H: the padding is dilation·(kernel_size − 1) in all, the smaller half
    above, as in PyTorch.
    Parameters: weight (out_channels, C / groups, kh, kw), bias (out_channels,).
    Raises ShapeError if the kernel is larger than the padded input or `groups` does not divide C.
    Source: LeCun et al. 1998, section II.A.

    Windows of zeros give exactly the bias. Other windows with the same values may give outputs that
    differ in their last bits, as matrix products round by place (docs/reliability.md).

    Kernel sets may fuse it with the ReLU and the pooling that follow (`Kernels.fuse`), as NumPy's
    does in `kernels/fused.py`: in LeNet-5 `forward` here is then never called.
    `network.workspace(training=True, fused=False)` runs every layer separately.
    """

    out_channels: int = option(minimum=1, doc="Output feature maps.")
    kernel_size: int | Pair = option(minimum=1, doc="Window size in pixels: one number or [h, w].")
    stride: int | Pair = option(1, minimum=1, doc="Pixels from one window to the next.")
    padding: Literal["same"] | Padding = option(
        0,
        minimum=0,
        doc="Rows and columns of zeros added on each side: one number, [h, w], "
        "[[top, bottom], [left, right]], or 'same', which keeps the size.",
    )
    dilation: int | Pair = option(1, minimum=1, doc="Pixels between two taps of the kernel.")
    groups: int = option(1, minimum=1, doc="Channel groups that do not see each other.")
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
        if self.padding == "same" and max(pair(self.stride)) > 1:
            raise OptionError(
                "padding",
                f"'same' needs stride 1, found stride {show(self.stride)}; write a number",
            )

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"in_channels": expect_image(in_shape)[0]}

    def output_shape(self, in_shape: Shape) -> Shape:
        C, H, W = expect_image(in_shape)
        if C % self.groups:
            raise ShapeError(f"groups must divide the input channels ({C}), found {self.groups}")
        return self.out_channels, *self.window.output_size(H, W)

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        shape = (self.out_channels, in_shape[0] // self.groups, *self.window.kernel)
        specs = {"weight": ParamSpec(shape, self.weight_init)}
        if self.bias:
            specs["bias"] = ParamSpec((self.out_channels,), self.bias_init)
        return specs

    def cost(self, in_shape: Shape) -> Cost:
        units = math.prod(self.output_shape(in_shape))
        fan_in = in_shape[0] // self.groups * math.prod(self.window.kernel)
        return Cost(macs=units * fan_in, connections=units * (fan_in + self.bias))

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return self.window.reach(*in_shape[1:])

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, inner = call.operations.conv2d(
            x, params["weight"], params.get("bias"), self.window, self.groups, call.scratch
        )
        return y, (x, inner)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        _, inner = saved
        return call.operations.conv2d_backward(
            inner,
            params["weight"],
            dy,
            grads["weight"],
            grads.get("bias"),
            call.needs_input_grad,
            call.scratch,
        )

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        """The backward pass of a convolution of the squared input by the squared weights."""
        x, _ = saved

        def scratch(name: str, shape: Shape, dtype: Any) -> Array:
            return call.scratch(f"second {name}", shape, dtype)

        squares, bias = params["weight"] ** 2, params.get("bias")
        _, inner = call.operations.conv2d(x * x, squares, bias, self.window, self.groups, scratch)
        d2x = call.operations.conv2d_backward(
            inner, squares, d2y, d2grads["weight"], d2grads.get("bias"), True, scratch
        )
        if d2x is None:
            raise RuntimeError("the kernels returned no input gradient")
        return d2x

    @property
    def window(self) -> Window:
        """The sliding window that the options describe."""
        kernel, dilation = pair(self.kernel_size), pair(self.dilation)
        if self.padding == "same":
            height, width = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
            before, after = (height // 2, width // 2), (height - height // 2, width - width // 2)
        else:
            before, after = sides(self.padding)
        return Window(kernel, pair(self.stride), before, dilation, after)
