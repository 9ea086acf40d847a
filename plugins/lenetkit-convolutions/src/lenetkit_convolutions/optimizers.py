"""Lion and RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lenetkit.authoring import Array, Optimizer, option


@dataclass(frozen=True, kw_only=True)
class Lion(Optimizer):
    """p ← p − lr · (sign(β₁m + (1 − β₁)g) + weight_decay · p), then m ← β₂m + (1 − β₂)g.

    Every parameter moves by lr, whatever its gradient, so rates are 3 to 10 times smaller than
    Adam's, and the decoupled weight decay is as many times larger.
    Chen et al. 2023, algorithm 2 and section 5.
    """

    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    lr: float = option(1e-4, minimum=0, doc="Learning rate; the schedule's peak or start.")
    betas: tuple[float, float] = option(
        (0.9, 0.99), minimum=0, below=1, doc="Weight of the momentum in a step, and its decay."
    )
    weight_decay: float = option(0.0, minimum=0, doc="Decoupled weight decay, multiplied by lr.")

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        (beta1, beta2), momentum = self.betas, state["momentum"]
        direction = np.sign(beta1 * momentum + (1 - beta1) * grads)
        params *= 1 - lr * self.weight_decay
        params -= lr * direction
        momentum *= beta2
        momentum += (1 - beta2) * grads


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimizer):
    """s ← alpha · s + (1 − alpha) · g²; p ← p − lr · g / (√s + eps), as in PyTorch.

    With momentum: v ← momentum · v + g / (√s + eps); p ← p − lr · v. Hinton 2012, lecture 6e.
    """

    slots: ClassVar[tuple[str, ...]] = ("square", "velocity")

    lr: float = option(0.01, minimum=0, doc="Learning rate; the schedule's peak or start.")
    alpha: float = option(0.99, minimum=0, below=1, doc="Decay of the running average of g².")
    eps: float = option(1e-8, above=0, doc="Added to the denominator.")
    momentum: float = option(0.0, minimum=0, below=1, doc="How much of the last step is kept.")

    def active_slots(self) -> tuple[str, ...]:
        return self.slots if self.momentum else ("square",)

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        square = state["square"]
        square *= self.alpha
        square += (1 - self.alpha) * grads * grads
        grads /= np.sqrt(square) + self.eps
        if self.momentum:
            velocity = state["velocity"]
            velocity *= self.momentum
            velocity += grads
            grads = velocity
        params -= lr * grads
