"""What `lenetkit.data.source` promises of every data set."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import numpy as np

from lenetkit.data.source import SPLITS, DataSource, Place, Preparation, Samples, Split
from lenetkit.errors import DataError
from lenetkit.testing.common import COMMON, Unchanged
from lenetkit.testing.compare import expect_finite, expect_same, expect_shape, fail
from lenetkit.testing.report import (
    NOTHING_EXPECTED,
    Check,
    CheckSkipped,
    Report,
    collect,
    expect_kind,
    require,
    subject_of,
)


@dataclass(frozen=True)
class DatasetCase:
    """A data set under test and where its files may lie. Each split is loaded once."""

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
        if not isinstance(images, np.ndarray) or images.ndim != 4 or min(images.shape[1:]) < 1:
            found = getattr(images, "shape", type(images).__name__)
            raise fail(
                f"{split}: expected images (N, C, H, W), found {found}",
                "lenetkit.data.source.checked_samples adds the channel axis",
            )
        shapes[split] = images.shape[1:]
    if len(set(shapes.values())) > 1:
        raise fail(f"images differ in shape between the splits: {shapes}")


def pixels_are_stored_as_bytes_or_floats(case: DatasetCase) -> None:
    """Pixels are numbers between 0 and 255, unsigned bytes as a rule, and finite."""
    for split, samples in case.splits.items():
        if samples.images.dtype.kind not in "uif":
            raise fail(f"{split}: expected numbers as pixels, found {samples.images.dtype}")
        expect_finite(samples.images, f"{split}: images")
        low, high = samples.images.min(), samples.images.max()
        if low < 0 or high > 255:
            raise fail(
                f"{split}: expected pixels 0 … 255, found {low} … {high}",
                "scaling belongs into transforms; a data set gives what is stored",
            )


def labels_are_classes(case: DatasetCase) -> None:
    """There is one int64 label for each image, and each names one of the classes."""
    for split, samples in case.splits.items():
        expect_shape(samples.labels, (len(samples.images),), f"{split}: labels")
        if samples.labels.dtype != np.int64:
            raise fail(f"{split}: expected int64 labels, found {samples.labels.dtype}")
        low, high = int(samples.labels.min(initial=0)), int(samples.labels.max(initial=0))
        if low < 0 or high >= len(samples.classes):
            raise fail(
                f"{split}: expected labels 0 … {len(samples.classes) - 1}, found {low} … {high}",
                "labels count from 0, and classes names all of them",
            )


def classes_have_names(case: DatasetCase) -> None:
    """Classes have different names, the same in both splits, and the data set says what it is."""
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
            raise fail(f"{split}: expected the data set's name in words, found {samples.dataset!r}")


def loading_again_gives_the_same(case: DatasetCase) -> None:
    """Loaded again, by an equal object, both splits have the same digest."""
    twin = replace(case.thing)
    for split, samples in case.splits.items():
        again = twin.load(split, case.place)
        cause = "an order of files that the system decides, or randomness without a seed"
        expect_same(again.labels, samples.labels, f"{split}: labels loaded again", cause=cause)
        expect_same(again.images, samples.images, f"{split}: images loaded again", cause=cause)


def splits_are_different(case: DatasetCase) -> None:
    """The test split is not the training split, or test accuracy would mean nothing."""
    train, test = (case.splits[split] for split in SPLITS)
    if train.digest == test.digest:
        raise fail("train and test hold the same samples", "load ignores its argument `split`")


def splits_share_no_memory(case: DatasetCase) -> None:
    """Loading one split again does not touch what was loaded: nothing is shared or kept."""
    unchanged = Unchanged(case.thing)
    for split, samples in case.splits.items():
        again = case.thing.load(split, case.place)
        if np.shares_memory(samples.images, again.images) and again.images.flags.writeable:
            raise fail(f"{split}: two loads share memory that can be written to", "return a copy")
    unchanged.expect("loading")


def preparation_is_known(case: DatasetCase) -> None:
    """`preparation` says how `predict` makes an image file like these; digits have one channel."""
    found = type(case.thing).preparation
    if found not in get_args(Preparation):
        raise fail(f"preparation: expected one of {get_args(Preparation)}, found {found!r}")
    channels = case.splits["train"].images.shape[1]
    if found == "digit" and channels != 1:
        raise fail(f"preparation 'digit' makes images of 1 channel, these have {channels}")


def missing_files_raise_data_error(case: DatasetCase) -> None:
    """Where its files are not to be had, `load` raises DataError. No connection is made."""

    def offline(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror("no connections during this check")

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(socket, "getaddrinfo", offline),
        mock.patch.object(socket, "create_connection", offline),
    ):
        nowhere = Place((Path(folder) / "no-such-folder",), Path(folder))
        try:
            case.thing.load("train", nowhere)
        except DataError as error:
            if not str(error).strip():
                raise fail("missing files: DataError without a message") from None
            return
        except Exception as error:
            raise fail(
                f"missing files: expected DataError, found {type(error).__name__}: {error}",
                "a user who lacks the files should be told which, and where to put them",
            ) from error
    raise CheckSkipped("the data set needs no files in the folders it is given")


DATASET_CHECKS = (
    both_splits_load,
    images_are_in_channels_rows_columns,
    pixels_are_stored_as_bytes_or_floats,
    labels_are_classes,
    classes_have_names,
    loading_again_gives_the_same,
    splits_are_different,
    splits_share_no_memory,
    preparation_is_known,
    missing_files_raise_data_error,
    *COMMON,
)


def dataset_checks(source: DataSource, place: Place, *, name: str | None = None) -> list[Check]:
    """The checks of one data set, whose files lie in `place`. Nothing is loaded before they run.

    Raises TypeError for anything but a data set.
    """
    expect_kind(source, DataSource)
    return collect(DATASET_CHECKS, DatasetCase(source, place), name or subject_of(source))


def check_dataset(
    source: DataSource, place: Place, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """Hold a data set to what it promises. Raises CheckFailed, with the report, if it fails."""
    return require(dataset_checks(source, place), expected_failures=expected_failures)
