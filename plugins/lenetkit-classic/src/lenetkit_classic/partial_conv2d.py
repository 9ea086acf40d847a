"""Convolution in which each map sees only some of the input maps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.authoring import (
    Array,
    Call,
    Cost,
    Initializer,
    OptionError,
    Pair,
    Params,
    ParamSpec,
    Reach,
    SecondOrderLayer,
    Shape,
    ShapeError,
    Window,
    Zeros,
    expect_image,
    option,
    pair,
)


@dataclass(frozen=True, kw_only=True)
class PartialConv2d(SecondOrderLayer):
    """Convolution with a connection table: y[n, o] = bias[o] + Σ_{c ∈ table[o]} w[o, c] ⋆ x[n, c].

    Input shape: (N, C, H, W). Output shape: (N, len(table), H − kh + 1, W − kw + 1).
    Parameters: one array for all maps with k inputs, weight<k> (maps, k, kh, kw), in the order of
    the table, so that each unit has the right fan-in; and bias (len(table),).
    Raises ShapeError if the table names an input map that does not exist, or the kernel does not
    fit. Computed as a full convolution whose other weights are 0. Source: the paper, section II.B,
    layer C3 and table I.
    """

    table: tuple[tuple[int, ...], ...] = option(
        minimum=0, doc="For each output map, the input maps that it sees, counted from 0."
    )
    kernel_size: int | Pair = option(minimum=1, doc="Window size in pixels: one number or [h, w].")
    weight_init: Initializer | None = option(
        None, doc="Initial weights; default: the spec's `init`."
    )
    bias_init: Initializer = option(Zeros(), doc="Initial biases.")
    in_channels: int | None = option(None, minimum=1, doc="Input feature maps (inferred).")

    @classmethod
    def examples(cls) -> tuple[PartialConv2d, ...]:
        """A table of units with one, two and three input maps."""
        return (cls(table=((0,), (2, 1), (0, 1, 2), (1, 0)), kernel_size=(3, 2)),)

    def validate(self) -> None:
        for o, inputs in enumerate(self.table):
            if not inputs or len(set(inputs)) < len(inputs):
                found = list(inputs)
                raise OptionError("table", f"map {o}: expected distinct input maps, found {found}")
        if not self.table:
            raise OptionError("table", "expected at least one output map, found none")

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"in_channels": expect_image(in_shape)[0]}

    def output_shape(self, in_shape: Shape) -> Shape:
        C, H, W = expect_image(in_shape)
        last = max(map(max, self.table))
        if last >= C:
            raise ShapeError(f"the table names input map {last}, but the input has 0 … {C - 1}")
        return len(self.table), *self._window.output_size(H, W)

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return self._window.reach(*in_shape[1:])

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        kernel = self._window.kernel
        specs = {
            f"weight{k}": ParamSpec((len(maps), k, *kernel), self.weight_init)
            for k, maps in self._by_fan_in.items()
        }
        return specs | {"bias": ParamSpec((len(self.table),), self.bias_init)}

    def cost(self, in_shape: Shape) -> Cost:
        _, OH, OW = self.output_shape(in_shape)
        weights = sum(map(len, self.table)) * math.prod(self._window.kernel)
        return Cost(macs=OH * OW * weights, connections=OH * OW * (weights + len(self.table)))

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        shape = (len(self.table), x.shape[1], *self._window.kernel)
        weight = call.scratch("weight", shape, x.dtype)
        weight.fill(0)
        kernels = weight.reshape(-1, *self._window.kernel)
        for name, places in self._places.items():
            kernels[places] = params[name]
        y, inner = call.operations.conv2d(x, weight, params["bias"], self._window, 1, call.scratch)
        return y, (x, weight, inner)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        _, weight, inner = saved
        d_weight = call.scratch("d_weight", weight.shape, dy.dtype)
        dx = call.operations.conv2d_backward(
            inner, weight, dy, d_weight, grads["bias"], call.needs_input_grad, call.scratch
        )
        self._pick(d_weight, grads)
        return dx

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        """The backward pass of a convolution with squared input and squared weights."""
        x, weight, _ = saved

        def scratch(name: str, shape: Shape, dtype: Any) -> Array:
            return call.scratch(f"second {name}", shape, dtype)

        squares, d2_weight = weight * weight, np.empty_like(weight)
        _, inner = call.operations.conv2d(x * x, squares, params["bias"], self._window, 1, scratch)
        d2x = call.operations.conv2d_backward(
            inner, squares, d2y, d2_weight, d2grads["bias"], True, scratch
        )
        self._pick(d2_weight, d2grads)
        if d2x is None:
            raise RuntimeError("the operations returned no input gradient")
        return d2x

    def _pick(self, d_weight: Array, grads: Params) -> None:
        """Pick the existing weights' gradients from those of the full convolution."""
        kernels = d_weight.reshape(-1, *self._window.kernel)
        for name, places in self._places.items():
            kernels.take(places, axis=0, out=grads[name], mode="clip")  # needs no buffer

    @cached_property
    def _window(self) -> Window:
        return Window(pair(self.kernel_size))

    @cached_property
    def _by_fan_in(self) -> dict[int, list[int]]:
        """Number of input maps → the output maps with that many."""
        counts = [len(inputs) for inputs in self.table]
        return {k: [o for o, n in enumerate(counts) if n == k] for k in sorted(set(counts))}

    @cached_property
    def _places(self) -> dict[str, NDArray[np.intp]]:
        """For each weight<k>, the indices of its kernels in the full convolution."""
        C = self.in_channels or 0
        return {
            f"weight{k}": np.array([[o * C + c for c in self.table[o]] for o in maps])
            for k, maps in self._by_fan_in.items()
        }
