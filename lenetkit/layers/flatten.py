"""Flatten."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lenetkit.arrays import Array, Shape
from lenetkit.layers.base import Params, SecondOrderLayer
from lenetkit.layers.call import Call


@dataclass(frozen=True, kw_only=True)
class Flatten(SecondOrderLayer):
    """All values of an image in one row, in the order C, H, W.

    Input shape: (N, …). Output shape: (N, product of the rest). Backward restores the shape.
    """

    def output_shape(self, in_shape: Shape) -> Shape:
        return (math.prod(in_shape),)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        return dy.reshape(saved)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        return d2y.reshape(saved)
