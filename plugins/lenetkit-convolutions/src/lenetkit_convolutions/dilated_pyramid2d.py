"""A pyramid of dilated convolutions: several receptive fields side by side."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

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
    Scratch,
    Shape,
    Window,
    Zeros,
    expect_image,
    option,
    pair,
    show,
)
from lenetkit_convolutions.scratch import part


@dataclass(frozen=True, kw_only=True)
class DilatedPyramid2d(Layer):
    """Convolutions of one input with several dilations, their maps concatenated.

    y[n, maps of branch b] = conv2d(x[n], weight[maps of b], bias[maps of b]) with dilation d_b and
    padding d_b·(kernel_size − 1) / 2, which keeps the image's size; the B branches have
    out_channels / B maps each, in the order of `dilations`.

    Input shape: (N, C, H, W). Output shape: (N, out_channels, OH, OW) with
    OH = ⌊(H − 1) / stride⌋ + 1, and likewise OW.
    Parameters: weight (out_channels, C, kh, kw), bias (out_channels,).
    Backward: dx is the sum of the branches' dx. Raises ShapeError for anything but an image.
    Source: Mehta et al. 2018 (ESPNet), section 3.1, without its sums over neighbouring branches;
    Chen et al. 2017 (DeepLabv3), section 3.3, concatenates in the same way.
    """

    out_channels: int = option(minimum=1, doc="Output feature maps of all branches together.")
    kernel_size: int | Pair = option(3, minimum=1, doc="Window size, odd: one number or [h, w].")
    dilations: tuple[int, ...] = option(
        (1, 2, 4), minimum=1, doc="For each branch, the pixels between two taps of the kernel."
    )
    stride: int | Pair = option(1, minimum=1, doc="Pixels from one window to the next.")
    bias: bool = option(True, doc="Whether to add a bias to each map.")
    weight_init: Initializer | None = option(
        None, doc="Initial weights; default: the spec's `init`."
    )
    bias_init: Initializer = option(Zeros(), doc="Initial biases.")
    in_channels: int | None = option(None, minimum=1, doc="Input feature maps (inferred).")

    @classmethod
    def examples(cls) -> Sequence[Self]:  # for `plugins check`: out_channels cannot be guessed
        return (cls(out_channels=6), cls(out_channels=2, kernel_size=(1, 3), dilations=(3, 1)))

    def validate(self) -> None:
        if not self.dilations:
            raise OptionError("dilations", "expected at least one dilation, found none")
        if self.out_channels % len(self.dilations):
            raise OptionError(
                "out_channels",
                f"must be a multiple of the number of dilations ({len(self.dilations)}), "
                f"found {self.out_channels}",
            )
        if not all(size % 2 for size in pair(self.kernel_size)):
            raise OptionError("kernel_size", f"must be odd, found {show(self.kernel_size)}")

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"in_channels": expect_image(in_shape)[0]}

    def output_shape(self, in_shape: Shape) -> Shape:
        _, H, W = expect_image(in_shape)
        return self.out_channels, *self._window(1).output_size(H, W)

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        shape = (self.out_channels, in_shape[0], *pair(self.kernel_size))
        specs = {"weight": ParamSpec(shape, self.weight_init)}
        if self.bias:
            specs["bias"] = ParamSpec((self.out_channels,), self.bias_init)
        return specs

    def cost(self, in_shape: Shape) -> Cost:
        units = math.prod(self.output_shape(in_shape))
        fan_in = in_shape[0] * math.prod(pair(self.kernel_size))
        return Cost(macs=units * fan_in, connections=units * (fan_in + self.bias))

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        branches = [self._window(dilation).reach(*in_shape[1:]) for dilation in self.dilations]
        return tuple(functools.reduce(Reach.joined, axis) for axis in zip(*branches, strict=True))

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        outputs, saved = [], []
        for maps, window, scratch in self._branches(call):
            weight, bias = params["weight"][maps], params["bias"][maps] if self.bias else None
            y, inner = call.operations.conv2d(x, weight, bias, window, 1, scratch)
            outputs.append(y)
            saved.append(inner)
        return np.concatenate(outputs, axis=1), saved

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        parts = []
        for (maps, _, scratch), inner in zip(self._branches(call), saved, strict=True):
            weight, d_weight = params["weight"][maps], grads["weight"][maps]
            d_bias = grads["bias"][maps] if self.bias else None
            needed = call.needs_input_grad
            dx = call.operations.conv2d_backward(
                inner, weight, dy[:, maps], d_weight, d_bias, needed, scratch
            )
            if dx is not None:
                parts.append(dx)
        for dx in parts[1:]:
            parts[0] += dx
        return parts[0] if parts else None

    def _branches(self, call: Call) -> Iterator[tuple[slice, Window, Scratch]]:
        """The maps of each branch, its window, and its own scratch memory."""
        each = self.out_channels // len(self.dilations)
        for b, dilation in enumerate(self.dilations):
            maps = slice(b * each, (b + 1) * each)
            yield maps, self._window(dilation), part(call, f"branch {b}")

    def _window(self, dilation: int) -> Window:
        kh, kw = kernel = pair(self.kernel_size)
        padding = (dilation * (kh // 2), dilation * (kw // 2))
        return Window(kernel, pair(self.stride), padding, (dilation, dilation))
