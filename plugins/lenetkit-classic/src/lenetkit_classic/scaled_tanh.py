"""The paper's squashing function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.layers.base import Call, Layer, Params
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class ScaledTanh(Layer):
    """y = A · tanh(S · x), which is ±1 at ±1 for the default A and S.

    Any shape in, the same shape out. Backward: dL/dx = dL/dy · f′ with f′ = A·S − (S/A) · y²;
    second derivative, Gauss–Newton: d²L/dx² = d²L/dy² · f′².
    Source: the paper, section II.B, eq. 6, and appendix A.
    """

    amplitude: float = option(1.7159, above=0, doc="A: what y approaches for x → ∞.")
    slope: float = option(2 / 3, above=0, doc="S: how steep it is; A·S is the slope at 0.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return in_shape

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y = np.multiply(x, x.dtype.type(self.slope))
        np.tanh(y, out=y)
        y *= x.dtype.type(self.amplitude)
        return y, y

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        return np.multiply(dy, self._derivative(saved), out=dy)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        derivative = self._derivative(saved)
        derivative *= derivative
        return np.multiply(d2y, derivative, out=d2y)

    def _derivative(self, y: Array) -> Array:
        """f′ in terms of y = f(x)."""
        derivative: Array = y * y
        derivative *= y.dtype.type(-self.slope / self.amplitude)
        derivative += y.dtype.type(self.slope * self.amplitude)
        return derivative
