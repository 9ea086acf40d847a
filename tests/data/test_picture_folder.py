"""A folder of pictures for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lenetkit.data.picture_folder import PictureFolder
from lenetkit.data.source import SPLITS, Place, Samples, Split
from lenetkit.errors import DataError, MissingDataError


def picture(path: Path, level: int, *, mode: str = "L", size: tuple[int, int] = (9, 7)) -> None:
    """A picture of one shade, in the format that its name asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).convert(mode).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """train/ and test/ of three classes: the level of a picture tells class and number."""
    folder = tmp_path / "shades"
    for split, count in (("train", 4), ("test", 2)):
        for label, name in enumerate(("2", "10", "kiwi")):
            for number in range(count):
                suffix = (".png", ".bmp", ".PGM", ".tif")[number]
                picture(folder / split / name / f"{number}{suffix}", 60 * label + number)
    return folder


def load(
    folder: Path, split: Split = "train", shape: Any = (1, 8, 8), reports: Any = None
) -> Samples:
    reports = [] if reports is None else reports
    return PictureFolder().load(split, Place(folder, image_shape=shape, report=reports.append))


def refusal(folder: Path, split: Split = "train", shape: Any = (1, 8, 8)) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, split, shape)
    return str(caught.value)


def test_folders_are_classes_in_natural_order(pictures: Path) -> None:
    train, test = (load(pictures, split) for split in SPLITS)
    assert train.classes == test.classes == ("2", "10", "kiwi")
    assert train.dataset == "shades"
    assert train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert train.images.shape == (12, 1, 8, 8)
    levels = [60 * label + number for label in range(3) for number in range(4)]
    assert train.images[:, 0, 3, 3].tolist() == levels
    assert test.images[:, 0, 3, 3].tolist() == [0, 1, 60, 61, 120, 121]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 6)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1"])
def test_pictures_become_what_the_input_asks_for(
    tmp_path: Path, mode: str, shape: tuple[int, int, int]
) -> None:
    for name in "ab":
        picture(tmp_path / name / "x.png", 255, mode=mode, size=(30, 11))
    images = load(tmp_path, shape=shape).images
    assert images.shape == (2, *shape)
    assert images.dtype == np.uint8
    assert images.min() == 255


def test_links_hidden_files_and_other_files_are_left_out(pictures: Path, tmp_path: Path) -> None:
    plain = load(pictures).digest
    cat = pictures / "train" / "kiwi"
    (cat / ".hidden.png").write_text("no picture", "utf-8")
    (cat / "notes.txt").write_text("no picture", "utf-8")
    (pictures / "train" / ".cache").mkdir()
    (cat / "sub").mkdir()
    try:
        (cat / "link.png").symlink_to(cat / "0.png")
        (pictures / "train" / "linked").symlink_to(cat, target_is_directory=True)
    except OSError:
        pytest.skip("this user makes no links")
    reports: list[str] = []
    assert load(pictures, reports=reports).digest == plain
    assert reports[0] == "warning: links are left out: link.png, linked"


def test_pictures_that_cannot_be_read_are_counted_and_named(pictures: Path) -> None:
    for number in range(7):
        (pictures / "train" / "10" / f"bad{number}.png").write_text("no picture", "utf-8")
    reports: list[str] = []
    assert len(load(pictures, reports=reports)) == 12
    (warning,) = reports
    lines = warning.splitlines()
    assert lines[0] == "warning: 7 pictures are left out:"
    assert lines[1].startswith(f"  {pictures / 'train' / '10' / 'bad0.png'}: is a text file; expec")
    assert lines[6:] == ["  and 2 more"]


def test_a_class_without_a_readable_picture_is_an_error(pictures: Path) -> None:
    (pictures / "train" / "empty").mkdir()
    assert refusal(pictures) == (
        f"{pictures / 'train' / 'empty'}: holds no pictures; expected some of each class, or "
        "remove the folder"
    )
    (pictures / "train" / "empty" / "a.png").write_text("no picture", "utf-8")
    assert "none of its pictures can be read: 1 picture is left out:" in refusal(pictures)


def test_a_class_that_only_the_test_set_has_is_an_error(pictures: Path) -> None:
    picture(pictures / "test" / "Kiwi" / "a.png", 3)
    for split in SPLITS:
        assert refusal(pictures, split) == (
            f"{pictures / 'test' / 'Kiwi'}: holds a class that {pictures / 'train'} does not have; "
            "expected the same classes in both; did you mean 'kiwi'?"
        )


def test_one_class_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "animals" / "cat" / "a.png", 3)
    assert refusal(tmp_path) == (
        f"{tmp_path / 'animals'}: is the only class; expected two or more folders"
    )
    picture(tmp_path / "animals" / "dog" / "a.png", 3)
    assert refusal(tmp_path).endswith(
        f"; if cat, dog are classes: --data-dir {tmp_path / 'animals'}"
    )


@pytest.mark.parametrize(("train", "test"), [("training", "testing"), ("Train", "TEST")])
def test_other_names_of_the_two_sets(pictures: Path, train: str, test: str) -> None:
    digests = [load(pictures, split).digest for split in SPLITS]
    for split, name in zip(SPLITS, (train, test), strict=True):
        (pictures / split).rename(pictures / f"{name}_")
        (pictures / f"{name}_").rename(pictures / name)
    assert [load(pictures, split).digest for split in SPLITS] == digests


def test_what_is_left_out_of_a_class_is_named(pictures: Path) -> None:
    reports: list[str] = []
    load(pictures, reports=reports)
    assert reports == []
    picture(pictures / "train" / "10" / "young" / "a.png", 3)
    (pictures / "train" / "2" / "IMG.HEIC").touch()
    (pictures / "train" / "2" / "notes.txt").touch()
    (pictures / "train" / "__MACOSX").mkdir()
    assert len(load(pictures, reports=reports)) == 12
    assert reports == [
        "warning: folders inside those of the classes are left out: 10/young/",
        f"note: {pictures}: left out 2 that are no picture files by their names: 2/IMG.HEIC, "
        "2/notes.txt",
    ]


def test_a_file_is_no_folder_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "animals.zip").touch()
    assert "is a file; expected a folder; unpack an archive" in refusal(tmp_path / "animals.zip")


@pytest.mark.parametrize("shape", [None, (4, 8, 8), (64,)])
def test_an_input_that_is_no_picture_is_refused(pictures: Path, shape: Any) -> None:
    assert "pictures need an `input` of [channels, height, width]" in refusal(pictures, shape=shape)


@pytest.mark.parametrize("layout", ["train alone", "classes"])
def test_without_a_test_set_the_share_is_named(pictures: Path, tmp_path: Path, layout: str) -> None:
    (pictures / "test").rename(tmp_path / "aside")
    folder = pictures if layout == "train alone" else pictures / "train"
    assert len(load(folder)) == 12
    with pytest.raises(MissingDataError, match=r"test samples|data\.test_share: 0\.1"):
        load(folder, "test")


def test_missing_folders_say_what_is_expected(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == (
        f"no folder of train pictures; {tmp_path / 'none'} does not exist; expected a folder of "
        "pictures for each class, or train/ and test/ with such folders"
    )
    (tmp_path / "a.png").touch()
    assert "holds a.png; expected a folder of pictures for each class" in refusal(tmp_path)


def test_folders_beside_train_and_test_are_named(pictures: Path) -> None:
    (pictures / "val").mkdir()
    reports: list[str] = []
    load(pictures, reports=reports)
    assert reports == [f"note: {pictures}: not used: val"]
