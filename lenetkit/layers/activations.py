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
class ELU(Elementwise):
    """y = x for x > 0, else alpha · (e^x − 1), whose slope is y + alpha. Clevert et al. 2016."""

    alpha: float = option(1.0, minimum=0, doc="y approaches −alpha as x → −∞.")

    def function(self, x: Array, out: Array) -> Array:
        below = np.expm1(np.minimum(x, 0, out=out), out=out)
        below *= self.alpha
        np.copyto(out, x, where=x > 0)
        return out

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        return np.where(x > 0, x.dtype.type(1), y + x.dtype.type(self.alpha))


@dataclass(frozen=True, kw_only=True)
class Softplus(Elementwise):
    """y = log(1 + e^(beta·x)) / beta, a smooth ReLU; y = x where beta·x > threshold.

    Its slope is the sigmoid of beta·x. Dugas et al. 2001; options and defaults as PyTorch's.
    """

    beta: float = option(1.0, above=0, doc="The larger, the nearer to ReLU.")
    threshold: float = option(20.0, doc="The value of beta·x above which y = x.")

    def function(self, x: Array, out: Array) -> Array:
        scaled = x * x.dtype.type(self.beta)
        np.log1p(np.exp(-np.abs(scaled)), out=out)
        out += np.maximum(scaled, 0)
        out /= self.beta
        np.copyto(out, x, where=scaled > self.threshold)
        return out

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        scaled = x * x.dtype.type(self.beta)
        slope = sigmoid(scaled, np.empty_like(scaled))
        slope[scaled > self.threshold] = 1
        return slope


@dataclass(frozen=True, kw_only=True)
class Sigmoid(Elementwise):
    """y = 1 / (1 + e^(−x)); dL/dx = dL/dy · y · (1 − y).

    Small values keep their relative precision, down to the smallest normal number.
    """

    def function(self, x: Array, out: Array) -> Array:
        return sigmoid(x, out)

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        return y * (1 - y)


@dataclass(frozen=True, kw_only=True)
class SiLU(Elementwise):
    """y = x · σ(x), σ the sigmoid, also called swish; its slope is σ(x) · (1 + x · (1 − σ(x))).

    Elfwing et al. 2018; Ramachandran et al. 2017.
    """

    def function(self, x: Array, out: Array) -> Array:
        return np.multiply(x, sigmoid(x, out), out=out)

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        share = sigmoid(x, np.empty_like(x))
        return share * (1 + x * (1 - share))


@dataclass(frozen=True, kw_only=True)
class Tanh(Elementwise):
    """y = tanh(x); dL/dx = dL/dy · (1 − y²)."""

    def function(self, x: Array, out: Array) -> Array:
        return np.tanh(x, out=out)

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        return 1 - y * y


def sigmoid(x: Array, out: Array) -> Array:
    """1 / (1 + e^(−x)), written to `out`."""
    np.negative(x, out=out)
    with np.errstate(over="ignore"):  # 1 / (1 + ∞) is the right 0
        np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)
