"""Plugins of the benchmark's specs: some with a mistake that their authors could make, some right.

Frozen layers need code: `trainable: false` is a choice, not a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.authoring import (
    Array,
    Call,
    Conv2d,
    Elementwise,
    Linear,
    Optimizer,
    Params,
    option,
)


@dataclass(frozen=True, kw_only=True)
class ForgetfulLinear(Linear):
    """A linear layer that hands the gradient on, but writes none for its own parameters."""

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        dx = super().backward(params, saved, dy, grads, call)
        _forget(grads)
        return dx


@dataclass(frozen=True, kw_only=True)
class ForgetfulConv2d(Conv2d):
    """A convolution with the same mistake."""

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        dx = super().backward(params, saved, dy, grads, call)
        _forget(grads)
        return dx


def _forget(grads: Params) -> None:
    for gradient in grads.values():
        gradient[...] = 0


@dataclass(frozen=True, kw_only=True)
class Detached(Elementwise):
    """y = x, but no gradient passes, as through PyTorch's `detach()` left in by mistake."""

    def function(self, x: Array, out: Array) -> Array:
        np.copyto(out, x)
        return out

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        return np.zeros_like(x)


@dataclass(frozen=True, kw_only=True)
class HardTanh(Elementwise):
    """y = x from −1 to 1, and the nearer of the two beyond. Right."""

    def function(self, x: Array, out: Array) -> Array:
        return np.clip(x, -1, 1, out=out)

    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        return np.abs(x) < 1


@dataclass(frozen=True, kw_only=True)
class PartialSGD(Optimizer):
    """SGD that leaves out the first parameters, as if they had not been handed to it."""

    lr: float = option(0.1, minimum=0, doc="Learning rate.")
    skip: int = option(minimum=0, doc="How many parameters never move.")

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        params[self.skip :] -= lr * grads[self.skip :]

    @classmethod
    def examples(cls) -> tuple[PartialSGD, ...]:
        return (cls(skip=0),)


@dataclass(frozen=True, kw_only=True)
class SignSGD(Optimizer):
    """p ← p − lr · sign(m), m a running mean of the gradient. Right. Bernstein et al. 2018."""

    slots: ClassVar[tuple[str, ...]] = ("mean",)

    lr: float = option(3e-4, minimum=0, doc="Learning rate.")

    def step(
        self, params: Array, grads: Array, state: Mapping[str, Array], lr: float, t: int
    ) -> None:
        mean = state["mean"]
        mean *= 0.9
        mean += 0.1 * grads
        params -= lr * np.sign(mean)


PLUGINS = {
    "forgetful_linear": ForgetfulLinear,
    "forgetful_conv2d": ForgetfulConv2d,
    "detached": Detached,
    "hard_tanh": HardTanh,
    "partial_sgd": PartialSGD,
    "sign_sgd": SignSGD,
}
