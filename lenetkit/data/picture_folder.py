"""A folder of pictures for each class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import shape_text
from lenetkit.data.finding import contents
from lenetkit.data.idx import MAX_BYTES
from lenetkit.data.source import DataSource, Place, Samples, Split, checked_samples
from lenetkit.errors import (
    DataError,
    ImageError,
    MissingDataError,
    did_you_mean,
    memory_for,
    shortened,
)
from lenetkit.files.opening import natural
from lenetkit.options import option
from lenetkit.text import printable

_MANY = 1000
"""Reading more pictures than this takes a while, which is said."""
_NAMED = 5
"""Pictures named in a warning that they are left out."""
_ROOTS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
}
"""Names of the folders that hold a split's class folders; the first that is there counts."""


@dataclass(frozen=True, kw_only=True)
class PictureFolder(DataSource):
    """Pictures in a folder for each class, whose name is the class's: `train/cat/1.jpg`,
    `test/cat/7.jpg`; or `cat/1.jpg` with `data.test_share`.

    Formats are those that `predict` reads. Pictures are made grey for an `input` of one channel,
    resized to it, and stretched to fit. Hidden files are ignored; links, folders further down
    and what is no picture are left out and named.
    """

    title: str | None = option(None, doc="The data set's name in words; default: its folder's.")

    def load(self, split: Split, place: Place) -> Samples:
        shape = _image_shape(place)
        roots = _roots(place)
        if split not in roots:
            raise MissingDataError(_missing(split, place, roots))
        names = _classes(roots, place)
        folders = [roots[split] / name for name in names]
        images, labels, left_out = _read(folders, shape, place, expect_all=split == "train")
        if left_out:
            place.report(f"warning: {_listed(left_out)}")
        title = self.title or place.name
        where = str(roots[split])
        return checked_samples(images, labels, title, names, where, (where,))


def _read(
    folders: Sequence[Path], shape: tuple[int, int, int], place: Place, *, expect_all: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
    """Images and labels of the pictures in class folders, and why others were left out."""
    from lenetkit.data.images import load_resized  # a plan needs no Pillow

    pictures = [_pictures(folder) for folder in folders]
    _report_others(folders, place)
    count = sum(map(len, pictures))
    if count * math.prod(shape) > MAX_BYTES:
        raise DataError(f"{place}: {count:,} pictures of {shape_text(shape)} take too much memory")
    if count > _MANY:
        place.report(f"reading {count:,} pictures from {printable(folders[0].parent)}")
    with memory_for(f"for {count:,} pictures of {shape_text(shape)}", "set a smaller `input`"):
        images = np.empty((count, *shape), np.uint8)
    labels: list[int] = []
    left_out: list[str] = []
    for label, (folder, paths) in enumerate(zip(folders, pictures, strict=True)):
        for path in paths:
            try:
                images[len(labels)] = load_resized(path, shape)
                labels.append(label)
            except ImageError as error:
                left_out.append(str(error))
        if expect_all and label not in labels[-1:]:
            if paths:
                raise DataError(
                    f"{printable(folder)}: none of its pictures can be read: {_listed(left_out)}"
                )
            raise DataError(
                f"{printable(folder)}: holds no pictures; expected some of each class, or remove "
                "the folder" + _inside(folder)
            )
    return images[: len(labels)], np.array(labels, np.int64), left_out


def _image_shape(place: Place) -> tuple[int, int, int]:
    shape = place.image_shape
    if shape is None or len(shape) != 3 or shape[0] not in (1, 3):
        raise DataError(
            f"{place}: pictures need an `input` of [channels, height, width] with 1 or 3 channels"
        )
    C, H, W = shape
    return C, H, W


def _roots(place: Place) -> dict[Split, Path]:
    """The folders that hold the class folders of each split."""
    if place.folder.is_file():
        raise DataError(f"{place}: is a file; expected a folder; unpack an archive first")
    folders = {folder.name.casefold(): folder for folder in _subfolders(place.folder)}
    found: dict[Split, Path] = {}
    for split, names in _ROOTS.items():
        if root := next((folders[name] for name in names if name in folders), None):
            found[split] = root
    if not found:
        return {"train": place.folder} if folders else {}
    if others := [folder.name for folder in folders.values() if folder not in found.values()]:
        place.report(f"note: {printable(place.folder)}: not used: {_some(others)}")
    return found


def _missing(split: Split, place: Place, roots: Mapping[Split, Path]) -> str:
    hint = "expected a folder of pictures for each class, or train/ and test/ with such folders"
    if split == "test" and roots:
        hint = (
            "expected test/ beside train/; to use a share of the training samples as the test set: "
            "data.test_share: 0.1 (--set data.test_share=0.1)"
        )
    return f"no folder of {split} pictures; {place} {contents(place)}; {hint}"


def _classes(roots: Mapping[Split, Path], place: Place) -> tuple[str, ...]:
    """The names of the class folders, in natural order. Those of both splits must be the same,
    but that the test set may lack some.
    """
    where = roots.get("train", place.folder)
    names = tuple(folder.name for folder in _subfolders(where))
    if not names:
        raise MissingDataError(
            f"{printable(where)}: holds no folders; expected a folder of pictures for each class"
        )
    if len(names) == 1:
        only = where / names[0]
        raise DataError(
            f"{printable(only)}: is the only class; expected two or more folders{_inside(only)}"
        )
    for folder in _subfolders(roots["test"]) if "test" in roots else ():
        if folder.name not in names:
            raise DataError(
                f"{printable(folder)}: holds a class that {printable(where)} does not have; "
                f"expected the same classes in both{did_you_mean(folder.name, names)}"
            )
    return names


def _inside(folder: Path) -> str:
    """What to do if the classes are a level further down; empty if they cannot be."""
    inside = _subfolders(folder)
    if len(inside) < 2:
        return ""
    return f"; if {_some(p.name for p in inside)} are classes: --data-dir {printable(folder)}"


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _pictures(folder: Path) -> list[Path]:
    from lenetkit.data.images import IMAGE_SUFFIXES

    files = [path for path in _entries(folder) if path.is_file()]
    return [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]


def _report_others(folders: Sequence[Path], place: Place) -> None:
    """Count and name what is in class folders, and is no picture by its name."""
    from lenetkit.data.images import IMAGE_SUFFIXES

    entries = [path for folder in folders for path in _entries(folder)]
    above = [folders[0].parent, *folders]
    if links := [p for folder in above for p in folder.iterdir() if p.is_symlink()]:
        place.report(f"warning: links are left out: {_some(p.name for p in sorted(links))}")
    deeper = [f"{p.parent.name}/{p.name}/" for p in entries if p.is_dir()]
    if deeper:
        place.report(f"warning: folders inside those of the classes are left out: {_some(deeper)}")
    files = [p for p in entries if p.is_file() and p.suffix.lower() not in IMAGE_SUFFIXES]
    if files:
        names = _some(f"{p.parent.name}/{p.name}" for p in files)
        place.report(
            f"note: {printable(place.folder)}: left out {len(files):,} that are no picture files "
            f"by their names: {names}"
        )


def _some(names: Iterable[str]) -> str:
    return shortened(", ".join(map(printable, names)))


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, in natural order, without links and hidden files.

    `__MACOSX` and the like are hidden too.
    """
    try:
        found = [p for p in folder.iterdir() if p.name[0] != "." and not p.is_symlink()]
        found = [p for p in found if not p.name.startswith("__")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{printable(folder)}: cannot be searched: {error.strerror}") from None
    return sorted(found, key=natural)


def _listed(left_out: list[str]) -> str:
    count = len(left_out)
    pictures = "1 picture is" if count == 1 else f"{count:,} pictures are"
    more = [f"and {count - _NAMED:,} more"] if count > _NAMED else []
    return "\n  ".join([f"{pictures} left out:", *left_out[:_NAMED], *more])
