"""From a spec's `data` to samples in memory: where to look, the fallback, what is drawn, checks."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lenetkit.arrays import shape_text
from lenetkit.data.agreement import first_fault
from lenetkit.data.given import PixelRange
from lenetkit.data.labels import Label
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.preparation import suited
from lenetkit.data.source import MAX_CLASSES, DataSource, Place, Preparation, Samples, Split
from lenetkit.errors import DataError, MissingDataError, PluginError, shortened, warn_only
from lenetkit.files.opening import user_path
from lenetkit.network.plan import Plan
from lenetkit.options import UNRECORDED, options_of
from lenetkit.registry.catalog import installed
from lenetkit.spec.sections import DataSpec
from lenetkit.text import printable
from lenetkit.training.draws import Draws, generator, stratified

Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training, test and validation samples, with the transforms between them and the network.

    Raises ArrayError if their images are not all on one scale, or not on one that suits the
    transforms, and PluginError for transforms whose images or labels the network cannot take, or
    takes differently in training and evaluation.
    """

    train: Samples
    test: Samples
    validation: Samples | None
    pipeline: Pipeline
    preparation: Preparation
    labels: tuple[Label, ...] = ()
    """What each class is called from Python; empty if it is called by its number."""
    target_axes: int = 0
    """Real targets were given as (N,), 1, or as (N, K), 2; 0: the labels are classes."""

    def __post_init__(self) -> None:
        _ = self.pixels
        _expect_agreement(self.pipeline, self.train)

    @functools.cached_property
    def pixels(self) -> PixelRange:
        """The scale of all images, which the network then takes."""
        parts = {"test": self.test, "validation": self.validation or self.test}
        dataset = self.train.called
        found = PixelRange.of(self.train.images, self.pipeline, f"{dataset}: training images")
        for name, samples in parts.items():
            found.expect(samples.images, f"{samples.called}: {name} images")
        return found

    def digests(self) -> dict[str, str]:
        """The digest of each set, by its name."""
        held_out = {"validation": self.validation.digest} if self.validation else {}
        return {"train": self.train.digest, "test": self.test.digest, **held_out}


def place_for(
    plan: Plan, data_dir: Path | None, report: Report, *, may_create: bool = True
) -> Place:
    """Where to look: `data_dir`, else the spec's `data.dir`, else `$LENETKIT_DATA`, else `./MNIST`.

    The first that is named is the only one. Nothing is downloaded unless the caller and the plan,
    which may be a model file's, allow it.
    """
    data = plan.spec.data
    if (named := data_dir or data.options.dir) and not data.source.reads_files:
        report(f"note: {printable(named)} is ignored: the data set reads no files")
    names = {
        "--data-dir": data_dir,
        "data.dir": data.options.dir,
        "LENETKIT_DATA": os.environ.get("LENETKIT_DATA"),
    }
    by, folder = next(((by, name) for by, name in names.items() if name), ("", "MNIST"))
    shape = None
    if len(plan.spec.input) == 3:
        shape = Pipeline(data.options.transforms, plan.classes).input_shape(plan.spec.input)
    return Place(user_path(folder), by, shape, _once(report), may_create and plan.is_local)


def _once(report: Report) -> Report:
    """A report that repeats no note or warning, because each split searches the same folder."""
    said = set()

    def report_once(message: str) -> None:
        if message not in said:
            report(message)
        if message.startswith(("note: ", "warning: ")):
            said.add(message)

    return report_once


def load_samples(plan: Plan, split: Split, place: Place) -> tuple[Samples, DataSource]:
    """The spec's samples for training or for testing, or those of its fallback; and their source.

    Training samples are those that training uses: `data.test_share`, `data.limit` and
    `data.validation` are applied. Raises DataError if there are none.
    """
    data = plan.spec.data
    if split == "test" and data.options.test_share is None:
        return _loaded(data, "test", place)
    if split == "test":
        with suppress(MissingDataError):  # other data than that of the training may have a test set
            return data.source.load("test", place), data.source
    sets = _load_sets(plan, place)
    return getattr(sets, split), sets.source


def load_both(plan: Plan, place: Place) -> dict[Split, Samples]:
    """Training and test samples, as `load_samples` gives them."""
    sets = _load_sets(plan, place)
    return {"train": sets.train, "test": sets.test}


def load_training_data(
    plan: Plan,
    data_dir: str | Path | None = None,
    report: Report = warn_only,
    *,
    may_create: bool = True,
) -> TrainingData:
    """The data for `train`, checked against the network; downloaded if it `may_create` files.

    Raises DataError if data is missing, damaged or does not fit the network.
    """
    expect_countable(plan)
    options = plan.spec.data.options
    if plan.spec.task == "regression":
        raise DataError(
            "task: regression learns real targets, and data sets have classes; give them from "
            "Python: lenetkit.fit(spec, X, y)"
        )
    folder = None if data_dir is None else user_path(data_dir)
    sets = _load_sets(plan, place_for(plan, folder, report, may_create=may_create))
    unfitted = Pipeline(options.transforms, plan.classes)
    held_out = [sets.validation] if sets.validation else []
    for name, samples in (("training", sets.train), ("test", sets.test)):
        check_fit(plan, samples, unfitted, name)
    _expect_every_class(sets.train, [sets.test, *held_out])
    if (count := len(sets.train.classes)) < plan.classes:
        report(
            f"note: {sets.train.called} has {count:,} classes, and the network's last layer "
            f"{plan.classes:,} outputs{_outputs(plan, count)}"
        )
    pipeline = unfitted.fitted(sets.train.images)
    preparation = preparation_for(options.preparation or sets.source.preparation, sets.train)
    return TrainingData(sets.train, sets.test, sets.validation, pipeline, preparation)


def preparation_for(said: Preparation | None, train: Samples) -> Preparation:
    """How pictures are prepared: as the spec or the data set says, else as suits the images."""
    if train.images.ndim == 2:  # rows of features: there are none
        return "resize"
    if said == "digit" and train.images.shape[1] != 1:
        raise DataError(
            "data.preparation: 'digit' makes images of one channel, but those of "
            f"{train.called} have {train.images.shape[1]}; use 'resize'"
        )
    return said or suited(train.images)


@dataclass(frozen=True, eq=False)
class _Sets:
    train: Samples
    test: Samples
    validation: Samples | None
    source: DataSource


def _load_sets(plan: Plan, place: Place) -> _Sets:
    """All samples, divided as the spec says."""
    train, source = _loaded(plan.spec.data, "train", place)
    test = None
    if plan.spec.data.options.test_share is None:
        test = source.load("test", place)
    else:
        _expect_no_test_set(source, place)
    if test is not None and train.dataset != test.dataset:
        raise DataError(
            f"the training samples are {train.called} and the test samples {test.called}; "
            "both must come from one data set"
        )
    return _Sets(*divided(plan, train, test), source)


def divided(
    plan: Plan, train: Samples, test: Samples | None
) -> tuple[Samples, Samples, Samples | None]:
    """Training, test and held-out samples, drawn as the spec's `data` says.

    In this order: a share of the training samples as test set, if there is none; the limit; the
    held-out samples. Raises DataError for numbers that are impossible.
    """
    options, seed = plan.spec.data.options, plan.spec.train.seed
    validation = None
    if test is None:
        test, train = _divided(train, options.test_share or 0.0, seed, Draws.TEST)
    if options.limit is not None:
        train = _limited(train, options.limit, seed)
    if options.validation and len(train):
        validation, train = _divided(train, options.validation, seed, Draws.VALIDATION)
    return train, test, validation


def _loaded(data: DataSpec, split: Split, place: Place) -> tuple[Samples, DataSource]:
    """A split of the data set, or of the fallback, which is reported; a named folder has none."""
    _expect_paths(data.source)
    try:
        return data.source.load(split, place), data.source
    except MissingDataError as error:
        fallback = data.options.fallback
        if fallback is None:
            raise
        if place.named_by and data.source.reads_files:
            raise MissingDataError(
                f"{error}\n  the spec's fallback is not used, because {place.named_by} names the "
                "folder"
            ) from None
        name, _ = installed().identity(fallback)
        place.report(f"warning: {error}\n  the spec's fallback is used instead: {name}")
        return fallback.load(split, place), fallback


def _expect_paths(source: DataSource) -> None:
    for opt in options_of(type(source)):
        if opt.required and opt.is_path and getattr(source, opt.name) in (UNRECORDED, ()):
            raise MissingDataError(
                f"data.{opt.name}: a model file records no paths; expected --set data.{opt.name}="
                "PATH"
            )


def _expect_no_test_set(source: DataSource, place: Place) -> None:
    try:
        test = source.load("test", place)
    except MissingDataError:
        return
    raise DataError(
        f"data.test_share: {test.called} has a test set of {len(test):,} samples; "
        "leave data.test_share out"
    )


_PURPOSES = {Draws.TEST: "data.test_share", Draws.VALIDATION: "data.validation"}


def _divided(samples: Samples, part: float, seed: int, purpose: int) -> tuple[Samples, Samples]:
    """Samples drawn across the classes, a number or a share of them, and the others."""
    count = part if isinstance(part, int) else max(1, round(part * len(samples)))
    rows = stratified(samples.strata, count, generator(seed, purpose), leave=True)
    if rows is None:
        most = len(samples) - len(np.unique(samples.strata))
        raise DataError(
            f"{_PURPOSES[purpose]}: expected at most {most:,} of the {len(samples):,} training "
            f"samples, so that each class keeps one, found {count:,}"
        )
    return samples.take(rows), samples.take(np.delete(np.arange(len(samples)), rows))


def _limited(samples: Samples, count: int, seed: int) -> Samples:
    rows = stratified(samples.strata, count, generator(seed, Draws.LIMIT), leave=False)
    if rows is None:
        least = len(np.unique(samples.strata))
        raise DataError(
            f"data.limit: expected from {least:,} (one of each class) to {len(samples):,}, "
            f"the number of training samples, found {count:,}"
        )
    return samples.take(rows)


def _expect_every_class(train: Samples, others: Sequence[Samples]) -> None:
    """Raise DataError for a class without training samples."""
    names = max((samples.classes for samples in (train, *others)), key=len)
    counts = np.bincount(train.labels, minlength=len(names))
    lacking = [f"'{printable(n)}'" for n, count in zip(names, counts, strict=False) if not count]
    if lacking:
        classes = "class " if len(lacking) == 1 else "the classes "
        raise DataError(
            f"{train.called}: no training samples of {classes}{shortened(', '.join(lacking))}; "
            "expected some of each class; leave out classes that are not there, and number the "
            "others without gaps"
        )


def _expect_agreement(pipeline: Pipeline, train: Samples) -> None:
    """Try the transforms on some images; PluginError if one does not do what all must."""
    if not len(train):
        return
    most = min(64, max((1 << 22) // train.images[0].size, 1))
    some = train.take(np.arange(0, len(train), max(len(train) // most, 1))[:most])
    fault = first_fault(pipeline, some.images, some.labels, generator(0, Draws.TRANSFORMS))
    if fault:
        transform, problem = fault
        name, provider = installed().identity(transform)
        where = f"data.transforms: {name} of {provider or 'this process'}"
        raise PluginError(f"{where}: {problem}")


def with_fitted_transforms(plan: Plan, pipeline: Pipeline) -> Plan:
    """The plan with fitted transforms in its spec, so that it can be used without the data."""
    options = replace(plan.spec.data.options, transforms=pipeline.transforms)
    data = replace(plan.spec.data, options=options)
    return replace(plan, spec=replace(plan.spec, data=data))


def expect_countable(plan: Plan) -> None:
    """Raise DataError if the network tells more classes apart than can be counted."""
    if plan.classes > MAX_CLASSES:
        raise DataError(
            f"layers.{plan.layers[-1].name}: {plan.classes:,} outputs, one for each class; "
            f"expected at most {MAX_CLASSES:,}; give the last layer as many as the data set has "
            "classes, which 'lenetkit data info' counts"
        )


def check_fit(plan: Plan, samples: Samples, pipeline: Pipeline, name: str) -> None:
    """Raise DataError if samples do not fit the network's input or its classes."""
    expect_countable(plan)
    if not len(samples):
        raise DataError(f"{samples.called}: there are no {name} samples")
    stored = samples.images.shape[1:]
    arrives = pipeline.output_shape(stored)
    if arrives != plan.spec.input:
        through = "" if arrives == stored else f", {shape_text(arrives)} after the transforms"
        raise DataError(
            f"{samples.called}: {name} images are {shape_text(stored)}{through}; the spec's input "
            f"is {shape_text(plan.spec.input)}; set `input` to [{', '.join(map(str, arrives))}], "
            "or pad the images with a transform"
        )
    needed = int(np.max(samples.labels)) + 1
    if needed > MAX_CLASSES:
        raise DataError(
            f"{samples.dataset}: the {name} samples have {needed:,} classes; expected at most "
            f"{MAX_CLASSES:,}; number the classes without gaps"
        )
    if needed > plan.classes:
        raise DataError(
            f"{samples.called}: the {name} samples have {needed:,} classes, but the network's "
            f"last layer has {plan.classes:,} output{'s' * (plan.classes > 1)}; it needs at least "
            f"{needed:,}{_outputs(plan, needed)}"
        )


def output_layer(plan: Plan) -> str:
    """The layer whose `out_features` is the number of outputs; empty if there is none."""
    return next((p.name for p in reversed(plan.layers) if hasattr(p.layer, "out_features")), "")


def _outputs(plan: Plan, count: int) -> str:
    """How to give the network so many outputs, if that is certain."""
    last = output_layer(plan)
    return f": --set layers.{last}.out_features={count}" if last else ""
