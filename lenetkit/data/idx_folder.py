"""A folder of IDX files named like MNIST's: any image size, channel count and number of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.idx import read_header, read_idx
from lenetkit.data.source import DataSource, Place, Samples, Split, checked_samples
from lenetkit.errors import DataError, MissingDataError
from lenetkit.files.opening import NotRegularError, open_regular, refusal
from lenetkit.options import option

_MAX_CLASSES = 100_000
_PREFIXES: dict[Split, str] = {"train": "train", "test": "t10k"}


def file_names(split: Split) -> tuple[str, str]:
    """The names of a split's image and label files, without `.gz`."""
    prefix = _PREFIXES[split]
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


def find_file(name: str, folders: Sequence[Path]) -> Path | None:
    """The first file of that name, plain or `.gz`, in the folders.

    A folder of that name is skipped, as some archives unpack into one. Raises DataError if a folder
    cannot be searched, and for a pipe, a device or a broken link of that name.
    """
    for folder in folders:
        for path in (folder / name, folder / f"{name}.gz"):
            try:
                if path.is_file():
                    return path
                if not path.is_dir():
                    _check_absent(path)
            except OSError as error:
                raise DataError(f"{folder}: cannot be searched: {error.strerror}") from None
    return None


def _check_absent(path: Path) -> None:
    try:
        open_regular(path).close()
    except NotRegularError as error:
        raise DataError(f"{path}: {refusal(error, 'an IDX data file')}") from None
    except OSError:
        return


def report_elsewhere(path: Path, place: Place) -> None:
    """Report that a file was not in the folder searched first."""
    before = list(place.folders[: place.folders.index(path.parent)])
    if before:
        name, searched = path.name.removesuffix(".gz"), ", ".join(map(str, before))
        place.report(f"note: {name} not found in {searched}; using {path.parent}")


def read_pair(images_path: Path, labels_path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images and labels, whose headers must agree before any values are read."""
    images, labels = read_header(images_path), read_header(labels_path)
    if len(images.shape) not in (3, 4):
        swapped = len(images.shape) == 1 and len(labels.shape) in (3, 4)
        raise DataError(
            f"{images_path}: expected images (N, H, W) or (N, C, H, W), found {images.shape}"
            + ("; images and labels seem to be swapped" if swapped else "")
        )
    if images.dtype != np.uint8:
        raise DataError(
            f"{images_path}: expected unsigned bytes (0 … 255), found {images.dtype.name}"
        )
    if labels.dtype.kind not in "ui":
        raise DataError(f"{labels_path}: expected integer labels, found {labels.dtype.name}")
    if labels.shape != images.shape[:1]:
        raise DataError(
            f"{images_path}: {images.shape[0]:,} images but labels of shape {labels.shape}; "
            "images and labels do not belong together"
        )
    return read_idx(images_path), read_idx(labels_path)


@dataclass(frozen=True, kw_only=True)
class IdxFolder(DataSource):
    """Images and labels from `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
    `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, plain or `.gz`.

    Images are (N, H, W) or (N, C, H, W), unsigned bytes; labels are (N,), counted from 0.
    """

    title: str | None = option(None, doc="The data set's name in words; default: its folder's.")
    classes: tuple[str, ...] | None = option(
        None, doc="The classes' names, in order; default: their numbers."
    )

    def load(self, split: Split, place: Place) -> Samples:
        images_name, labels_name = file_names(split)
        images_path = _find(images_name, place)
        report_elsewhere(images_path, place)
        labels_path = _find(labels_name, Place((images_path.parent,)))
        images, labels = read_pair(images_path, labels_path)
        classes = self._class_names(labels, labels_path)
        title = self.title or images_path.parent.resolve().name
        return checked_samples(images, labels, title, classes, str(images_path))

    def _class_names(self, labels: NDArray[Any], path: Path) -> tuple[str, ...]:
        smallest, largest = int(labels.min(initial=0)), int(labels.max(initial=0))
        if smallest < 0 or largest >= _MAX_CLASSES:
            raise DataError(
                f"{path}: expected labels 0 … {_MAX_CLASSES - 1:,}, "
                f"found {smallest if smallest < 0 else largest}"
            )
        if self.classes is None:
            return tuple(map(str, range(largest + 1)))
        if largest >= len(self.classes):
            raise DataError(
                f"{path}: label {largest}, but the spec names {len(self.classes)} classes"
            )
        return self.classes


def _find(name: str, place: Place) -> Path:
    path = find_file(name, place.folders)
    if path is None:
        searched = ", ".join(map(str, place.folders)) or "no folder"
        raise MissingDataError(f"no file {name} or {name}.gz; looked in {searched}")
    return path
