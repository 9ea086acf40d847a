"""Activations: each states its function and derivative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array
from lenetkit.layers.base import Elementwise
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class ReLU(Elementwise):
    """y = max(0, x); dL/dx = dL/dy where x > 0, else 0. Nair & Hinton 2010."""

    def function(self, x: Array, out: Array) -> Array:
        return np.maximum(x, 0, out=out)

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        return y > 0


@dataclass(frozen=True, kw_only=True)
class LeakyReLU(Elementwise):
    """y = x for x > 0, else negative_slope · x. Maas et al. 2013."""

    negative_slope: float = option(0.01, minimum=0, doc="Slope for x ≤ 0.")

    def function(self, x: Array, out: Array) -> Array:
        return np.multiply(x, self.derivative(x, out), out=out)

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        return np.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))


@dataclass(frozen=True, kw_only=True)
class Sigmoid(Elementwise):
    """y = 1 / (1 + e^(−x)); dL/dx = dL/dy · y · (1 − y).

    Small values keep their relative precision, down to the smallest normal number.
    """

    def function(self, x: Array, out: Array) -> Array:
        np.negative(x, out=out)
        with np.errstate(over="ignore"):  # 1 / (1 + ∞) is the right 0
            np.exp(out, out=out)
        out += 1
        return np.reciprocal(out, out=out)

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        return y * (1 - y)


@dataclass(frozen=True, kw_only=True)
class Tanh(Elementwise):
    """y = tanh(x); dL/dx = dL/dy · (1 − y²)."""

    def function(self, x: Array, out: Array) -> Array:
        return np.tanh(x, out=out)

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        return 1 - y * y
