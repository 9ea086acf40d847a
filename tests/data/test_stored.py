"""Files stored in other ways: refused with the option that reads them, and read with it."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lenetkit.data import orientation
from lenetkit.data.finding import file_names
from lenetkit.data.idx import read_idx, write_idx
from lenetkit.data.idx_folder import IdxFolder
from lenetkit.data.source import Place, Samples
from lenetkit.data.strokes import draw_digits
from lenetkit.errors import DataError

MakeIdx = Callable[..., Path]
IMAGES, LABELS = file_names("train")
CODES = {"u1": 8, "i2": 11, "i4": 12}


def load(folder: Path, **options: Any) -> Samples:
    return IdxFolder(**options).load("train", Place(folder))


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, **options)
    return str(caught.value)


def little(values: NDArray[Any], *, magic: bool = False, sizes: str = "<") -> bytes:
    """An IDX file as a program writes it that keeps the processor's order."""
    kind = values.dtype.str[1:]
    head = bytes((0, 0, CODES[kind], values.ndim))
    shape = np.array(values.shape, f"{sizes}u4").tobytes()
    return (
        (head[::-1] if magic else head)
        + shape
        + values.astype(f"<{values.dtype.str[1:]}").tobytes()
    )


# --- labels ----------------------------------------------------------------------------------


def test_a_column_of_labels_is_read(make_idx: MakeIdx) -> None:
    folder = make_idx()
    labels = read_idx(folder / LABELS)
    write_idx(folder / LABELS, labels[:, None])
    for options in ({}, {"label_column": 0}):
        np.testing.assert_array_equal(load(folder, **options).labels, labels)


def test_one_of_several_columns_has_to_be_named(make_idx: MakeIdx) -> None:
    folder = make_idx()
    labels = read_idx(folder / LABELS).astype(np.int32)
    write_idx(folder / LABELS, np.stack([labels, 2 - labels, labels + 9], 1))
    message = refusal(folder)
    assert message.startswith(f"{folder / LABELS}: labels of shape (12, 3) have 3 columns; say wh")
    assert "data.label_column: 0" in message
    np.testing.assert_array_equal(load(folder, label_column=0).labels, labels)
    np.testing.assert_array_equal(load(folder, label_column=1).labels, 2 - labels)
    np.testing.assert_array_equal(load(folder, label_column=2, label_offset=9).labels, labels)
    assert refusal(folder, label_column=3).endswith(
        "data.label_column: expected a column from 0 to 2, found 3"
    )
    assert "labels start at 9 and go up to 11" in refusal(folder, label_column=2)


def test_labels_without_columns_have_none_to_choose(make_idx: MakeIdx) -> None:
    assert "leave data.label_column out" in refusal(make_idx(), label_column=0)


@pytest.mark.parametrize("first", [1, 5, -1])
def test_labels_that_do_not_start_at_0(make_idx: MakeIdx, first: int) -> None:
    folder = make_idx()
    labels = read_idx(folder / LABELS)
    write_idx(folder / LABELS, (labels.astype(np.int16) + first))
    assert refusal(folder) == (
        f"{folder / LABELS}: labels start at {first} and go up to {first + 2}; expected them to "
        f"start at 0; to count the classes from {first}: data.label_offset: {first} "
        f"(--set data.label_offset={first})"
    )
    samples = load(folder, label_offset=first)
    np.testing.assert_array_equal(samples.labels, labels)
    assert samples.classes == tuple(str(first + i) for i in range(3))
    if first > 0:
        np.testing.assert_array_equal(load(folder, label_offset=0).labels, labels + first)


def test_a_small_test_set_may_lack_the_first_class(make_idx: MakeIdx) -> None:
    folder = make_idx()
    name = file_names("test")[1]
    write_idx(folder / name, np.array([1, 2, 2, 1, 1, 2], np.uint8))
    assert IdxFolder().load("test", Place(folder)).labels.tolist() == [1, 2, 2, 1, 1, 2]
    (folder / LABELS).unlink()
    with pytest.raises(DataError, match="labels start at 1 and go up to 2"):
        IdxFolder().load("test", Place(folder))


def test_an_offset_beyond_the_labels_is_refused(make_idx: MakeIdx) -> None:
    assert "expected labels 0 … 4,999, counted from 2, found -2" in refusal(
        make_idx(), label_offset=2
    )


# --- images ----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_last(make_idx: MakeIdx, channels: int) -> None:
    folder = make_idx(channels=channels)
    images = read_idx(folder / IMAGES)
    assert "channels first; leave data.channels out" in refusal(folder, channels="last")
    write_idx(folder / IMAGES, images.transpose(0, 2, 3, 1))
    message = refusal(folder)
    assert f"images are (12, 8, 8, {channels}): channels last; expected (N, C, H, W)" in message
    assert "data.channels: last" in message
    np.testing.assert_array_equal(load(folder, channels="last").images, images)
    assert load(folder, channels="first").images.shape == (12, 8, 8, channels)


def test_images_without_channels_have_none_last(make_idx: MakeIdx) -> None:
    assert "leave data.channels out" in refusal(make_idx(), channels="last")


def test_emnists_files_are_known_by_name_to_be_transposed(make_idx: MakeIdx) -> None:
    folder = make_idx(size=(5, 7))
    images = read_idx(folder / IMAGES)
    for path in list(folder.iterdir()):
        path.rename(folder / f"emnist-letters-{path.name}")
    message = refusal(folder)
    assert "EMNIST's images are stored transposed" in message
    assert "data.transpose: true" in message
    np.testing.assert_array_equal(
        load(folder, transpose=True).images[:, 0], images.transpose(0, 2, 1)
    )
    np.testing.assert_array_equal(load(folder, transpose=False).images[:, 0], images)


def digits(count: int, seed: int = 5) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    labels = np.arange(count) % 10
    return draw_digits(labels, np.random.default_rng(seed)), labels


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("count", [50, 100])
def test_transposed_digits_are_recognized_and_read(
    tmp_path: Path, count: int, invert: bool
) -> None:
    images, labels = digits(count)
    stored = 255 - images if invert else images
    write_idx(tmp_path / LABELS, labels.astype(np.uint8))
    write_idx(tmp_path / IMAGES, stored.transpose(0, 2, 1))
    message = refusal(tmp_path)
    assert "these digits' images are stored transposed" in message
    assert "data.transpose: true" in message
    np.testing.assert_array_equal(load(tmp_path, transpose=True).images[:, 0], stored)
    assert load(tmp_path, transpose=False).images.shape == (count, 1, 28, 28)
    write_idx(tmp_path / IMAGES, stored)
    assert len(load(tmp_path)) == count


@pytest.mark.mnist
def test_transposition_is_certain_on_mnist(mnist_folder: Path) -> None:
    """Of MNIST's test set in parts of 50 … 4,000: never upright, always transposed."""
    images = read_idx(next(mnist_folder.glob("t10k-images*")))[:, None]
    labels = read_idx(next(mnist_folder.glob("t10k-labels*"))).astype(np.int64)
    rng = np.random.default_rng(0)
    for per_class in (5, 10, 50, 400):
        for _ in range(20):
            rows = np.concatenate(
                [rng.choice(np.flatnonzero(labels == d), per_class, False) for d in range(10)]
            )
            assert not orientation.is_transposed(images[rows], labels[rows])
            assert orientation.is_transposed(images[rows].swapaxes(2, 3), labels[rows])


def test_other_images_are_never_called_transposed() -> None:
    """Noise, bars, blobs, blank images, shuffled and turned digits."""
    rng = np.random.default_rng(0)
    images, labels = digits(200)
    grid = np.mgrid[:28, :28].astype(float)
    others: list[NDArray[Any]] = [np.zeros_like(images), rng.integers(0, 256, images.shape)]
    for _ in range(200):
        waves = rng.normal(0, 0.4, (10, 2, 1, 1))
        textures = np.sin((waves * grid[None]).sum(1) + rng.uniform(0, 6, (10, 1, 1)))
        others.append(128 + 100 * textures[labels] + rng.normal(0, 9, images.shape))
        centre, size = rng.uniform(5, 23, (10, 2, 1, 1)), rng.uniform(2, 12, (10, 2, 1, 1))
        others.append(255 * np.exp(-np.square((grid[None] - centre) / size).sum(1))[labels])
        others.append(images[np.argsort(rng.permutation(10)[labels], kind="stable")])
    others += [np.rot90(images, turns, (1, 2)) for turns in (1, 2, 3)]
    others += [images[:, ::-1], images[:, :, ::-1]]
    for other in others:
        assert not orientation.is_transposed(other[:, None], labels)


# --- several at once -----------------------------------------------------------------------------


def test_all_that_has_to_be_said_is_told_together(make_idx: MakeIdx) -> None:
    folder = make_idx(channels=1)
    images, labels = read_idx(folder / IMAGES), read_idx(folder / LABELS)
    write_idx(folder / f"emnist-{IMAGES}", images.transpose(0, 3, 2, 1))
    stored = np.stack([labels + 1, labels], axis=1).astype(np.int32)
    (folder / f"emnist-{LABELS}").write_bytes(little(stored, magic=True))
    message = refusal(folder, prefix="emnist")
    *lines, together = message.splitlines()
    for line, said in zip(
        lines,
        ("wrong byte order", "channels last", "transposed", "2 columns", "labels start at 1"),
        strict=True,
    ):
        assert said in line
    assert together == (
        "  together: --set data.byte_order=little --set data.channels=last "
        "--set data.transpose=true --set data.label_column=0 --set data.label_offset=1"
    )
    options: dict[str, Any] = {"byte_order": "little", "channels": "last", "transpose": True}
    options |= {"label_column": 0, "label_offset": 1, "prefix": "emnist"}
    samples = load(folder, **options)
    np.testing.assert_array_equal(samples.images, images)
    np.testing.assert_array_equal(samples.labels, labels)


def test_what_no_option_reads_is_told_beside_the_others(make_idx: MakeIdx) -> None:
    folder = make_idx(channels=1)
    write_idx(folder / IMAGES, read_idx(folder / IMAGES).transpose(0, 2, 3, 1))
    write_idx(folder / LABELS, np.eye(3, dtype=np.uint8)[read_idx(folder / LABELS)])
    first, second = refusal(folder).splitlines()
    assert "channels last" in first
    assert "one-hot" in second


@pytest.mark.parametrize("dtype", ["u1", "i4", "f4"])
def test_one_hot_labels_are_no_columns_to_choose_from(make_idx: MakeIdx, dtype: str) -> None:
    folder = make_idx()
    write_idx(folder / LABELS, np.eye(3, dtype=dtype)[read_idx(folder / LABELS)])
    message = refusal(folder)
    assert "numpy.argmax(labels, axis=1)" in message
    assert "label_column" not in message


# --- byte order -------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("magic", [False, True])
@pytest.mark.parametrize("count", [12, 256, 300])
def test_little_endian_files(
    make_idx: MakeIdx, count: int, magic: bool, pack: Callable[[bytes], bytes]
) -> None:
    folder = make_idx(train=count)
    images, labels = read_idx(folder / IMAGES), read_idx(folder / LABELS)
    (folder / IMAGES).write_bytes(pack(little(images, magic=magic)))
    (folder / LABELS).write_bytes(pack(little(labels.astype(np.int32), magic=magic)))
    message = refusal(folder)
    assert f"{folder / IMAGES}: is in the wrong byte order" in message
    assert "data.byte_order: little" in message
    samples = load(folder, byte_order="little")
    np.testing.assert_array_equal(samples.images[:, 0], images)
    np.testing.assert_array_equal(samples.labels, labels)
    assert samples.images.dtype.isnative


def test_little_endian_files_packed_in_an_archive(make_idx: MakeIdx, tmp_path: Path) -> None:
    folder = make_idx()
    images, labels = read_idx(folder / IMAGES), read_idx(folder / LABELS)
    archive = tmp_path / "both.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, values in ((IMAGES, images), (LABELS, labels)):
            zipped.writestr(f"{name}.gz", gzip.compress(little(values)))
    assert "data.byte_order: little" in refusal(archive)
    np.testing.assert_array_equal(load(archive, byte_order="little").images[:, 0], images)


def test_labels_alone_in_the_other_order(make_idx: MakeIdx) -> None:
    folder = make_idx()
    labels = read_idx(folder / LABELS)
    (folder / LABELS).write_bytes(little(labels.astype(np.int32), sizes=">"))
    message = refusal(folder)
    assert "labels are in the wrong byte order" in message
    assert "data.byte_order: little" in message
    np.testing.assert_array_equal(load(folder, byte_order="little").labels, labels)


def test_an_order_that_the_files_do_not_have_is_refused(make_idx: MakeIdx) -> None:
    assert "is big-endian, as IDX says" in refusal(make_idx(), byte_order="little")
    assert len(load(make_idx("big"), byte_order="big")) == 12
