"""McNemar's test: whether two models' accuracies on the same samples differ by more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class McNemar:
    """Of two models A and B on the same samples: those that only one of them reads right."""

    only_a: int
    """Samples that A reads right and B wrong."""
    only_b: int

    @classmethod
    def of(cls, right_a: ArrayLike, right_b: ArrayLike) -> McNemar:
        """From what each model reads right: booleans (N,), in the same order."""
        a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
        if a.ndim != 1 or a.shape != b.shape:
            raise ValueError(f"right_a {a.shape} and right_b {b.shape} must be equal and (n,)")
        return cls(int(np.sum(a & ~b)), int(np.sum(b & ~a)))

    @property
    def p(self) -> float:
        """The probability of so uneven a split, or a more uneven one, if both models are equally
        good: min(1, 2·P(X ≤ min(only_a, only_b))), where X ~ Binomial(only_a + only_b, ½).

        The exact test at every count, so no continuity correction is needed. McNemar 1947; as a
        test of classifiers trained once: Dietterich 1998.
        """
        fewer, n = min(self.only_a, self.only_b), self.only_a + self.only_b
        first = math.lgamma(n + 1) - math.lgamma(fewer + 1) - math.lgamma(n - fewer + 1)
        term = total = 1.0  # relative to the largest term, P(X = fewer)
        for k in range(fewer, 0, -1):
            term *= k / (n - k + 1)
            total += term
            if term < 1e-17 * total:
                break
        return min(1.0, 2 * total * math.exp(first - n * math.log(2)))


def p_text(p: float) -> str:
    """`p = 0.005`, `p < 0.0001`."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.1g}" if p < 0.01 else f"p = {p:.2f}"
