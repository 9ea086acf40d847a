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
from lenetkit.errors import OptionError
from lenetkit.options import Configurable, option

Targets = NDArray[Any]


class Loss(Configurable):
    """Base of all losses; the mean over the batch is what training minimizes."""

    group: ClassVar[str] = "lenetkit.losses"
    kind: ClassVar[str] = "loss"
    takes_logits: ClassVar[bool] = False
    """Whether the loss turns outputs into probabilities itself, so that no layer should."""

    def check_outputs(self, outputs: int) -> None:
        """Check the options against the number of outputs; raise OptionError."""

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

    With `label_smoothing` ε, t becomes (1 − ε) · t + ε / K (Szegedy et al. 2016, section 7); with
    `weight` w, it then becomes w · t, and dL/dz = (p · Σ_k t_k − t) / N. The mean is over N, as
    PyTorch's for rows of targets; for class indices PyTorch divides by the sum of their weights.
    """

    takes_logits: ClassVar[bool] = True

    label_smoothing: float = option(
        0.0, minimum=0, maximum=1, doc="Share of the target that is spread over all classes."
    )
    weight: tuple[float, ...] | None = option(
        None, minimum=0, doc="How much each class counts; default: all the same, 1."
    )

    def check_outputs(self, outputs: int) -> None:
        if self.weight is not None and len(self.weight) != outputs:
            raise OptionError(
                "weight", f"expected {outputs} numbers, one per output, found {len(self.weight)}"
            )

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        self.check_outputs(outputs.shape[1])
        shifted = outputs - outputs.max(axis=1, keepdims=True, initial=-np.inf)
        exponentials = np.exp(shifted)
        sums = exponentials.sum(axis=1, keepdims=True)
        rows = as_rows(targets, outputs)
        if self.label_smoothing:
            rows = rows * (1 - self.label_smoothing) + self.label_smoothing / rows.shape[1]
        if self.weight is not None:
            rows = rows * np.asarray(self.weight, rows.dtype)
        weights = rows.sum(axis=1)
        losses = weights * np.log(sums[:, 0]) - (rows * shifted).sum(axis=1)
        return losses, (exponentials / sums, rows, weights)

    def backward(self, saved: Any) -> Array:
        probabilities, rows, weights = saved
        gradient: Array = probabilities * weights[:, None] - rows
        gradient /= max(len(rows), 1)
        return gradient

    def probabilities(self, outputs: Array) -> Array:
        return softmax(outputs)


@dataclass(frozen=True, kw_only=True)
class BinaryCrossEntropy(Loss):
    """L = −mean_k (t_k · log p_k + (1 − t_k) · log(1 − p_k)) with p = sigmoid(outputs).

    Each output answers yes or no by itself; t is the label as one-hot row, or a row of numbers from
    0 to 1. The outputs are logits, as of PyTorch's BCEWithLogitsLoss: no sigmoid layer before it.
    Computed as max(z, 0) − t · z + log(1 + e^(−|z|)); dL/dz = (p − t) / (K · N).

    Read as class probabilities, given that exactly one answer is yes, they are softmax(outputs).
    """

    takes_logits: ClassVar[bool] = True

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        rows, decay = as_rows(targets, outputs), np.exp(-np.abs(outputs))
        losses = (np.maximum(outputs, 0) - rows * outputs + np.log1p(decay)).mean(axis=1)
        return losses, np.where(outputs < 0, decay, 1) / (1 + decay) - rows

    def backward(self, saved: Any) -> Array:
        gradient: Array = saved / max(saved.size, 1)
        return gradient

    def probabilities(self, outputs: Array) -> Array:
        return softmax(outputs)


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
        return nearest_probabilities(outputs)


@dataclass(frozen=True, kw_only=True)
class Huber(Loss):
    """L = mean_k h(y_k − t_k), h(d) = d² / 2 up to |d| = delta, t real targets or a one-hot row.

    Beyond, h(d) = delta · (|d| − delta / 2): outliers pull with the same force, however far.
    dL/dy = min(max(y − t, −delta), delta) / (K · N). Read as probabilities as by
    `mean_squared_error`. Huber 1964; as PyTorch's HuberLoss.
    """

    takes_real_targets: ClassVar[bool] = True
    delta: float = option(1.0, above=0, doc="Difference up to which the loss is quadratic.")

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        difference = outputs - as_rows(targets, outputs)
        pull = np.clip(difference, -self.delta, self.delta)
        losses: Array = (pull * (difference - pull / 2)).mean(axis=1)
        return losses, pull

    def backward(self, saved: Any) -> Array:
        gradient: Array = saved / max(saved.size, 1)
        return gradient

    def probabilities(self, outputs: Array) -> Array:
        return nearest_probabilities(outputs)


def softmax(outputs: Array) -> Array:
    """e^(z_k) / Σ_j e^(z_j) of each row, computed without overflow."""
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True, initial=-np.inf))
    result: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def nearest_probabilities(outputs: Array) -> Array:
    """The probability vector nearest to each row; it keeps the order of the values.

    Wang & Carreira-Perpiñán 2013, algorithm 1.
    """
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
