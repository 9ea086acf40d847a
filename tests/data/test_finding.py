"""Which files of a folder are a data set."""

from __future__ import annotations

import gzip
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetkit.data.finding import contents, file_names, find_pair, is_free
from lenetkit.data.idx import read_header, read_idx, write_idx
from lenetkit.data.idx_folder import IdxFolder
from lenetkit.data.mnist import Mnist
from lenetkit.data.source import SPLITS, Place, Samples
from lenetkit.errors import DataError, MissingDataError
from lenetkit.files import archive
from lenetkit.files.archive import Member, members

NAMES = [name for split in SPLITS for name in file_names(split)]
SPELLINGS = {
    "mnist": NAMES,
    "dotted": [name.replace("-idx", ".idx") for name in NAMES],
    "upper case": [name.upper() for name in NAMES],
    "test for t10k": [name.replace("t10k", "test") for name in NAMES],
    "emnist": [
        f"emnist-letters-{'test' if 't10k' in n else 'train'}{n[n.index('-') :]}" for n in NAMES
    ],
    "qmnist": [
        f"qmnist-{n}".replace("t10k", "test").replace("labels-idx1-ubyte", "labels-idx2-int")
        for n in NAMES
    ],
    "underscores": [f"fashion-mnist_{name.replace('-', '_')}" for name in NAMES],
    "idx suffix": [name.replace("-idx3-ubyte", ".idx3").replace("-idx1-ubyte", ".idx1")
                   for name in NAMES],
    "bare": [name.partition("-idx")[0] for name in NAMES],
}  # fmt: skip


def write_set(folder: Path, names: list[str], seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Four small files under these names; returns their arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    values = []
    for name, count in zip(names, (6, 6, 3, 3), strict=True):
        shape = (count, 4, 5) if "image" in name.casefold() else (count,)
        values.append(rng.integers(0, 256, shape, np.uint8) if len(shape) > 1
                      else (np.arange(count) % 3).astype(np.uint8))  # fmt: skip
        write_idx(folder / name, values[-1])
    return values


def load(folder: Path, **options: Any) -> list[Samples]:
    return [IdxFolder(transpose=False, **options).load(s, Place(folder)) for s in SPLITS]


def expect_loaded(folder: Path, values: list[np.ndarray[Any, Any]], **options: Any) -> None:
    loaded = load(folder, **options)
    for samples, images in zip(loaded, values[::2], strict=True):
        np.testing.assert_array_equal(samples.images[:, 0], images)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_that_people_meet_are_read(tmp_path: Path, spelling: str, packed: bool) -> None:
    names = [f"{name}.gz" if packed else name for name in SPELLINGS[spelling]]
    expect_loaded(tmp_path, write_set(tmp_path, names))


def test_an_archive_in_place_of_the_folder(tmp_path: Path) -> None:
    values = write_set(tmp_path / "loose", SPELLINGS["emnist"])
    with zipfile.ZipFile(tmp_path / "Letters.zip", "w") as zipped:
        zipped.writestr("readme.txt", "")
        assert not is_free(Place(tmp_path / "Letters.zip"))
    with pytest.raises(MissingDataError, match=r"holds readme\.txt; expected train-images"):
        load(tmp_path / "Letters.zip")
    with pytest.raises(MissingDataError, match="new or empty folder only"):
        Mnist().load("train", Place(tmp_path / "Letters.zip"))
    with zipfile.ZipFile(tmp_path / "Letters.zip", "a") as zipped:
        for path in (tmp_path / "loose").iterdir():
            zipped.write(path, f"gzip/{path.name}")
    expect_loaded(tmp_path / "Letters.zip", values)
    expect_loaded(tmp_path / "Letters.zip", values, prefix="EMNIST-letters-")


def test_the_name_is_the_prefix_or_the_folders(tmp_path: Path) -> None:
    write_set(tmp_path / "a", SPELLINGS["emnist"])
    write_set(tmp_path / "b", SPELLINGS["dotted"])
    assert load(tmp_path / "a")[0].dataset == "emnist-letters"
    assert load(tmp_path / "b")[0].dataset == "b"


def test_a_file_in_a_folder_of_its_name_is_read(tmp_path: Path) -> None:
    values = write_set(tmp_path, NAMES)
    for name in NAMES:
        (tmp_path / name).rename(tmp_path / "aside")
        (tmp_path / name).mkdir()
        (tmp_path / "aside").rename(tmp_path / name / name)
    expect_loaded(tmp_path, values)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_members_of_an_archive_are_read(tmp_path: Path, method: int, suffix: str) -> None:
    names = [f"{name}{suffix}" for name in SPELLINGS["emnist"]]
    values = write_set(tmp_path / "loose", names)
    (tmp_path / "data").mkdir()
    with zipfile.ZipFile(tmp_path / "data" / "gzip.zip", "w", method) as zipped:
        zipped.writestr("gzip/emnist-letters-mapping.txt", "1 65 97")
        zipped.mkdir("gzip/train-images-idx3-ubyte")
        for name in names:
            zipped.write(tmp_path / "loose" / name, f"gzip/{name}")
    expect_loaded(tmp_path / "data", values)
    loose = [s.digest for s in load(tmp_path / "loose")]
    assert [s.digest for s in load(tmp_path / "data")] == loose
    files = load(tmp_path / "data")[0].files
    assert files[0] == f"{tmp_path / 'data' / 'gzip.zip'}/gzip/{names[0]}"


def test_of_several_spellings_mnists_own_counts(tmp_path: Path) -> None:
    write_set(tmp_path, SPELLINGS["dotted"], seed=1)
    write_set(tmp_path, [f"{name}.gz" for name in NAMES], seed=2)
    expect_loaded(tmp_path, write_set(tmp_path, NAMES, seed=3))


def test_two_data_sets_are_listed_and_one_can_be_chosen(tmp_path: Path) -> None:
    first = write_set(tmp_path, SPELLINGS["emnist"], seed=1)
    second = write_set(tmp_path, [n.replace("letters", "digits") for n in SPELLINGS["emnist"]])
    plain = write_set(tmp_path, NAMES, seed=2)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: holds several data sets: one without a prefix (''), emnist-digits, "
        "emnist-letters; choose one with data.prefix: emnist-letters "
        "(--set data.prefix=emnist-letters)"
    )
    assert not isinstance(caught.value, MissingDataError)  # nothing stands in for them
    expect_loaded(tmp_path, first, prefix="emnist-letters")
    expect_loaded(tmp_path, second, prefix="EMNIST-digits")
    expect_loaded(tmp_path, plain, prefix="")
    with pytest.raises(DataError, match=r"no data set with the prefix 'kmnist'; there are one wit"):
        load(tmp_path, prefix="kmnist")


def test_two_test_sets_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path, NAMES)
    write_set(tmp_path, SPELLINGS["test for t10k"])
    with pytest.raises(DataError, match=r"holds two test sets, t10k-… and test-…; expected one"):
        load(tmp_path)


def missing(folder: Path) -> str:
    with pytest.raises(MissingDataError) as caught:
        find_pair(Place(folder), "train")
    return str(caught.value)


EXPECTED = ", ".join(NAMES)
NO_FILE = f"no file {NAMES[0]} or {NAMES[0]}.gz; "


def test_what_is_there_is_listed_with_what_was_expected(tmp_path: Path) -> None:
    assert missing(tmp_path / "none") == (
        f"{NO_FILE}{tmp_path / 'none'} does not exist; expected {EXPECTED}"
    )
    assert missing(tmp_path) == f"{NO_FILE}{tmp_path} is empty; expected {EXPECTED}"
    for name in [".hidden", *(f"{i}.txt" for i in range(1, 15)), "line\nbreak"]:
        (tmp_path / name).touch()
    listed = ", ".join(f"{i}.txt" for i in range(1, 13))
    assert missing(tmp_path) == (
        f"{NO_FILE}{tmp_path} holds {listed} and 3 more; expected {EXPECTED}"
    )
    with pytest.raises(DataError, match="is a file; expected a folder"):
        find_pair(Place(tmp_path / "1.txt"), "train")


def test_folders_are_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    assert missing(tmp_path).endswith("or for a folder of pictures per class: data.type: folder")
    write_set(tmp_path / "MNIST" / "raw", NAMES)
    deeper = tmp_path / "MNIST" / "raw"
    assert missing(tmp_path).endswith(f"there are such files in {deeper}: --data-dir {deeper}")


@pytest.mark.parametrize(
    "name",
    ["train-images-idx3-ubyte.npy", "train-images.txt", "trainimages.zip.part", "images-train",
     "train-labels.tsv.gz", "emnist-letters-mapping.txt", "train-images-idx3-ubyte.tmp"],
)  # fmt: skip
def test_other_names_are_no_data_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert name in missing(tmp_path)


@given(st.text(max_size=40))
def test_any_prefix_is_found_again(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    prefix = "".join(c for c in text if c.isalnum())[:20].casefold()
    folder = tmp_path_factory.mktemp("any")
    for name in NAMES:
        (folder / f"{prefix}-{name}").touch()
    assert find_pair(Place(folder), "test").prefix == prefix


def test_free_folders(tmp_path: Path) -> None:
    place = Place(tmp_path / "new")
    assert is_free(place)
    assert contents(place) == "does not exist"
    place.folder.mkdir()
    assert is_free(place)
    (place.folder / "README.md").touch()
    (place.folder / ".gitignore").touch()
    assert is_free(place)
    (place.folder / "x").mkdir()
    assert not is_free(place)
    assert contents(place) == "holds README.md, x/"


# --- archives that others made ---------------------------------------------------------------


def zipped(tmp_path: Path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> Member:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", method) as made:
        made.writestr("a/train-images-idx3-ubyte", content)
    return Member(path, "a/train-images-idx3-ubyte")


def idx(*shape: int) -> bytes:
    return bytes((0, 0, 8, len(shape))) + np.array(shape, ">u4").tobytes()


def test_a_bomb_is_left_unread(tmp_path: Path) -> None:
    member = zipped(tmp_path, idx(80_000_000) + bytes(80_000_000))
    with pytest.raises(DataError, match=r"the header claims 80,000,000 bytes from [\d,]+ packed"):
        read_idx(member)
    member = zipped(tmp_path, gzip.compress(idx(80_000_000) + bytes(80_000_000)))
    with pytest.raises(DataError, match=r"the header claims 80,000,000 bytes"):
        read_header(member)


@pytest.mark.parametrize("extra", [-1, 1])
def test_the_size_in_the_header_holds(tmp_path: Path, extra: int) -> None:
    with pytest.raises(DataError, match=r"truncated|followed by other data"):
        read_idx(zipped(tmp_path, idx(10) + bytes(10 + extra)))


def test_damage_is_refused_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    member = zipped(tmp_path, idx(5000) + rng.integers(0, 256, 5000, np.uint8).tobytes())
    whole = member.archive.read_bytes()
    for position in [*range(0, len(whole), 97), len(whole) - 3]:
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        member.archive.write_bytes(damaged)
        with suppress(DataError):
            for found in members(member.archive):
                assert len(read_idx(found)) == 5000


def test_encrypted_and_unusual_archives_are_refused(tmp_path: Path) -> None:
    member = zipped(tmp_path, idx(1) + b"1", zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="is packed in an unusual way; unpack the archive first"):
        read_idx(member)
    member = zipped(tmp_path, idx(1) + b"1")
    data = bytearray(member.archive.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    member.archive.write_bytes(data)
    with pytest.raises(DataError, match="is encrypted; unpack the archive first"):
        read_idx(member)


def test_a_directory_beyond_the_limit_is_left_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = zipped(tmp_path, idx(1) + b"1")
    monkeypatch.setattr(archive, "MAX_DIRECTORY", 10)
    for use in (lambda: members(member.archive), lambda: read_idx(member)):
        with pytest.raises(DataError, match="its directory claims more than 10 bytes"):
            use()


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"no archive at all"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip: damaged ZIP archive"):
        find_pair(Place(tmp_path), "train")
