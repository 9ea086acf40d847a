"""Initial values of parameters.

`fan_in` is the number of inputs of a unit and `fan_out` the number of units that an input feeds,
window size included. Each parameter draws from a generator of its own (see `Network`).
"""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.errors import OptionError
from lenetkit.options import Configurable, option


class Initializer(Configurable):
    """Base of all initializers."""

    group: ClassVar[str] = "lenetkit.initializers"
    kind: ClassVar[str] = "initializer"

    @abstractmethod
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        """Initial values of the given shape."""


@dataclass(frozen=True, kw_only=True)
class Normal(Initializer):
    """N(mean, std²)."""

    mean: float = option(0.0, doc="Mean.")
    std: float = option(0.01, minimum=0, doc="Standard deviation (not variance).")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return rng.normal(self.mean, self.std, shape)


@dataclass(frozen=True, kw_only=True)
class Uniform(Initializer):
    """U(low, high)."""

    low: float = option(-0.05, doc="Lower end.")
    high: float = option(0.05, doc="Upper end.")

    def validate(self) -> None:
        if self.low > self.high:
            raise OptionError("low", f"must not exceed high ({self.high:g}), found {self.low:g}")
        if not math.isfinite(self.high - self.low):
            limit = f"{sys.float_info.max:.2g} above low ({self.low:g})"
            raise OptionError("high", f"must be at most {limit}, found {self.high:g}")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True, kw_only=True)
class XavierNormal(Initializer):
    """N(0, gain² · 2 / (fan_in + fan_out)); Glorot & Bengio 2010, eq. 12."""

    gain: float = option(1.0, above=0, maximum=1e300, doc="Factor on the standard deviation.")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return rng.normal(0, self.gain * math.sqrt(2 / (fan_in + fan_out)), shape)


@dataclass(frozen=True, kw_only=True)
class XavierUniform(Initializer):
    """U(−a, a) with a = gain · √(6 / (fan_in + fan_out)); Glorot & Bengio 2010, eq. 16."""

    gain: float = option(1.0, above=0, maximum=1e300, doc="Factor on the range.")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        limit = self.gain * math.sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True, kw_only=True)
class HeNormal(Initializer):
    """N(0, 2 / fan_in), for ReLU; He et al. 2015, section 2.2."""

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return rng.normal(0, math.sqrt(2 / fan_in), shape)


@dataclass(frozen=True, kw_only=True)
class HeUniform(Initializer):
    """U(−a, a) with a = √(6 / fan_in), the variance of `he_normal`; He et al. 2015."""

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        limit = math.sqrt(6 / fan_in)
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True, kw_only=True)
class Constant(Initializer):
    """Every value the same."""

    value: float = option(doc="The value.")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return np.full(shape, self.value)


@dataclass(frozen=True, kw_only=True)
class Zeros(Initializer):
    """Every value 0, as for biases."""

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        return np.zeros(shape)
