"""GELU, and the distribution function of the normal distribution that it needs."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from lenetkit.arrays import Array
from lenetkit.layers.base import Elementwise
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class GELU(Elementwise):
    """y = x · Φ(x), Φ the distribution function of N(0, 1); its slope is Φ(x) + x · Φ'(x).

    With `approximate: tanh`, Φ(x) ≈ (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2, and the slope is
    that of this y. Hendrycks & Gimpel 2016; options as PyTorch's.
    """

    approximate: Literal["none", "tanh"] = option("none", doc="How Φ is computed.")

    def function(self, x: Array, out: Array) -> Array:
        cdf = normal_cdf(x) if self.approximate == "none" else (1 + _tanh(x)) / 2
        return np.multiply(x, cdf, out=out)

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        if self.approximate == "none":
            return normal_cdf(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        tanh = _tanh(x)
        return (1 + tanh + x * (1 - tanh * tanh) * _SCALE * (1 + 3 * _CUBIC * x * x)) / 2


_SCALE, _CUBIC = math.sqrt(2 / math.pi), 0.044715


def _tanh(x: Array) -> Array:
    return np.tanh(_SCALE * (x + _CUBIC * x * x * x))


def normal_cdf(x: Array) -> Array:
    """Φ(x) = erfc(−x / √2) / 2, without cancellation for negative x.

    erfc(z) = t · e^(P(t) − z²) for z ≥ 0 and t = 2 / (2 + z), P a polynomial: Press et al. 2007,
    section 6.2.2.
    """
    z = np.abs(x) * x.dtype.type(math.sqrt(0.5))
    t = 1 / (1 + z / 2)
    tail = t * np.exp(_polynomial(2 * t - 1) - z * z) / 2
    result: Array = np.where(x < 0, tail, 1 - tail)
    return result


def _polynomial(u: Array) -> Array:
    first, *others = _powers(u.dtype)
    result = np.full_like(u, first)
    for coefficient in others:
        result *= u
        result += coefficient
    return result


@functools.cache
def _powers(dtype: np.dtype[Any]) -> list[Any]:
    """P's coefficients, the highest power first, as many as the precision needs."""
    needed = chebyshev.chebtrim(_CHEBYSHEV, tol=np.finfo(dtype).eps / 4)
    return [*chebyshev.cheb2poly(needed)[::-1].astype(dtype)]


# fmt: off
_CHEBYSHEV = (
    -0.6513268598908547, 0.6419697923564902, 0.019476473204185836, -0.009561514786808632,
    -0.0009465953444820369, 0.00036683949785276145, 4.252332480690777e-05, -2.0278578112534242e-05,
    -1.6242900046470256e-06, 1.3036558355805232e-06, 1.5626441722066142e-08,
    -8.523809591492654e-08, 6.5290544390988515e-09, 5.059343495551469e-09, -9.91364156493033e-10,
    -2.273651222931836e-10, 9.646791102015527e-11, 2.3940380830391146e-12, -6.886027526497553e-12,
    8.944879273090725e-13, 3.130921399342958e-13, -1.1270822361367252e-13, 3.810905255189232e-16,
    7.106097613609237e-15, -1.5230282014571041e-15, -9.457494571291254e-17,
)
# fmt: on
"""The Chebyshev series of P(t) = log(erfc(z) / t) + z² in 2t − 1, as computed with mpmath."""
