"""Linear (fully connected)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.initializers import Initializer, Zeros
from lenetkit.layers.base import Cost, Params, ParamSpec, SecondOrderLayer
from lenetkit.layers.call import Call
from lenetkit.operations.reach import Reach, all_places
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class Linear(SecondOrderLayer):
    """y = x · weightᵀ + bias, for x flattened to one row per image in the order C, H, W.

    Input shape: (N, …). Output shape: (N, out_features).
    Parameters: weight (out_features, in_features), bias (out_features,).
    Backward: dW = dyᵀ · x, db = Σ_n dy, dx = dy · weight, in the input's shape.
    """

    out_features: int = option(minimum=1, doc="Output values.")
    bias: bool = option(True, doc="Whether to add a bias.")
    weight_init: Initializer | None = option(
        None, doc="Initial weights; default: the spec's `init`."
    )
    bias_init: Initializer = option(Zeros(), doc="Initial biases.")
    in_features: int | None = option(None, minimum=1, doc="Input values (inferred).")

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"in_features": math.prod(in_shape)}

    def output_shape(self, in_shape: Shape) -> Shape:
        return (self.out_features,)

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        specs = {"weight": ParamSpec((self.out_features, math.prod(in_shape)), self.weight_init)}
        if self.bias:
            specs["bias"] = ParamSpec((self.out_features,), self.bias_init)
        return specs

    def cost(self, in_shape: Shape) -> Cost:
        fan_in = math.prod(in_shape)
        return Cost(self.out_features * fan_in, self.out_features * (fan_in + self.bias))

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return all_places(in_shape, (self.out_features,))

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        flat = x.reshape(len(x), math.prod(x.shape[1:]))
        y = call.scratch("y", (len(x), self.out_features), x.dtype)
        np.matmul(flat, params["weight"].T, out=y)
        if self.bias:
            y += params["bias"]
        return y, (flat, x.shape)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        flat, in_shape = saved
        outer = np.multiply if len(dy) == 1 else np.matmul  # matmul is slow for one image
        outer(dy.T, flat, out=grads["weight"])
        if self.bias:
            dy.sum(axis=0, out=grads["bias"])
        if not call.needs_input_grad:
            return None
        dx = call.scratch("dx", flat.shape, dy.dtype)
        return np.matmul(dy, params["weight"], out=dx).reshape(in_shape)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        flat, in_shape = saved
        np.matmul(d2y.T, flat * flat, out=d2grads["weight"])
        if self.bias:
            d2y.sum(axis=0, out=d2grads["bias"])
        return np.matmul(d2y, params["weight"] ** 2).reshape(in_shape)
