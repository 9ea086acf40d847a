"""The output layer: squared distances from the digits' bitmaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.authoring import (
    Array,
    Call,
    Cost,
    Params,
    ParamSpec,
    Reach,
    SecondOrderLayer,
    Shape,
    ShapeError,
    all_places,
    option,
    shape_text,
)
from lenetkit_classic.bitmaps import HEIGHT, WIDTH
from lenetkit_classic.initializers import DigitBitmaps


@dataclass(frozen=True, kw_only=True)
class Rbf(SecondOrderLayer):
    """y_i = factor · Σ_j (x_j − w_ij)², w_i the bitmap of digit i; the smallest y is the answer.

    Input shape: (N, 84). Output shape: (N, 10). Raises ShapeError for any other input.
    State: weight (10, 84), which never changes.
    Backward: dL/dx_j = 2 · factor · Σ_i (x_j − w_ij) · dL/dy_i.
    Source: the paper, section II.B, eq. 7, with a factor of 1.

    Second derivative: 4 · factor² · Σ_i (x_j − w_ij)² · d²L/dy_i² by the chain rule. That neglects
    the curvature of y itself, 2 · factor; `curvature` sets a constant instead, for a loss that is
    nearly linear in y, so that all curvature comes from this layer.
    """

    trial_shapes = ((WIDTH * HEIGHT,),)

    factor: float = option(1.0, above=0, doc="Multiplies the squared distance.")
    curvature: float | None = option(
        None, above=0, doc="d²L/dx² of each input, instead of the chain rule's; Lush uses 1."
    )

    def output_shape(self, in_shape: Shape) -> Shape:
        if in_shape != (WIDTH * HEIGHT,):
            found = shape_text(in_shape)
            raise ShapeError(
                f"expected {WIDTH * HEIGHT} values, one per pixel of a bitmap, found {found}"
            )
        return (10,)

    def state_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        return {"weight": ParamSpec((10, WIDTH * HEIGHT), DigitBitmaps())}

    def cost(self, in_shape: Shape) -> Cost:
        return Cost(macs=10 * WIDTH * HEIGHT, connections=10 * WIDTH * HEIGHT)

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return all_places(in_shape, self.output_shape(in_shape))

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        difference = x[:, None, :] - call.state["weight"]
        y: Array = np.einsum("nij,nij->ni", difference, difference)
        y *= y.dtype.type(self.factor)
        return y, difference

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        difference = saved
        dx = np.matmul(dy[:, None, :], difference)[:, 0]
        dx *= dx.dtype.type(2 * self.factor)
        return dx

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        difference = saved
        if self.curvature is not None:
            return np.full((len(d2y), WIDTH * HEIGHT), self.curvature, d2y.dtype)
        d2x = np.matmul(d2y[:, None, :], difference * difference)[:, 0]
        d2x *= d2x.dtype.type(4 * self.factor**2)
        return d2x
