"""Data sets in a folder of IDX files."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lenetkit.data.finding import file_names, find_pair
from lenetkit.data.idx import read_idx, write_idx
from lenetkit.data.idx_folder import IdxFolder
from lenetkit.data.source import SPLITS, Place, Samples
from lenetkit.errors import DataError, MissingDataError

MakeIdx = Callable[..., Path]
IMAGES, LABELS = file_names("train")


def load(folder: Path, **options: Any) -> Samples:
    return IdxFolder(**options).load("train", Place(folder))


def with_labels(folder: Path, labels: Any) -> Path:
    write_idx(folder / LABELS, np.asarray(labels))
    return folder


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("size", [(8, 8), (1, 1), (5, 9), (32, 32)])
def test_any_image_size_and_channel_count(
    make_idx: MakeIdx, size: tuple[int, int], channels: int | None, packed: bool
) -> None:
    folder = make_idx("set", size=size, channels=channels, packed=packed)
    for split, count in zip(SPLITS, (12, 6), strict=True):
        samples = IdxFolder().load(split, Place(folder))
        stored = find_pair(Place(folder), split).images
        assert samples.images.shape == (count, channels or 1, *size)
        assert samples.images.dtype == np.uint8
        assert samples.images.tobytes() == read_idx(stored).tobytes()
        assert samples.labels.dtype == np.int64
        np.testing.assert_array_equal(samples.labels, np.arange(count) % 3)


def test_title_is_the_folders_name_or_the_given_one(make_idx: MakeIdx) -> None:
    folder = make_idx("letters")
    assert load(folder).dataset == "letters"
    assert load(folder / ".." / "letters").dataset == "letters"
    assert load(folder, title="Old letters").dataset == "Old letters"


def test_classes_are_numbers_or_the_given_names(make_idx: MakeIdx) -> None:
    folder = make_idx(classes=3)
    assert load(folder).classes == ("0", "1", "2")
    assert load(folder, classes=["a", "b", "c", "d"]).classes == ("a", "b", "c", "d")


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4"])
def test_labels_of_any_whole_type(make_idx: MakeIdx, dtype: str) -> None:
    folder = with_labels(make_idx(train=3), np.array([0, 2, 1], dtype))
    np.testing.assert_array_equal(load(folder).labels, [0, 2, 1], strict=True)


def test_plain_wins_over_packed(make_idx: MakeIdx) -> None:
    folder = make_idx(packed=True)
    assert find_pair(Place(folder), "train").images == folder / f"{IMAGES}.gz"
    (folder / IMAGES).touch()
    assert find_pair(Place(folder), "train").images == folder / IMAGES


@pytest.mark.parametrize("target", ["nowhere", IMAGES, os.devnull, "pipe"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_what_can_be_no_file_is_refused_by_its_name(
    make_idx: MakeIdx, suffix: str, target: str
) -> None:
    folder = make_idx(packed=not suffix)
    path = folder / f"{IMAGES}{suffix}"
    try:
        if target == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(f"{IMAGES}{suffix}" if target == IMAGES else target)
    except (AttributeError, OSError):
        pytest.skip("this system, or this user, makes none")
    found = {"pipe": "a pipe", os.devnull: "a device"}.get(target, "a broken link")
    if suffix:
        (folder / IMAGES).unlink()
    with pytest.raises(DataError) as caught:
        load(folder)
    assert str(caught.value) == f"{path}: is {found}; expected an IDX data file"
    assert not isinstance(caught.value, MissingDataError)  # no fallback stands in for it


@pytest.mark.parametrize("name", [IMAGES, LABELS])
def test_missing_files_are_named_with_the_folders_searched(make_idx: MakeIdx, name: str) -> None:
    folder = make_idx()
    (folder / name).unlink()
    with pytest.raises(MissingDataError, match=f"no file {name} or {name}.gz") as caught:
        load(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("count", [0, 11, 13])
def test_counts_that_differ_are_refused(make_idx: MakeIdx, count: int) -> None:
    folder = with_labels(make_idx(train=12), np.zeros(count, np.uint8))
    with pytest.raises(DataError, match=rf"12 images but labels of shape \({count},\)") as caught:
        load(folder)
    assert str(folder / IMAGES) in str(caught.value)


def test_labels_beyond_the_named_classes_are_refused(make_idx: MakeIdx) -> None:
    folder = make_idx(classes=4)
    with pytest.raises(DataError, match=r"label 3, but the spec names 3 classes") as caught:
        load(folder, classes=["a", "b", "c"])
    assert str(folder / LABELS) in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.array([0, -3], np.int8), "labels start at -3"),
        (
            np.array([0, 2_147_483_647], np.int32),
            "labels go up to 2,147,483,647, so there are 2,147,483,648 classes",
        ),
        (np.array([0, 1], np.float32), "found float32"),
        (np.array([0, np.nan], np.float64), "found float64"),
        (np.array([0, np.inf], np.float32), "found float32"),
    ],
)
def test_labels_that_are_no_class_numbers_are_refused(
    make_idx: MakeIdx, labels: Any, said: str
) -> None:
    folder = with_labels(make_idx(train=2), labels)
    with pytest.raises(DataError, match=said) as caught:
        load(folder)
    assert str(folder / LABELS) in str(caught.value)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "f4", "f8"])
def test_images_that_are_no_unsigned_bytes_are_refused(make_idx: MakeIdx, dtype: str) -> None:
    folder = make_idx()
    write_idx(folder / IMAGES, np.zeros((12, 8, 8), dtype))
    with pytest.raises(DataError, match=rf"expected unsigned bytes .*, found {np.dtype(dtype)}"):
        load(folder)


@pytest.mark.parametrize("shape", [(12,), (12, 8), (12, 1, 2, 8, 8)])
def test_images_of_another_rank_are_refused(make_idx: MakeIdx, shape: tuple[int, ...]) -> None:
    folder = make_idx()
    write_idx(folder / IMAGES, np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match=r"expected images \(N, H, W\) or \(N, C, H, W\)"):
        load(folder)


def test_swapped_files_are_refused(make_idx: MakeIdx) -> None:
    folder = make_idx()
    shutil.move(folder / IMAGES, folder / "aside")
    shutil.move(folder / LABELS, folder / IMAGES)
    shutil.move(folder / "aside", folder / LABELS)
    said = rf"{IMAGES}: expected images .*, found \(12,\); images and labels seem to be swapped"
    with pytest.raises(DataError, match=said):
        load(folder)


def test_what_is_no_pair_is_refused_before_it_is_read(make_idx: MakeIdx) -> None:
    folder = make_idx(train=1, size=(2000, 2000))
    labels = (np.zeros((1, 9, 1), np.uint8), np.zeros(9, np.uint8), np.zeros(1, np.float64))
    for wrong in labels:
        with_labels(folder, wrong)
        tracemalloc.start()
        try:
            with pytest.raises(DataError, match="labels"):
                load(folder)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20 < 2000 * 2000
        finally:
            tracemalloc.stop()


def test_damaged_file_is_named(make_idx: MakeIdx) -> None:
    folder = make_idx()
    (folder / LABELS).write_bytes((folder / LABELS).read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{LABELS}: truncated"):
        load(folder)


def test_empty_set_is_loaded_as_such(make_idx: MakeIdx) -> None:
    samples = load(make_idx(train=0))
    assert len(samples) == 0
    assert samples.images.shape == (0, 1, 8, 8)


def test_digest_tells_images_labels_and_shapes_apart(make_idx: MakeIdx) -> None:
    samples = load(make_idx())
    images, labels = samples.images, samples.labels
    changed = images.copy()
    changed[3, 0, 2, 2] ^= 1
    others = [
        Samples(changed, labels, "set", ()),
        Samples(images, (labels + 1) % 3, "set", ()),
        Samples(images.reshape(12, 1, 4, 16), labels, "set", ()),
        samples.take(slice(0, 11)),
    ]
    digests = {other.digest for other in [samples, *others]}
    assert len(digests) == 5
    assert Samples(images.copy(), labels.copy(), "other name", ()).digest == samples.digest
