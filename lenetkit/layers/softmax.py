"""Softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape, shape_text
from lenetkit.errors import OptionError, ShapeError
from lenetkit.layers.base import Params, SecondOrderLayer
from lenetkit.layers.call import Call
from lenetkit.operations.reach import Reach, all_places, each_place
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class Softmax(SecondOrderLayer):
    """y_k = e^(x_k) / Σ_j e^(x_j) along one axis, as positive numbers that sum to 1.

    Not for the end of a classifier: the loss softmax_cross_entropy takes outputs without it.
    Any shape in, the same shape out. Backward: dL/dx_k = y_k · (dL/dy_k − Σ_j y_j · dL/dy_j).
    Raises ShapeError if there is no such axis.
    """

    dim: int = option(1, doc="The axis, counted with the batch as 0, or from the end: −1 is last.")

    def validate(self) -> None:
        if self.dim == 0:
            raise OptionError("dim", "is the batch; expected 1 (channels) or another axis, found 0")

    def output_shape(self, in_shape: Shape) -> Shape:
        axes = len(in_shape) + 1
        if not -axes < self.dim < axes:
            raise ShapeError(
                f"dim {self.dim} is no axis of {shape_text(in_shape)}; the last one is {axes - 1}, "
                "as 0 is the batch"
            )
        return in_shape

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        own, whole = each_place(in_shape), all_places(in_shape, in_shape)
        axis = self.dim % (len(in_shape) + 1) - 1 - (len(in_shape) > 1)  # among the places
        return tuple(whole[i] if i == axis else own[i] for i in range(len(own)))

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y = np.subtract(x, x.max(axis=self.dim, keepdims=True), out=call.scratch_like("y", x))
        np.exp(y, out=y)
        y /= y.sum(axis=self.dim, keepdims=True)
        return y, y

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        dy -= (saved * dy).sum(axis=self.dim, keepdims=True)
        return np.multiply(dy, saved, out=dy)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        """y_k² · ((1 − 2·y_k) · d2y_k + Σ_j y_j² · d2y_j)."""
        squares = saved * saved
        total = (squares * d2y).sum(axis=self.dim, keepdims=True)
        d2x: Array = squares * ((1 - 2 * saved) * d2y + total)
        return d2x
