"""Losses and their gradients.

A loss also knows how to read a network's outputs as probabilities, for
`evaluate` and `predict`. Targets are class indices (N,) or one row a sample (N, K), such as
one-hot labels.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array
from lenetkit.options import Configurable

Targets = NDArray[Any]


class Loss(Configurable):
    """Base of all losses; the mean over the batch is what training minimizes."""

    group: ClassVar[str] = "lenetkit.losses"
    kind: ClassVar[str] = "loss"
    takes_real_targets: ClassVar[bool] = False
    """Whether rows of any real numbers can be its targets, so that a network can learn them."""

    @abstractmethod
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        """The loss of each sample (N,), and what `backward` needs. `outputs` is (N, K)."""

    @abstractmethod
    def backward(self, saved: Any) -> Array:
        """d(mean over the batch)/d(outputs), (N, K)."""

    @abstractmethod
    def probabilities(self, outputs: Array) -> Array:
        """The outputs read as class probabilities (N, K); the largest is the prediction."""


class SecondOrderLoss(Loss):
    """A loss with second derivatives, which `SecondOrderLayer.second_backward` hands on."""

    @abstractmethod
    def second_backward(self, saved: Any) -> Array:
        """d²L/d(outputs)² of each sample (N, K), not divided by N, and not negative."""


@dataclass(frozen=True, kw_only=True)
class SoftmaxCrossEntropy(Loss):
    """L = −Σ_k t_k · log p_k with p = softmax(outputs), t the label as one-hot row.

    Computed as log Σ_k e^(z_k − max z) − Σ_k t_k · (z_k − max z), so that no logit overflows.
    dL/dz = (p − t) / N for the mean over N samples. Bishop 2006, section 4.3.4.
    """

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        shifted = outputs - outputs.max(axis=1, keepdims=True, initial=-np.inf)
        exponentials = np.exp(shifted)
        sums = exponentials.sum(axis=1, keepdims=True)
        rows = as_rows(targets, outputs)
        weights = rows.sum(axis=1)
        losses = weights * np.log(sums[:, 0]) - (rows * shifted).sum(axis=1)
        return losses, (exponentials / sums, rows, weights)

    def backward(self, saved: Any) -> Array:
        probabilities, rows, weights = saved
        gradient: Array = probabilities * weights[:, None] - rows
        gradient /= max(len(rows), 1)
        return gradient

    def probabilities(self, outputs: Array) -> Array:
        exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True, initial=-np.inf))
        result: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
        return result


@dataclass(frozen=True, kw_only=True)
class MeanSquaredError(Loss):
    """L = mean_k (y_k − t_k)², t real targets or the one-hot row of a label.

    dL/dy = 2 (y − t) / (K · N).

    Read as probabilities, the outputs become the nearest probability vector in the same squared
    distance (Wang & Carreira-Perpiñán 2013), which keeps their order.
    """

    takes_real_targets: ClassVar[bool] = True

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        difference = outputs - as_rows(targets, outputs)
        losses: Array = (difference * difference).mean(axis=1)
        return losses, difference

    def backward(self, saved: Any) -> Array:
        gradient: Array = saved * saved.dtype.type(2 / max(saved.size, 1))
        return gradient

    def probabilities(self, outputs: Array) -> Array:
        K = outputs.shape[1]
        # a common shift changes nothing, but the 1 would be lost beside large values
        outputs = outputs - outputs.max(axis=1, keepdims=True, initial=-np.inf)
        descending = -np.sort(-outputs, axis=1)
        excess = (np.cumsum(descending, axis=1) - 1) / np.arange(1, K + 1)
        support = np.count_nonzero(descending > excess, axis=1)
        threshold = np.take_along_axis(excess, support[:, None] - 1, axis=1)
        return np.maximum(outputs - threshold, 0).astype(outputs.dtype, copy=False)


def as_rows(targets: Targets, outputs: Array) -> Array:
    """Targets in the shape and dtype of `outputs`: indices become one-hot rows.

    Raises ValueError for targets of another shape or indices that are not a class.
    """
    N, K = outputs.shape
    if targets.shape == (N, K):
        return targets.astype(outputs.dtype, copy=False)
    if targets.shape != (N,):
        raise ValueError(
            f"targets: expected shape ({N},) or ({N}, {K}), found {tuple(targets.shape)}"
        )
    if N and not 0 <= int(targets.min()) <= int(targets.max()) < K:
        found = f"{int(targets.min())} … {int(targets.max())}"
        raise ValueError(f"targets: expected classes 0 … {K - 1}, found {found}")
    rows = np.zeros((N, K), outputs.dtype)
    rows[np.arange(N), targets] = 1
    return rows
