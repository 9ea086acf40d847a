"""Evaluation of a network: loss, accuracy, confusion and mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array, slices
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Samples
from lenetkit.errors import LenetkitError, memory_for, shortened
from lenetkit.files.opening import user_path
from lenetkit.losses import Loss
from lenetkit.network.network import Network, Workspace
from lenetkit.text import MOST_LISTED, counted, number, percent, printable

if TYPE_CHECKING:
    from lenetkit.plots import Figure

BATCH = 250
"""Samples per forward pass: large enough for speed, small enough for memory."""
SMALLER = "use smaller images, or fewer channels in the first layers"

Pause = Callable[[], None]
"""May end what calls it, by an exception."""


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """A network's results on some samples."""

    loss: float
    """Mean over the samples."""
    labels: NDArray[np.int64]
    """(N,): the true classes."""
    predicted: NDArray[np.intp]
    """(N,): the class of the largest probability, the first of equal ones."""
    certainty: NDArray[Any]
    """(N,): the probability of the predicted class, float32."""
    classes: int
    """How many classes the network tells apart."""
    dataset: str = ""
    """The name of the samples' data set."""
    names: tuple[str, ...] = ()
    """What the classes are called, in order."""

    def __repr__(self) -> str:
        figures = f"accuracy {percent(self.accuracy)}, loss {number(self.loss, '.4f')}"
        are_numbers = self.names == tuple(map(str, range(len(self.names))))
        of = "" if are_numbers else f" of {shortened(printable(', '.join(self.names)))}"
        return f"<Evaluation of {counted(self.n, 'sample')}{of}: {figures}>"

    def _repr_html_(self) -> str:
        from lenetkit.html.rendering import render  # Jinja2 takes a while to import

        return render("evaluation.html", found=self, most_listed=MOST_LISTED)

    def plot(self, path: str | Path | None = None, *, title: str = "") -> Figure:
        """Draw the confusion matrix; saved to `path` (.png, .svg or .pdf) if given.

        In regression, the outputs over their targets.
        """
        from lenetkit import plots  # Matplotlib takes a while to import

        figure = self._figure(title or "Evaluation", self.dataset)
        if path is not None:
            plots.save_figure(figure, user_path(path))
        return figure

    def _figure(self, title: str, dataset: str) -> Figure:
        from lenetkit import plots

        names = self.class_names
        return plots.confusion_figure(self.confusion, names, title=title, dataset=dataset)

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class, in order; those without one get their number."""
        named = self.names[: self.classes]
        return (*named, *map(str, range(len(named), self.classes)))

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """The share of correct predictions, 0 … 1."""
        return float(np.mean(self.predicted == self.labels)) if self.n else np.nan

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(K, K) counts: rows true, columns predicted. Counted anew each time."""
        K = self.classes
        what = f"to count which of {K:,} classes was taken for which"
        with memory_for(what, "use fewer classes"):
            counts = np.bincount(self.labels * K + self.predicted, minlength=K * K)
        return counts.reshape(K, K)

    @property
    def merit(self) -> float:
        """What held-out samples judge an epoch by: the accuracy."""
        return self.accuracy

    def figures(self) -> dict[str, float]:
        """`loss` and `accuracy`."""
        return {"loss": self.loss, "accuracy": self.accuracy}

    def precision(self) -> NDArray[np.float64]:
        """For each class: the share of its predictions that are right; NaN if there are none."""
        return _share(self._count(self._right()), self._count(self.predicted))

    def recall(self) -> NDArray[np.float64]:
        """For each class: the share of its samples predicted right; NaN if there are none."""
        return _share(self._count(self._right()), self._count(self.labels))

    def imperfect(self) -> NDArray[np.intp]:
        """The classes whose recall is below 1, the lowest first."""
        recall = self.recall()
        found = np.flatnonzero(recall < 1)
        return found[np.argsort(recall[found], kind="stable")]

    def mistakes(self) -> NDArray[np.intp]:
        """The misclassified samples, the most confident first."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(-self.certainty[wrong], kind="stable")]

    def errors(self) -> NDArray[np.int64]:
        """(n, 3): true class, predicted class and in how many samples, the most frequent first."""
        wrong = self.predicted != self.labels
        pairs = np.stack([self.labels[wrong], self.predicted[wrong]], axis=1)
        kinds, counts = np.unique(pairs, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return np.column_stack([kinds, counts])[order].astype(np.int64)

    def _right(self) -> NDArray[np.int64]:
        return self.labels[self.predicted == self.labels]

    def _count(self, classes: NDArray[Any]) -> NDArray[np.intp]:
        return np.bincount(classes, minlength=self.classes)


class RealEvaluation(Evaluation):
    """A network's results on real targets: RMSE and R² in the place of all that counts classes."""

    targets: NDArray[Any]
    """(N, K)."""
    outputs: NDArray[Any]
    """(N, K): the network's."""

    def __init__(
        self, loss: float, targets: NDArray[Any], outputs: NDArray[Any], dataset: str
    ) -> None:
        vars(self).update(loss=loss, targets=targets, outputs=outputs, dataset=dataset)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a regression has no '{name}'; it has loss, rmse and r2")

    def __repr__(self) -> str:
        figures = f"RMSE {number(self.rmse, '.4g')}, R² {number(self.r2, '.4f')}"
        figures += f", loss {number(self.loss, '.4g')}"
        return f"<Evaluation of {counted(self.n, 'sample')}: {figures}>"

    def _repr_html_(self) -> str:
        from lenetkit.html.rendering import render

        return render("regression.html", found=self)

    def _figure(self, title: str, dataset: str) -> Figure:
        from lenetkit import plots

        return plots.targets_figure(self.targets, self.outputs, title=title, dataset=dataset)

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.targets)

    @property
    def rmse(self) -> float:
        """√(mean (y − t)²) over all samples and outputs, in the unit of the targets."""
        return float(np.sqrt(np.mean(self._errors**2))) if self.n else np.nan

    @property
    def r2(self) -> float:
        """R², the mean over the outputs of 1 − Σ(y − t)² / Σ(t − mean t)².

        Of an output whose targets are all the same: 1 if it is exact, else 0. NaN of fewer than two
        samples.
        """
        if self.n < 2:
            return np.nan
        errors = (self._errors**2).sum(axis=0)
        spread = ((self.targets - self.targets.mean(axis=0)) ** 2).sum(axis=0)
        constant = np.where(errors == 0, 1.0, 0.0)
        explained = 1 - errors / np.where(spread, spread, 1)
        return float(np.mean(np.where(spread > 0, explained, constant)))

    @property
    def merit(self) -> float:
        """What held-out samples judge an epoch by: the smaller the error, the better."""
        return -self.rmse

    def figures(self) -> dict[str, float]:
        """`loss`, `rmse` and `r2`."""
        return {"loss": self.loss, "rmse": self.rmse, "r2": self.r2}

    @property
    def _errors(self) -> NDArray[np.float64]:
        return self.outputs.astype(np.float64) - self.targets


def accuracy_of(loss: Loss, outputs: Array, labels: NDArray[Any]) -> float:
    """The share of a batch's outputs that are right; NaN of real targets."""
    if labels.ndim == 2:
        return np.nan
    answers = loss.probabilities(outputs).argmax(axis=1)
    return int(np.count_nonzero(answers == labels)) / len(labels)


def evaluate(
    network: Network,
    samples: Samples,
    pipeline: Pipeline,
    workspace: Workspace | None = None,
    pause: Pause = lambda: None,
) -> Evaluation:
    """Run all samples through the network in inference mode.

    Of no samples, loss and accuracy are NaN. Of real targets: a RealEvaluation. `pause` is called
    after each batch.
    """
    if samples.labels.ndim == 2:
        return _evaluate_real(network, samples, pipeline, workspace, pause)
    loss = network.plan.spec.loss
    predicted = np.empty(len(samples), np.intp)
    certainty = np.empty(len(samples), np.float32)
    total = 0.0
    for rows, outputs in _passes(network, samples.images, pipeline, workspace):
        losses, _ = loss.forward(outputs, pipeline.labels(samples.labels[rows]))
        total += float(losses.sum(dtype=np.float64))
        probabilities = loss.probabilities(outputs).astype(np.float32, copy=False)
        predicted[rows] = probabilities.argmax(axis=1)
        certainty[rows] = np.take_along_axis(probabilities, predicted[rows, None], axis=1)[:, 0]
        pause()
    mean = total / len(samples) if len(samples) else np.nan
    K = network.plan.classes
    return Evaluation(
        mean, samples.labels, predicted, certainty, K, samples.dataset, samples.classes
    )


def _evaluate_real(
    network: Network,
    samples: Samples,
    pipeline: Pipeline,
    workspace: Workspace | None,
    pause: Pause,
) -> RealEvaluation:
    predicted = np.empty(samples.labels.shape, network.dtype)
    total = 0.0
    for rows, outputs in _passes(network, samples.images, pipeline, workspace):
        losses, _ = network.plan.spec.loss.forward(outputs, samples.labels[rows])
        total += float(losses.sum(dtype=np.float64))
        predicted[rows] = outputs
        pause()
    mean = total / len(samples) if len(samples) else np.nan
    return RealEvaluation(mean, samples.labels, predicted, samples.dataset)


def outputs(network: Network, images: NDArray[Any], pipeline: Pipeline) -> NDArray[Any]:
    """The network's outputs (N, K) for images as the data set stores them."""
    result = np.empty((len(images), network.plan.classes), network.dtype)
    for rows, found in _passes(network, images, pipeline):
        result[rows] = found
    return result


def probabilities(
    network: Network, images: NDArray[Any], pipeline: Pipeline
) -> NDArray[np.float32]:
    """The class probabilities (N, K) of images (N, C, H, W) as the data set stores them.

    Raises LenetkitError if they are not finite: the largest of them would be no answer.
    """
    result = np.empty((len(images), network.plan.classes), np.float32)
    with np.errstate(all="ignore"):
        for rows, outputs in _passes(network, images, pipeline):
            result[rows] = network.plan.spec.loss.probabilities(outputs)
    if not np.isfinite(result).all():
        raise LenetkitError(f"the probabilities are nan: {why_not_finite(network)}")
    return result


def why_not_finite(network: Network) -> str:
    """Why what a network computes for some samples is not finite."""
    if not all(np.isfinite(values).all() for values in network.tensors().values()):
        return "the network's weights are not finite"
    return (
        "what the network computes for these samples overflows; its weights are finite, but too "
        "large for them"
    )


def _passes(
    network: Network,
    images: NDArray[Any],
    pipeline: Pipeline,
    workspace: Workspace | None = None,
) -> Iterator[tuple[slice, Array]]:
    """Rows of the images, and the network's outputs for them; BATCH images at a time."""
    workspace = workspace or network.workspace(training=False)
    for rows in slices(len(images), BATCH):
        with memory_for(f"to evaluate {BATCH} images at a time", SMALLER), network.limited():
            batch = pipeline.images(images[rows], network.dtype)
            outputs = network.forward(batch, workspace)
        yield rows, outputs


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
