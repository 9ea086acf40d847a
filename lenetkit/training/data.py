"""From a spec's `data` to samples in memory: where to look, the fallback, checks."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lenetkit.arrays import shape_text
from lenetkit.data.given import PixelRange
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import DataSource, Place, Preparation, Samples, Split
from lenetkit.errors import DataError, MissingDataError
from lenetkit.network.plan import Plan
from lenetkit.spec.sections import DataSpec

Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training, test and validation samples, with the transforms between them and the network.

    Raises ArrayError if their images are not all on one scale, or not on one that suits the
    transforms.
    """

    train: Samples
    test: Samples
    validation: Samples | None
    pipeline: Pipeline
    preparation: Preparation

    def __post_init__(self) -> None:
        _ = self.pixels

    @functools.cached_property
    def pixels(self) -> PixelRange:
        """The scale of all images, which the network then takes."""
        parts = {"test": self.test, "validation": self.validation or self.test}
        dataset = self.train.dataset
        found = PixelRange.of(self.train.images, self.pipeline, f"{dataset}: training images")
        for name, samples in parts.items():
            found.expect(samples.images, f"{samples.dataset}: {name} images")
        return found

    def digests(self) -> dict[str, str]:
        """The digest of each set, by its name."""
        held_out = {"validation": self.validation.digest} if self.validation else {}
        return {"train": self.train.digest, "test": self.test.digest, **held_out}


def place_for(data: DataSpec, data_dir: Path | None, report: Report) -> Place:
    """Where to look: `data_dir`, `$LENETKIT_DATA`, the spec's `data.dir`, `./MNIST`.

    Downloads go to the last of the first three that is given, else to `MNIST/`.
    """
    if data_dir is not None and not data.source.reads_files:
        report(f"note: {data_dir} is ignored: the data set reads no files")
    environment = os.environ.get("LENETKIT_DATA")
    named = [data_dir] if data_dir else []
    named += [Path(environment)] if environment else []
    named += [Path(data.options.dir)] if data.options.dir else []
    default = Path("MNIST")
    return Place((*named, default), named[-1] if named else default, report)


def load_samples(data: DataSpec, split: Split, place: Place) -> tuple[Samples, DataSource]:
    """One split of the spec's data set, or of its fallback, which is reported; and its source.

    Raises DataError if neither can be loaded.
    """
    try:
        return data.source.load(split, place), data.source
    except MissingDataError as error:
        fallback = data.options.fallback
        if fallback is None:
            raise
        place.report(f"warning: {error}\n  the spec's fallback is used instead")
        return fallback.load(split, place), fallback


def load_training_data(
    plan: Plan, data_dir: Path | None = None, report: Report = lambda message: None
) -> TrainingData:
    """The data for `train`, checked against the network.

    Raises DataError if data is missing, damaged or does not fit the network.
    """
    data = plan.spec.data
    place = place_for(data, data_dir, report)
    train, source = load_samples(data, "train", place)
    test = source.load("test", place)
    if train.dataset != test.dataset:
        raise DataError(
            f"the training samples are {train.dataset} and the test samples {test.dataset}; "
            "both must come from one data set"
        )
    unfitted = Pipeline(data.options.transforms, plan.classes)
    for name, samples in (("training", train), ("test", test)):
        check_fit(plan, samples, unfitted, name)
    validation = None
    held_out = data.options.validation
    if held_out:
        if held_out >= len(train):
            raise DataError(
                f"data.validation: expected fewer than the {len(train):,} training samples, "
                f"found {held_out:,}"
            )
        validation = train.take(slice(len(train) - held_out, None))
        train = train.take(slice(None, len(train) - held_out))
    fitted = tuple(t.fitted(train.images) for t in data.options.transforms)
    pipeline = Pipeline(fitted, plan.classes)
    return TrainingData(train, test, validation, pipeline, source.preparation)


def with_fitted_transforms(plan: Plan, pipeline: Pipeline) -> Plan:
    """The plan with fitted transforms in its spec, so that it can be used without the data."""
    options = replace(plan.spec.data.options, transforms=pipeline.transforms)
    data = replace(plan.spec.data, options=options)
    return replace(plan, spec=replace(plan.spec, data=data))


def check_fit(plan: Plan, samples: Samples, pipeline: Pipeline, name: str) -> None:
    """Raise DataError if samples do not fit the network's input or its classes."""
    if not len(samples):
        raise DataError(f"{samples.dataset}: there are no {name} samples")
    stored = samples.images.shape[1:]
    arrives = pipeline.output_shape(stored)
    if arrives != plan.spec.input:
        through = "" if arrives == stored else f", {shape_text(arrives)} after the transforms"
        raise DataError(
            f"{samples.dataset}: images are {shape_text(stored)}{through}; the spec's input is "
            f"{shape_text(plan.spec.input)}; set `input` to [{', '.join(map(str, arrives))}], "
            "or pad the images with a transform"
        )
    largest = int(np.max(samples.labels))
    if largest >= plan.classes:
        raise DataError(
            f"{samples.dataset}: {name} labels go up to {largest}, but the network's last layer "
            f"has {plan.classes} outputs; it needs at least {largest + 1}"
        )
