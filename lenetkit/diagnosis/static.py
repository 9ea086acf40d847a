"""What is seen without training: the data, the plan and the initial weights."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenetkit.diagnosis.functions import Functions, functions_of
from lenetkit.diagnosis.subject import Subject, spread_rows
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.plan import Plan

_SAMPLES = 2000
"""Training samples that are looked at; half of them foretell the other half."""
_FEW = 100
"""With fewer to foretell, the test samples are foretold too."""


@dataclass(frozen=True, eq=False)
class DataLook:
    """The training samples as they reach the network."""

    low: float
    high: float
    rms: float
    """Root mean square of the values."""
    variation: float
    """Root mean square of how a value differs from image to image."""
    stored_variation: float
    """The same of the images as they are stored."""
    agreement: float
    """How much better than the most frequent label the nearest images and class means foretell
    labels, in standard deviations; infinite for real targets."""
    foretold: float
    """The best accuracy of these."""
    order: float
    """Label variety within batches in the stored order, as a share of what shuffling gives."""


def look_at_data(subject: Subject) -> DataLook:
    """Look at some of the training samples."""
    data, plan = subject.data, subject.plan
    some = spread_rows(data.train, _SAMPLES)
    some = some.take(np.random.default_rng(1).permutation(len(some)))
    arriving = data.pipeline.images(some.images, np.float32)
    flat = arriving.reshape(len(arriving), -1).astype(np.float64)
    stored = np.asarray(some.images, np.float64).reshape(len(some), -1)
    foretold, agreement = math.nan, math.inf
    if some.labels.ndim == 1:
        half = len(some) // 2
        foretold, agreement = _foretold(
            stored[:half], some.labels[:half], stored[half:], some.labels[half:]
        )
        if half < _FEW:
            test = spread_rows(data.test, _SAMPLES // 2)
            asked = np.asarray(test.images, np.float64).reshape(len(test), -1)
            foretold, agreement = _foretold(stored, some.labels, asked, test.labels)
    return DataLook(
        low=float(flat.min()),
        high=float(flat.max()),
        rms=float(np.sqrt(np.mean(flat**2))),
        variation=float(np.sqrt(np.mean(flat.var(axis=0)))),
        stored_variation=float(np.sqrt(np.mean(stored.var(axis=0)))),
        agreement=agreement,
        foretold=foretold,
        order=_order(data.train.labels, plan.spec.train.batch_size),
    )


def _foretold(
    known: NDArray[np.float64],
    labels: NDArray[np.int64],
    asked: NDArray[np.float64],
    truth: NDArray[np.int64],
) -> tuple[float, float]:
    """How well known samples foretell others' labels: the share, and in standard deviations."""
    if not len(known) or not len(asked):
        return math.nan, math.inf
    scale = known.std(axis=0)
    scale = np.maximum(scale, 1e-3 * (scale.max() or 1))
    asked, known = (asked - known.mean(axis=0)) / scale, (known - known.mean(axis=0)) / scale
    classes = np.unique(labels)
    means = np.stack([known[labels == k].mean(axis=0) for k in classes])
    guesses = classes[_nearest(asked, means)], labels[_nearest(asked, known)]
    share = max(float(np.mean(guess == truth)) for guess in guesses)
    chance = float(np.bincount(truth).max() / len(truth))
    return share, (share - chance) / math.sqrt(max(chance * (1 - chance), 1e-9) / len(truth))


def _nearest(asked: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.intp]:
    distances = (known**2).sum(axis=1) - 2 * asked @ known.T
    return distances.argmin(axis=1)


def _order(labels: NDArray[np.int64], batch: int) -> float:
    """Distinct label pairs within windows in order, as a share of those in the whole set.

    1 where the order tells nothing, 0 where each window of labels is of one class.
    """
    if labels.ndim == 2:
        labels = np.argsort(np.argsort(labels[:, 0])) * 10 // len(labels)
    window = min(max(batch, 16), len(labels))
    starts = range(0, len(labels) - window + 1, window)
    inside = float(np.mean([_mixed(labels[s : s + window]) for s in starts]))
    return inside / max(_mixed(labels), 1e-12)


def _mixed(labels: NDArray[np.int64]) -> float:
    """The chance that two of the labels differ."""
    shares = np.bincount(labels) / len(labels)
    return float(1 - np.sum(shares**2))


@dataclass(frozen=True, eq=False)
class PlanLook:
    """The network as planned, and with its initial weights."""

    plan: Plan

    @functools.cached_property
    def functions(self) -> Functions:
        """What kind of function each layer is."""
        return functions_of(self.plan)

    @property
    def weighted(self) -> list[LayerPlan]:
        """The layers that mix their inputs by weights."""
        return [layer for layer in self.plan.layers if _mixes(layer)]

    @property
    def hidden(self) -> list[LayerPlan]:
        """All of these but the last."""
        return self.weighted[:-1]

    def pointless(self) -> list[tuple[LayerPlan, LayerPlan]]:
        """Neighbouring weighted layers that are one linear map, and cost more than one would."""
        order, linear = [p.name for p in self.plan.layers], self.functions.linear
        weighted = self.weighted
        pairs = []
        for first, second in itertools.pairwise(weighted):
            run = order[order.index(first.name) : order.index(second.name) + 1]
            if linear.issuperset(run) and first.count() + second.count() >= _as_one(first, second):
                pairs.append((first, second))
        return pairs

    def before_loss(self) -> list[LayerPlan]:
        """Activations after the last weighted layer."""
        if not self.weighted:
            return []
        after = self.plan.layers[self.plan.layers.index(self.weighted[-1]) + 1 :]
        return [layer for layer in after if layer.name in self.functions.activations]

    def narrow(self) -> list[tuple[LayerPlan, int]]:
        """Weighted layers after which fewer values are left than the classes need; how many."""
        needed = math.ceil(math.log2(max(self.plan.classes, 2)))
        if not self.weighted:
            return []
        found: list[tuple[LayerPlan, int]] = []
        governing: LayerPlan | None = None
        for layer in self.plan.layers[: self.plan.layers.index(self.weighted[-1])]:
            governing = layer if _mixes(layer) else governing
            width = math.prod(layer.out_shape)
            if governing and width <= needed and governing not in [each for each, _ in found]:
                found.append((governing, width))
        return found


def _mixes(layer: LayerPlan) -> bool:
    return any(len(spec.shape) > 1 for spec in layer.params.values())


def _as_one(first: LayerPlan, second: LayerPlan) -> float:
    """The weights of the one linear layer that does the work of two."""
    if len(second.out_shape) == 1:
        return math.prod(first.in_shape) * math.prod(second.out_shape)
    one, two = (getattr(each.layer, "kernel_size", None) for each in (first, second))
    if not isinstance(one, int) or not isinstance(two, int):
        return math.inf
    return first.in_shape[0] * second.out_shape[0] * (one + two - 1) ** 2
