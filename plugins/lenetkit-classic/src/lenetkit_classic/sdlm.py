"""Stochastic diagonal Levenberg–Marquardt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lenetkit.authoring import Array, SecondOrderOptimizer, option


@dataclass(frozen=True, kw_only=True)
class Sdlm(SecondOrderOptimizer):
    """p_k ← p_k − ε_k · g_k with ε_k = lr / (mu + h_kk), one rate per parameter.

    h_kk is the Gauss–Newton diagonal of the loss's second derivative, averaged over `samples`
    training samples and measured again before each pass. mu limits the rate where the loss is
    flat. Source: the paper, appendix C, eqs. 21–27.

    With gamma below 1, h is a running mean: h ← (1 − gamma) · h + gamma · new; LeCun, Bottou, Orr
    & Müller 1998, *Efficient BackProp*. The notes give the smallest, the median and the largest ε
    for the optimizer's own lr, before the schedule's factor.
    """

    slots: ClassVar[tuple[str, ...]] = ("damping",)

    lr: float = option(5e-4, minimum=0, doc="η, the global rate; the schedule's start.")
    mu: float = option(0.02, above=0, doc="Added to the second derivative.")
    gamma: float = option(
        1.0, minimum=0, maximum=1, doc="Weight of a new measurement in h; 0 keeps the first one."
    )
    samples: int = option(500, minimum=1, doc="Training samples over which h_kk is averaged.")

    def begin_epoch(
        self, state: Mapping[str, Array], curvature: Callable[[int], Array]
    ) -> dict[str, float]:
        damping = state["damping"]
        if self.gamma == 1 or not damping.any():
            h = curvature(self.samples)
        else:
            h = (1 - self.gamma) * (1 / damping - self.mu)
            if self.gamma:
                h += self.gamma * curvature(self.samples)
        np.reciprocal(h + damping.dtype.type(self.mu), out=damping)
        if not damping.size:
            return {}
        return {
            "smallest rate": self.lr * float(damping.min()),
            "median rate": self.lr * float(np.median(damping)),
            "largest rate": self.lr * float(damping.max()),
        }

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        grads *= state["damping"]
        grads *= grads.dtype.type(lr)
        params -= grads
