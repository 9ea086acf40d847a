"""What `lenetkit.data.source` promises of every data set."""

from __future__ import annotations

import builtins
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, get_args
from unittest import mock

import numpy as np

from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.compare import expect_finite, expect_same, expect_shape, fail
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.reloading import reloaded
from lenetkit.conformance.report import NOTHING_EXPECTED, Check, CheckSkipped, Report
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.data.source import SPLITS, DataSource, Place, Preparation, Samples, Split
from lenetkit.errors import DataError


@dataclass(frozen=True)
class DatasetCase:
    """A data set under test and where its files are. Each split is loaded once."""

    thing: DataSource
    place: Place

    @cached_property
    def splits(self) -> dict[Split, Samples]:
        """Both splits."""
        return {split: self.thing.load(split, self.place) for split in SPLITS}


def both_splits_load(case: DatasetCase) -> None:
    """`load` gives `Samples`, at least one in each split."""
    for split, samples in case.splits.items():
        if not isinstance(samples, Samples):
            raise fail(f"{split}: expected Samples, found {type(samples).__name__}")
        if len(samples) == 0:
            raise fail(f"{split}: expected at least one sample, found none", "raise DataError")


def images_are_in_channels_rows_columns(case: DatasetCase) -> None:
    """Images are (N, C, H, W), of one shape in both splits."""
    shapes = {}
    for split, samples in case.splits.items():
        images = samples.images
        if type(images) is not np.ndarray or images.ndim != 4 or min(images.shape[1:]) < 1:
            plain = type(images) is np.ndarray
            found = images.shape if plain else type(images).__name__
            cause = "lenetkit.data.source.checked_samples adds the channel axis"
            raise fail(f"{split}: expected images (N, C, H, W), found {found}", cause)
        shapes[split] = images.shape[1:]
    if len(set(shapes.values())) > 1:
        raise fail(f"the shapes of images differ between the splits: {shapes}")


def pixels_are_stored_as_bytes_or_floats(case: DatasetCase) -> None:
    """Pixels are finite numbers between 0 and 255, usually unsigned bytes."""
    for split, samples in case.splits.items():
        if samples.images.dtype.kind not in "uif":
            raise fail(f"{split}: expected numbers as pixels, found {samples.images.dtype}")
        expect_finite(samples.images, f"{split}: images")
        low, high = samples.images.min(), samples.images.max()
        if low < 0 or high > 255:
            cause = "a data set returns pixels as they are stored; scale them in a transform"
            raise fail(f"{split}: expected pixels 0 … 255, found {low} … {high}", cause)


def labels_are_classes(case: DatasetCase) -> None:
    """There is one int64 label for each image, and each is the index of a class."""
    for split, samples in case.splits.items():
        expect_shape(samples.labels, (len(samples.images),), f"{split}: labels")
        if samples.labels.dtype != np.int64:
            raise fail(f"{split}: expected int64 labels, found {samples.labels.dtype}")
        low, high = int(samples.labels.min(initial=0)), int(samples.labels.max(initial=0))
        if low < 0 or high >= len(samples.classes):
            raise fail(
                f"{split}: expected labels 0 … {len(samples.classes) - 1}, found {low} … {high}",
                "labels count from 0, and `classes` must name all of them",
            )


def classes_have_names(case: DatasetCase) -> None:
    """Classes have distinct names and the data set has one, the same in both splits.

    `files` are names too.
    """
    names = {split: samples.classes for split, samples in case.splits.items()}
    for split, classes in names.items():
        if not isinstance(classes, tuple) or not all(isinstance(c, str) and c for c in classes):
            raise fail(f"{split}: expected a tuple of names as classes, found {classes!r}")
        if len(set(classes)) != len(classes):
            raise fail(f"{split}: two classes have the same name: {classes}")
    if len(set(names.values())) > 1:
        raise fail(f"the splits name different classes: {names}", "declare them as an option")
    for split, samples in case.splits.items():
        if not isinstance(samples.dataset, str) or not samples.dataset:
            raise fail(f"{split}: expected the data set's name, found {samples.dataset!r}")
        if not all(type(name) is str for name in samples.files):
            raise fail(f"{split}: expected names as files, found {samples.files!r}", "str(path)")
    train, test = (case.splits[split].dataset for split in SPLITS)
    if train != test:
        raise fail(f"the splits are named '{train}' and '{test}'; training refuses two data sets")


def every_class_has_training_samples(case: DatasetCase) -> None:
    """Training samples show every class; training refuses classes without any."""
    train = case.splits["train"]
    counts = np.bincount(train.labels.reshape(-1), minlength=len(train.classes))
    lacking = [name for name, count in zip(train.classes, counts, strict=False) if not count]
    if lacking:
        raise fail(f"train: no samples of {lacking[0]!r}", "leave out classes that are not there")


def loading_again_gives_the_same(case: DatasetCase) -> None:
    """Loaded again by an equal object, in any order, both splits are the same."""
    known = dict(case.splits)
    for split in ("test", "test", "train", "test", *SPLITS):
        again, samples = replace(case.thing).load(split, case.place), known[split]
        cause = "files in the system's order, randomness without a seed, or what was loaded before"
        expect_same(again.labels, samples.labels, f"{split}: labels loaded again", cause=cause)
        expect_same(again.images, samples.images, f"{split}: images loaded again", cause=cause)


def a_new_process_gives_the_same(case: DatasetCase) -> None:
    """Samples do not depend on the order in which folders are listed, or on hash() of text.

    Both differ between machines, and hash() of text between any two processes.
    """
    again = reloaded(case.thing)
    with _another_process(type(case.thing).__module__):
        found = {split: again.load(split, case.place) for split in SPLITS}
    cause = "sort the files; seed with a number instead of hash(…)"
    for split, samples in case.splits.items():
        what = f"{split}: %s in a new process"
        expect_same(found[split].labels, samples.labels, what % "labels", cause=cause)
        expect_same(found[split].images, samples.images, what % "images", cause=cause)


@contextlib.contextmanager
def _another_process(module: str) -> Iterator[None]:
    """Folders are listed in the opposite order, and hash() of text in `module` gives other values.

    So it is in another process, or on another machine.
    """
    listdir, scandir, own_hash = os.listdir, os.scandir, hash

    def scan(path: Any = ".") -> Any:
        with scandir(path) as found:
            return _Listing([*found][::-1])

    def salted(value: object) -> int:
        by_module = sys._getframe(1).f_globals.get("__name__") == module
        return own_hash((value, 1) if by_module and isinstance(value, str | bytes) else value)

    with (
        mock.patch.object(os, "listdir", lambda *path: listdir(*path)[::-1]),
        mock.patch.object(os, "scandir", scan),
        mock.patch.object(builtins, "hash", salted),
    ):
        yield


class _Listing(Iterator[Any]):
    """What os.scandir gives: an iterator that a `with` closes."""

    def __init__(self, entries: list[Any]) -> None:
        self.entries = iter(entries)

    def __next__(self) -> Any:
        return next(self.entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""


def splits_are_different(case: DatasetCase) -> None:
    """The test split differs from the training split; otherwise test accuracy means nothing."""
    train, test = (case.splits[split] for split in SPLITS)
    if train.digest == test.digest:
        raise fail("train and test hold the same samples", "load ignores its argument `split`")
    known = {image.tobytes() for image in train.images}
    copies = [image.tobytes() in known for image in test.images]
    varied = len(known) > len(train) / 2  # a few drawings again and again are no copies
    if varied and sum(copies) > len(test) / 2:
        raise fail(
            f"{sum(copies)} of {len(test)} test images are training images too",
            "leave the test samples out of training, or accuracy means nothing",
        )


def splits_share_no_memory(case: DatasetCase) -> None:
    """Loading a split twice gives arrays of their own, and the data set keeps nothing."""
    unchanged = Unchanged(case.thing)
    for split, samples in case.splits.items():
        again = case.thing.load(split, case.place)
        for name in ("images", "labels"):
            old, new = getattr(samples, name), getattr(again, name)
            if new.flags.writeable and np.shares_memory(old, new):
                raise fail(f"{split}: two loads share writeable {name}", "return a copy")
    unchanged.expect("loading")


def preparation_is_known(case: DatasetCase) -> None:
    """`preparation` says how `predict` prepares a picture; a digit has 1 channel."""
    found = type(case.thing).preparation
    if found not in (*get_args(Preparation), None):
        known = get_args(Preparation)
        raise fail(f"preparation: expected one of {known}, or None, found {found!r}")
    channels = case.splits["train"].images.shape[1]
    if found == "digit" and channels != 1:
        raise fail(f"preparation 'digit' makes images of 1 channel, but these have {channels}")


def missing_files_raise_data_error(case: DatasetCase) -> None:
    """If its files are unavailable, `load` raises DataError. The check makes no connection."""
    offline = mock.Mock(side_effect=socket.gaierror("no connections during this check"))
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(socket, "getaddrinfo", offline),
        mock.patch.object(socket, "create_connection", offline),
    ):
        try:
            missing = replace(case.place, folder=Path(folder) / "none" / "such")
            case.thing.load("train", missing)
        except DataError as error:
            if not str(error).strip():
                raise fail("missing files: DataError without a message") from None
            if not case.thing.reads_files:
                raise fail(
                    f"missing files: {error}", "reads_files: ClassVar[bool] = True"
                ) from None
            return
        except Exception as error:
            raise fail(
                f"missing files: expected DataError, found {type(error).__name__}: {error}",
                "tell users which files are missing and where to put them",
            ) from error
    raise CheckSkipped("the data set needs no files")


_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        (
            Rung(("both_splits_load",)),
            Rung(("images_are_in_channels_rows_columns",), ("preparation_is_known",)),
            Rung(("labels_are_classes",), ("every_class_has_training_samples",)),
            Rung(("splits_share_no_memory",), ("loading_again_gives_the_same",)),
            Rung(
                ("loading_again_gives_the_same", "splits_are_different"),
                ("a_new_process_gives_the_same",),
            ),
        ),
    ),
    {"load": ("both_splits_load", "images_are_in_channels_rows_columns", "labels_are_classes")},
    keep="return it from `load`",
)
SUITE = Suite(DataSource, DatasetCase, promises_in(__name__), _ORIGINS)


def dataset_checks(source: DataSource, place: Place, *, name: str | None = None) -> list[Check]:
    """`Suite.checks` for a data set whose files are in `place`. Nothing is loaded yet."""
    return SUITE.checks(source, place, name=name)


def check_dataset(
    source: DataSource, place: Place, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """`Suite.check` for a data set whose files are in `place`."""
    return SUITE.check(source, place, expected_failures=expected_failures)
