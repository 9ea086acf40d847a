"""Evaluation of a network: loss, accuracy, confusion and mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array, slices
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Samples
from lenetkit.errors import shortened
from lenetkit.network.network import Network, Workspace
from lenetkit.text import number, percent

BATCH = 250
"""Samples per forward pass: large enough for speed, small enough for memory."""


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """A network's results on some samples."""

    loss: float
    """Mean over the samples."""
    confusion: NDArray[np.int64]
    """(K, K) counts: rows true, columns predicted."""
    probabilities: NDArray[Any]
    """(N, K), float32."""
    dataset: str = ""
    """The name of the samples' data set."""
    names: tuple[str, ...] = ()
    """What the classes are called, in order."""

    def __repr__(self) -> str:
        figures = f"accuracy {percent(self.accuracy)}, loss {number(self.loss, '.4f')}"
        are_numbers = self.names == tuple(map(str, range(len(self.names))))
        of = "" if are_numbers else f" of {shortened(', '.join(self.names))}"
        return f"<Evaluation of {self.n:,} samples{of}: {figures}>"

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.probabilities)

    @property
    def accuracy(self) -> float:
        """The share of correct predictions, 0 … 1."""
        return float(np.trace(self.confusion) / self.n) if self.n else np.nan

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The predicted class of each sample."""
        return self.probabilities.argmax(axis=1)

    def precision(self) -> NDArray[np.float64]:
        """For each class: the share of its predictions that are right; NaN if there are none."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=0))

    def recall(self) -> NDArray[np.float64]:
        """For each class: the share of its samples predicted right; NaN if there are none."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=1))

    def mistakes(self, labels: NDArray[np.int64]) -> NDArray[np.intp]:
        """The misclassified samples, the most confident first."""
        predicted = self.predicted
        wrong = np.flatnonzero(predicted != labels)
        sureness = self.probabilities[wrong, predicted[wrong]]
        return wrong[np.argsort(-sureness, kind="stable")]


def evaluate(
    network: Network, samples: Samples, pipeline: Pipeline, workspace: Workspace | None = None
) -> Evaluation:
    """Run all samples through the network in inference mode.

    Of no samples, loss and accuracy are NaN.
    """
    loss = network.plan.spec.loss
    K = network.plan.classes
    probabilities = np.empty((len(samples), K), np.float32)
    total = 0.0
    for rows, outputs in _passes(network, samples.images, pipeline, workspace):
        losses, _ = loss.forward(outputs, pipeline.labels(samples.labels[rows]))
        total += float(losses.sum(dtype=np.float64))
        probabilities[rows] = loss.probabilities(outputs)
    cells = samples.labels * K + probabilities.argmax(axis=1)
    confusion = np.bincount(cells, minlength=K * K).reshape(K, K)
    mean = total / len(samples) if len(samples) else np.nan
    return Evaluation(mean, confusion, probabilities, samples.dataset, samples.classes)


def probabilities(
    network: Network, images: NDArray[Any], pipeline: Pipeline
) -> NDArray[np.float32]:
    """The class probabilities (N, K) of images (N, C, H, W) as the data set stores them."""
    result = np.empty((len(images), network.plan.classes), np.float32)
    for rows, outputs in _passes(network, images, pipeline):
        result[rows] = network.plan.spec.loss.probabilities(outputs)
    return result


def _passes(
    network: Network,
    images: NDArray[Any],
    pipeline: Pipeline,
    workspace: Workspace | None = None,
) -> Iterator[tuple[slice, Array]]:
    """Rows of the images, and the network's outputs for them; BATCH images at a time."""
    workspace = workspace or network.workspace(training=False)
    for rows in slices(len(images), BATCH):
        with network.limited():
            batch = pipeline.images(images[rows], network.dtype)
            outputs = network.forward(batch, workspace)
        yield rows, outputs


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
