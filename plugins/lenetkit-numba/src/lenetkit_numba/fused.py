"""Convolution, ReLU and pooling as one layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lenetkit.authoring import (
    Array,
    AvgPool2d,
    Call,
    Conv2d,
    Cost,
    Layer,
    MaxPool2d,
    Params,
    ParamSpec,
    ReLU,
    Shape,
    option,
)
from lenetkit_numba import left_to_numpy


@dataclass(frozen=True, kw_only=True)
class ConvReLUPool2d(Layer):
    """Convolution, ReLU and 2×2 pooling, without the values in between.

    Input shape (N, C, H, W); output shape and parameters are those of the layers it replaces. The
    sums of the four outputs of a window stay in registers until they are pooled; one byte per
    window tells backward which of the four receive the gradient: the first largest, if it is above
    0, or, for the mean, all that are above 0. Runs on the numba kernels, whatever the call's own
    are, except what NumPy's kernels compute faster.
    """

    conv: Conv2d = option(doc="The convolution.")
    pool: MaxPool2d | AvgPool2d = option(doc="The pooling: 2×2, stride 2, no padding.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return self.pool.output_shape(self.conv.output_shape(in_shape))

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        return self.conv.param_specs(in_shape)

    def cost(self, in_shape: Shape) -> Cost:
        pooled = self.pool.cost(self.conv.output_shape(in_shape))
        return Cost(
            self.conv.cost(in_shape).macs,
            self.conv.cost(in_shape).connections + pooled.connections,
        )

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        if left_to_numpy.is_left(x.shape, self.conv.out_channels, x.itemsize):
            return left_to_numpy.forward([self.conv, ReLU(), self.pool], params, x, call)
        from lenetkit_numba import convolution

        return convolution.forward(
            x,
            params["weight"],
            params.get("bias"),
            self.conv.window,
            self.conv.groups,
            convolution.Pooling(mean=isinstance(self.pool, AvgPool2d)),
            call.scratch,
        )

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        if isinstance(saved, left_to_numpy.Saved):
            return left_to_numpy.backward(params, saved, dy, grads)
        from lenetkit_numba import convolution

        return convolution.backward(
            saved,
            params["weight"],
            dy,
            grads["weight"],
            grads.get("bias"),
            call.needs_input_grad,
            call.scratch,
        )
