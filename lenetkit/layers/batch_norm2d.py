"""Batch normalization."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.initializers import Constant, Zeros
from lenetkit.layers.base import Layer, Params, ParamSpec, expect_image
from lenetkit.layers.call import Call
from lenetkit.operations.reach import Reach, each_place
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class BatchNorm2d(Layer):
    """y = weight · (x − mean) / √(var + eps) + bias, for each channel.

    In training, mean and (biased) variance are the batch's, over N, H and W, and the running ones
    move towards them: running ← (1 − momentum) · running + momentum · batch, with the unbiased
    variance. In inference the running ones are used. So are they for a training batch with a single
    value for each channel, such as a last batch of one image with 1×1 maps: one value has no
    variance, and moves nothing.

    Input and output shape: (N, C, H, W). Parameters: weight, bias; state: running_mean,
    running_var, each (C,). Ioffe & Szegedy 2015, algorithms 1 and 2.
    """

    eps: float = option(1e-5, above=0, doc="Added to the variance.")
    momentum: float = option(0.1, minimum=0, maximum=1, doc="Weight of the newest batch.")
    affine: bool = option(True, doc="Whether to scale and shift by weight and bias.")
    num_features: int | None = option(None, minimum=1, doc="Channels (inferred).")

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"num_features": expect_image(in_shape)[0]}

    def output_shape(self, in_shape: Shape) -> Shape:
        return expect_image(in_shape)

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        if not self.affine:
            return {}
        C = (in_shape[0],)
        return {"weight": ParamSpec(C, Constant(value=1.0)), "bias": ParamSpec(C, Zeros())}

    def state_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        C = (in_shape[0],)
        return {
            "running_mean": ParamSpec(C, Zeros()),
            "running_var": ParamSpec(C, Constant(value=1.0)),
        }

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return each_place(in_shape)  # in inference; in training, statistics couple all

    def least_batch(self, in_shape: Shape) -> int:
        return 2 if math.prod(in_shape[1:]) == 1 else 1

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        count = _values_a_channel(x, call)
        if call.training and count > 1:
            mean: Array = call.batch.sum(x.sum(axis=_AXES)) / count
            var: Array = call.batch.sum(((x - _by_channel(mean)) ** 2).sum(axis=_AXES)) / count
            unbiased = var * (count / (count - 1))
            for name, new in (("running_mean", mean), ("running_var", unbiased)):
                call.state[name][...] += self.momentum * (new - call.state[name])
        else:
            mean, var = call.state["running_mean"], call.state["running_var"]
        scale = 1 / np.sqrt(var + self.eps)
        normal = (x - _by_channel(mean)) * _by_channel(scale)
        if not self.affine:
            return normal, (normal, scale)
        y = normal * _by_channel(params["weight"]) + _by_channel(params["bias"])
        return y, (normal, scale)

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        normal, scale = saved
        d_weight = (dy * normal).sum(axis=_AXES)
        d_bias = dy.sum(axis=_AXES)
        if self.affine:
            grads["weight"][...], grads["bias"][...] = d_weight, d_bias
            scale = scale * params["weight"]
        count = _values_a_channel(dy, call)
        if call.training and count > 1:
            # Mean and variance depend on x too: dx has no part along 1 or normal.
            mean_dy, mean_dy_normal = (call.batch.sum(s) / count for s in (d_bias, d_weight))
            dy = dy - _by_channel(mean_dy) - normal * _by_channel(mean_dy_normal)
        return dy * _by_channel(scale)


_AXES = (0, 2, 3)
"""All but the channels."""


def _values_a_channel(x: Array, call: Call) -> int:
    """Values per channel in the whole batch."""
    return call.batch.size(len(x)) * math.prod(x.shape[2:])


def _by_channel(values: Array) -> Array:
    """(C,) as (C, 1, 1), to broadcast with (N, C, H, W)."""
    return values[:, None, None]
