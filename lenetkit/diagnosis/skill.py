"""What a network can do, against what the frequencies of the labels alone give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenetkit.diagnosis.subject import Subject, spread_rows
from lenetkit.losses import Loss, Targets
from lenetkit.network.network import Network, Workspace
from lenetkit.training.evaluation import evaluate

_PROBE = 1000
"""Samples by which a network is judged."""
_LEARNED = 0.05
"""Share of the loss of constant outputs that must be gone."""
_READ = 0.15
"""Share of the answers, beyond the most frequent label's, that must be right."""


@dataclass(frozen=True)
class Skill:
    """The mean loss on some samples, and on classes the accuracy and the most frequent answer."""

    loss: float
    constant: float
    """The least loss that outputs can have that are the same for every image."""
    accuracy: float = np.nan
    frequent: float = 0.0
    """The share of the most frequent label: the accuracy of always answering it."""
    answer: int = 0
    answered: float = np.nan
    """The most frequent answer, and its share of all."""

    @property
    def gain(self) -> float:
        """The share of the constant outputs' loss that is gone: 0 has learned nothing, 1 all."""
        gain = (self.constant - self.loss) / max(abs(self.constant), 1e-12)
        return float(np.nan_to_num(gain, nan=-np.inf))

    @property
    def informed(self) -> float:
        """The share of right answers beyond the most frequent label's: 0 is chance, 1 all."""
        informed = (self.accuracy - self.frequent) / max(1 - self.frequent, 1e-12)
        return float(np.nan_to_num(informed))

    def has_learned(self, start: Skill, *, least: float = 1.0) -> bool:
        """Whether it has learned something since `start`; `least` scales what counts as much."""
        read = self.informed >= least * _READ and self.accuracy >= start.accuracy + _READ / 3
        return bool(np.isfinite(self.loss)) and (self.gain >= least * _LEARNED or read)


class Judge:
    """Judges networks of a subject on a fixed sample of the training images, or the test ones."""

    def __init__(self, subject: Subject, *, test: bool = False) -> None:
        data = subject.data
        self._samples = spread_rows(data.test if test else data.train, _PROBE)
        self._pipeline = data.pipeline
        targets = self._pipeline.labels(self._samples.labels)
        loss, outputs = subject.plan.spec.loss, subject.plan.classes
        self.constant = constant_loss(loss, targets, outputs)
        labels = self._samples.labels
        self.frequent = float(np.bincount(labels).max() / len(labels)) if labels.ndim == 1 else 0.0

    def judge(self, network: Network, workspace: Workspace | None = None) -> Skill:
        """What the network can do as it is."""
        with np.errstate(all="ignore"):
            found = evaluate(network, self._samples, self._pipeline, workspace)
        if self._samples.labels.ndim == 2:
            return Skill(found.loss, self.constant)
        counts = np.bincount(found.predicted)
        return Skill(
            found.loss,
            self.constant,
            found.accuracy,
            self.frequent,
            int(counts.argmax()),
            float(counts.max() / len(self._samples)),
        )


def constant_loss(loss: Loss, targets: Targets, outputs: int) -> float:
    """The least mean loss of outputs (K,) that are the same for every sample.

    Of softmax_cross_entropy it is the entropy of the labels, of mean_squared_error the variance of
    the targets; of any loss it is found by gradient descent, with the steps of Barzilai & Borwein
    1988.
    """
    point, step = np.zeros(outputs), 1.0
    best, before, slope, settled = np.inf, point, np.zeros(outputs), 0
    for _ in range(60):
        rows = np.repeat(point[None], len(targets), axis=0)
        with np.errstate(all="ignore"):
            losses, saved = loss.forward(rows, targets)
            value = float(losses.mean())
            gradient: NDArray[np.float64] = loss.backward(saved).sum(axis=0)
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            break
        if best - value < 1e-9 * abs(value):
            settled += 1
        best = min(best, value)
        if settled > 3:
            break
        moved, turned = point - before, gradient - slope
        if np.any(moved) and moved @ turned > 0:
            step = float(moved @ moved / (moved @ turned))
        before, slope = point, gradient
        point = point - step * gradient
    return best
