"""What is diagnosed: a spec with its data, and what any `--set` lines would make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Samples
from lenetkit.network.plan import Plan, load_plan
from lenetkit.spec.merge import Override, Spec
from lenetkit.training.data import TrainingData


@dataclass(frozen=True, eq=False)
class Subject:
    """A spec, with the changes that were asked for, as a plan with its data."""

    source: Spec
    changes: tuple[Override, ...]
    plan: Plan
    data: TrainingData

    def changed(self, lines: Sequence[str]) -> Subject:
        """The same with these `--set` lines.

        Raises LenetkitError for lines that the spec or the data cannot take.
        """
        changes = (*self.changes, *map(Override.from_text, lines))
        plan = load_plan(self.source, changes)
        data, transforms = self.data, plan.spec.data.options.transforms
        if transforms != self.plan.spec.data.options.transforms:
            pipeline = Pipeline(transforms, plan.classes).fitted(data.train.images)
            data = replace(data, pipeline=pipeline)
        return Subject(self.source, changes, plan, data)

    def relabelled(self) -> Subject:
        """The same with labels that follow from the images: the largest of K random projections."""
        train = self.data.train
        flat = np.asarray(train.images, np.float32).reshape(len(train), -1)
        middle, spread = flat.mean(axis=0), flat.std() or 1.0
        rng = np.random.default_rng(0)
        scores = (flat - middle) / spread @ rng.normal(size=(flat.shape[1], len(train.classes)))
        scores = (scores - scores.mean(axis=0)) / (scores.std(axis=0) + 1e-9)
        labels = scores.argmax(axis=1).astype(np.int64)
        data = replace(self.data, train=replace(train, labels=labels))
        return replace(self, data=data)


def spread_rows(samples: Samples, most: int) -> Samples:
    """Up to `most` of the samples, drawn at random, the same at every call."""
    rows = np.random.default_rng(0).permutation(len(samples))[:most]
    return samples.take(np.sort(rows))
