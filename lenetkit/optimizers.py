"""Optimizers: a few vector operations on all trainable parameters at once.

A network keeps its trainable parameters in one flat vector and their gradients in another; an
optimizer sees only these, and its own state as vectors of the same length.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lenetkit.arrays import Array
from lenetkit.errors import OptionError
from lenetkit.options import Configurable, option


@dataclass(frozen=True, kw_only=True)
class Optimizer(Configurable):
    """Base of all optimizers. `slots` names the state vectors, which start at zero."""

    group: ClassVar[str] = "lenetkit.optimizers"
    kind: ClassVar[str] = "optimizer"
    slots: ClassVar[tuple[str, ...]] = ()

    lr: float = option(minimum=0, doc="Learning rate; the schedule's peak or start.")

    def active_slots(self) -> tuple[str, ...]:
        """The state vectors that these options need."""
        return self.slots

    @abstractmethod
    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        """Update `params` and `state` in place; t = 1, 2, …

        `grads` is a copy of the network's gradients, and may be used as scratch.
        """


class SecondOrderOptimizer(Optimizer):
    """An optimizer that measures second derivatives before each epoch.

    It trains networks whose layers are all SecondOrderLayers, under a SecondOrderLoss.
    """

    @abstractmethod
    def begin_epoch(
        self, state: Mapping[str, Array], curvature: Callable[[int], Array]
    ) -> dict[str, float]:
        """Called before the first step of each epoch; may update `state` in place.

        `curvature(n)` is the Gauss–Newton diagonal of the mean loss's second derivative for every
        parameter, averaged over n training samples drawn at random. Returns figures for
        the run's notes, by name.
        """


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent, as in PyTorch: g ← g + weight_decay · p; v ← momentum · v + g;
    p ← p − lr · v, or p − lr · (g + momentum · v) with `nesterov`. Sutskever et al. 2013.
    """

    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    lr: float = option(0.01, minimum=0, doc="Learning rate; the schedule's peak or start.")
    momentum: float = option(0.0, minimum=0, below=1, doc="How much of the last step is kept.")
    nesterov: bool = option(False, doc="Look ahead along the momentum.")
    weight_decay: float = option(0.0, minimum=0, doc="L2 penalty, added to the gradient.")

    def validate(self) -> None:
        if self.nesterov and not self.momentum:
            raise OptionError("nesterov", "needs a momentum above 0, found momentum: 0")

    def active_slots(self) -> tuple[str, ...]:
        return self.slots if self.momentum else ()

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        if self.weight_decay:
            grads += self.weight_decay * params
        if not self.momentum:
            params -= lr * grads
            return
        velocity = state["velocity"]
        velocity *= self.momentum
        velocity += grads
        params -= lr * (grads + self.momentum * velocity if self.nesterov else velocity)


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − lr · m̂ / (√v̂ + eps), with
    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ). Kingma & Ba 2015, algorithm 1. Weight decay is
    decoupled, p ← p − lr · weight_decay · p (Loshchilov & Hutter 2019, algorithm 2).

    The state is m / (1 − β₁) and v / (1 − β₂), which saves two passes over all parameters.
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")

    lr: float = option(1e-3, minimum=0, doc="Learning rate; the schedule's peak or start.")
    betas: tuple[float, float] = option(
        (0.9, 0.999), minimum=0, below=1, doc="Decay of the two running averages."
    )
    eps: float = option(1e-8, above=0, doc="Added to the denominator.")
    weight_decay: float = option(0.0, minimum=0, doc="Decoupled weight decay, times lr.")

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        beta1, beta2 = self.betas
        mean, square = state["mean"], state["square"]
        if self.weight_decay:
            params *= 1 - lr * self.weight_decay
        mean *= beta1
        mean += grads
        np.multiply(grads, grads, out=grads)
        square *= beta2
        square += grads
        rate = lr * (1 - beta1) / (1 - beta1**t)
        root = math.sqrt((1 - beta2) / (1 - beta2**t))
        denominator = np.sqrt(square, out=grads)
        denominator += self.eps / root
        change = np.divide(mean, denominator, out=grads)
        change *= rate / root
        params -= change


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimizer):
    """s ← alpha · s + (1 − alpha) · g²; p ← p − lr · g / (√s + eps), as in PyTorch.

    With `weight_decay`, g ← g + weight_decay · p first. With `centered`, s is lessened by m², m the
    same mean of g. With `momentum`, v ← momentum · v + g / (√s + eps); p ← p − lr · v.
    Hinton 2012, lecture 6e.
    """

    slots: ClassVar[tuple[str, ...]] = ("square", "mean", "velocity")

    lr: float = option(0.01, minimum=0, doc="Learning rate; the schedule's peak or start.")
    alpha: float = option(0.99, minimum=0, below=1, doc="Decay of the running averages.")
    eps: float = option(1e-8, above=0, doc="Added to the denominator.")
    weight_decay: float = option(0.0, minimum=0, doc="L2 penalty, added to the gradient.")
    momentum: float = option(0.0, minimum=0, below=1, doc="How much of the last step is kept.")
    centered: bool = option(False, doc="Divide by the deviation of g instead of its root mean.")

    def active_slots(self) -> tuple[str, ...]:
        used = {"square": True, "mean": self.centered, "velocity": self.momentum > 0}
        return tuple(name for name in self.slots if used[name])

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        if self.weight_decay:
            grads += self.weight_decay * params
        variance = state["square"]
        variance *= self.alpha
        variance += (1 - self.alpha) * grads * grads
        if self.centered:
            mean = state["mean"]
            mean += (1 - self.alpha) * (grads - mean)
            variance = np.maximum(variance - mean * mean, 0)
        grads /= np.sqrt(variance) + self.eps
        if self.momentum:
            velocity = state["velocity"]
            velocity *= self.momentum
            velocity += grads
            grads = velocity
        params -= lr * grads


@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """s ← s + g²; p ← p − lr · g / (√s + eps): each parameter's rate falls as it moves.

    With `weight_decay`, g ← g + weight_decay · p first; with `lr_decay`, lr is divided by
    1 + (t − 1) · lr_decay. Duchi et al. 2011; options and defaults as PyTorch's.
    """

    slots: ClassVar[tuple[str, ...]] = ("sum",)

    lr: float = option(0.01, minimum=0, doc="Learning rate; the schedule's peak or start.")
    lr_decay: float = option(0.0, minimum=0, doc="How fast lr falls with the steps.")
    weight_decay: float = option(0.0, minimum=0, doc="L2 penalty, added to the gradient.")
    initial_accumulator_value: float = option(0.0, minimum=0, doc="Value at which s starts.")
    eps: float = option(1e-10, above=0, doc="Added to the denominator.")

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        if self.weight_decay:
            grads += self.weight_decay * params
        total = state["sum"]
        total += grads * grads
        grads /= np.sqrt(total + self.initial_accumulator_value) + self.eps
        params -= lr / (1 + (t - 1) * self.lr_decay) * grads


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
    weight_decay: float = option(0.0, minimum=0, doc="Decoupled weight decay, times lr.")

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        (beta1, beta2), momentum = self.betas, state["momentum"]
        direction = np.sign(beta1 * momentum + (1 - beta1) * grads)
        params *= 1 - lr * self.weight_decay
        params -= lr * direction
        momentum *= beta2
        momentum += (1 - beta2) * grads
