"""Flatten."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.layers.base import Params, SecondOrderLayer
from lenetkit.layers.call import Call
from lenetkit.operations.reach import Reach, each_place


@dataclass(frozen=True, kw_only=True)
class Flatten(SecondOrderLayer):
    """All values of an image in one row, in the order C, H, W.

    Input shape: (N, …). Output shape: (N, product of the rest). Backward restores the shape.
    """

    def output_shape(self, in_shape: Shape) -> Shape:
        return (math.prod(in_shape),)

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        if len(in_shape) == 1:
            return each_place(in_shape)
        own = np.indices(in_shape).reshape(len(in_shape), -1)[1:]
        return tuple(Reach(place, place + 1) for place in own)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        return dy.reshape(saved)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        return d2y.reshape(saved)
