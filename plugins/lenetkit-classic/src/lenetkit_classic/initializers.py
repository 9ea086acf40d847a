"""Initial values of the 1998 network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lenetkit.authoring import Array, Initializer, option
from lenetkit_classic.bitmaps import bitmaps


@dataclass(frozen=True, kw_only=True)
class LecunUniform(Initializer):
    """U(−a, a) with a = scale / fan_in^power.

    The paper, appendix A: ±2.4 / F, which is scale 2.4 and power 1. The authors' later code
    (Lush, gblearn2) uses the square root of the fan-in: power 0.5.
    """

    scale: float = option(2.4, above=0, maximum=1e300, doc="The range for a fan-in of 1.")
    power: float = option(1.0, minimum=0, maximum=10, doc="Exponent of the fan-in.")

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> Array:
        limit = self.scale / fan_in**self.power
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True, kw_only=True)
class DigitBitmaps(Initializer):
    """The ten digits as 7×12 bitmaps, one per row: ink +1, paper −1. The paper, fig. 3.

    Nothing is random. Raises ValueError for any shape but (10, 84).
    """

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> Array:
        codes = bitmaps()
        if shape != codes.shape:
            raise ValueError(f"expected a parameter of shape {codes.shape}, found {shape}")
        return codes
