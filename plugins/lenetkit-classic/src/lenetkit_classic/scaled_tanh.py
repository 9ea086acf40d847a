"""The paper's squashing function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lenetkit.authoring import Array, Elementwise, option


@dataclass(frozen=True, kw_only=True)
class ScaledTanh(Elementwise):
    """y = A · tanh(S · x), which is ±1 at ±1 for the default A and S.

    Any shape in, the same shape out. Its derivative is A·S − (S/A) · y².
    Source: the paper, section II.B, eq. 6, and appendix A.
    """

    amplitude: float = option(1.7159, above=0, doc="A: y approaches ±A as x → ±∞.")
    slope: float = option(2 / 3, above=0, doc="S: scale of x; the slope at 0 is A·S.")

    def function(self, x: Array, out: Array) -> Array:
        np.multiply(x, x.dtype.type(self.slope), out=out)
        np.tanh(out, out=out)
        out *= x.dtype.type(self.amplitude)
        return out

    def derivative(self, x: Array, y: Array) -> Array:
        derivative: Array = y * y
        derivative *= y.dtype.type(-self.slope / self.amplitude)
        derivative += y.dtype.type(self.slope * self.amplitude)
        return derivative
