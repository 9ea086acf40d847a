"""How data files are stored: read as the spec says, and refused where that must be said first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lenetkit.data import orientation
from lenetkit.data.finding import SplitFiles
from lenetkit.data.idx import ByteOrder, DataFile, Header, StorageError, read_header, read_idx
from lenetkit.data.source import MAX_CLASSES, DataSource
from lenetkit.errors import DataError
from lenetkit.options import option

_ARGMAX = "numpy.argmax(labels, axis=1)"
_FEW = 4
"""An axis of at most this size may be that of the channels."""


@dataclass(frozen=True, kw_only=True)
class StoredFiles(DataSource):
    """Base of data sets in pairs of files: images, and labels.

    The options say how the files are stored. They apply when files are read, never to pictures
    given to `predict`. Each has a value that says 'as usual' (`false`, 0, `first`, `big`) and
    settles a doubt.
    """

    prefix: str | None = option(
        None, doc="Which data set, where a folder holds several: `emnist-letters`."
    )
    transpose: bool | None = option(
        None, doc="Whether images are stored transposed, as EMNIST's are."
    )
    label_offset: int | None = option(
        None, doc="The label of the first class, where labels do not start at 0."
    )
    label_column: int | None = option(
        None, minimum=0, doc="The column of the classes, where labels are (N, K); from 0."
    )
    channels: Literal["first", "last"] | None = option(
        None, doc="Whether images are (N, C, H, W), or (N, H, W, C) with channels last."
    )
    byte_order: ByteOrder | None = option(
        None, doc="The byte order of the files, where it is not big-endian as IDX says."
    )

    def stored_options(self) -> list[str]:
        """The names of the options that say how files are stored, where they are given."""
        names = ("transpose", "label_offset", "label_column", "channels", "byte_order")
        return [name for name in names if getattr(self, name) is not None]

    def read_pair(
        self, pair: SplitFiles, start: Callable[[], DataFile | None] = lambda: None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Images (N, C, H, W) and labels (N,) counted from 0.

        `start` finds another file of labels that may hold the first class where these do not: the
        training labels. The headers are judged before any values are read. Raises DataError,
        which names all the options that read the files, if some do.
        """
        reader, faults = self, list[DataError]()
        while True:
            try:
                found = reader._read(pair, start)
                break
            except StorageError as fault:
                faults.append(fault)
                reader = replace(reader, **fault.remedy)  # to find what else is to be said
            except DataError as error:
                faults.append(error)
                break
        if not faults:
            return found
        settings = [fault.setting for fault in faults if isinstance(fault, StorageError)]
        together = [f"together: {' '.join(settings)}"] if len(settings) > 1 else []
        raise DataError("\n  ".join([*map(str, faults), *together]))

    def _read(
        self, pair: SplitFiles, start: Callable[[], DataFile | None]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        images, labels = self._header(pair.images), self._header(pair.labels)
        self._check_images(pair.images, images, labels)
        self._check_labels(pair.labels, labels)
        if labels.shape[0] != images.shape[0]:
            raise DataError(
                f"{pair.images}: {images.shape[0]:,} images but labels of shape {labels.shape}; "
                "images and labels do not belong together"
            )
        self._check_order(pair, images, labels)
        if self.transpose is None and "emnist" in Path(str(pair.images)).name.casefold():
            raise _transposed(pair.images, "EMNIST's")
        values = self._labels(pair.labels, start)
        pixels = self._arranged(read_idx(pair.images, self.byte_order or "big"))
        if self.transpose is None and orientation.is_transposed(pixels, values):
            raise _transposed(pair.images, "these digits'")
        return pixels, values

    def _header(self, file: DataFile) -> Header:
        return read_header(file, self.byte_order or "big")

    def _check_images(self, file: DataFile, images: Header, labels: Header) -> None:
        rank = len(images.shape)
        if rank not in (3, 4):
            swapped = rank == 1 and len(labels.shape) in (3, 4)
            raise DataError(
                f"{file}: expected images (N, H, W) or (N, C, H, W), found {images.shape}"
                + ("; images and labels seem to be swapped" if swapped else "")
            )
        if images.dtype != np.uint8:
            raise DataError(
                f"{file}: expected unsigned bytes (0 … 255), found {images.dtype.name}; "
                "save the images as uint8, scaled to that range"
            )
        if rank == 3 and self.channels == "last":
            raise DataError(
                f"{file}: images are {images.shape}, without channels; leave data.channels out"
            )
        if rank == 4 and self.channels != "first" and images.shape[3] <= _FEW < images.shape[1]:
            if self.channels is None:
                raise StorageError(
                    f"{file}: images are {images.shape}: channels last; expected (N, C, H, W); to "
                    "read them as they are",
                    "channels",
                    "last",
                )
        elif self.channels == "last" and images.shape[1] <= _FEW < images.shape[3]:
            raise DataError(
                f"{file}: images are {images.shape}: channels first; leave data.channels out"
            )

    def _check_labels(self, file: DataFile, labels: Header) -> None:
        rank, column = len(labels.shape), self.label_column
        if labels.dtype.kind not in "ui":
            raise DataError(
                f"{file}: expected integer labels, found {labels.dtype.name}; save the class "
                "numbers as integers" + (f", {_ARGMAX}" if rank == 2 else "")
            )
        if rank not in (1, 2) or 0 in labels.shape[1:]:
            raise DataError(f"{file}: expected labels (N,), found labels of shape {labels.shape}")
        if rank == 1 and column is not None:
            raise DataError(
                f"{file}: labels are (N,), without columns; leave data.label_column out"
            )
        if rank == 2 and column is not None and column >= labels.shape[1]:
            raise DataError(
                f"{file}: data.label_column: expected a column from 0 to {labels.shape[1] - 1}, "
                f"found {column}"
            )

    def _check_order(self, pair: SplitFiles, *headers: Header) -> None:
        usual = all(h.order == "big" and h.dtype.itemsize == 1 for h in headers)
        if self.byte_order == "little" and usual:
            raise DataError(
                f"{pair.images}: is big-endian, as IDX says, and so are the labels; "
                "leave data.byte_order out"
            )

    def _arranged(self, images: NDArray[Any]) -> NDArray[Any]:
        """Images as (N, C, H, W), upright."""
        if images.ndim == 3:
            images = images[:, None]
        elif self.channels == "last":
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images.swapaxes(2, 3) if self.transpose else images)

    def _column(self, file: DataFile) -> NDArray[Any]:
        """The labels as stored, (N,)."""
        stored = read_idx(file, self.byte_order or "big")
        if stored.ndim == 1:
            return stored
        if self.label_column is None and stored.shape[1] > 1:
            if len(stored) and np.isin(stored, (0, 1)).all() and (stored.sum(axis=1) == 1).all():
                raise DataError(
                    f"{file}: labels of shape {stored.shape} are one-hot; expected class numbers, "
                    f"(N,): {_ARGMAX}"
                )
            raise StorageError(
                f"{file}: labels of shape {stored.shape} have {stored.shape[1]} columns; say which "
                "column is the class, for QMNIST the first",
                "label_column",
                0,
            )
        return stored[:, self.label_column or 0]

    def _labels(self, file: DataFile, start: Callable[[], DataFile | None]) -> NDArray[np.int64]:
        """The labels, counted from 0."""
        stored = self._column(file)
        low, high = int(stored.min(initial=0)), int(stored.max(initial=0))
        if (low < 0 or high - low >= MAX_CLASSES) and self.byte_order is None:
            other = stored.byteswap()
            if other.size and 0 <= other.min() <= other.max() < MAX_CLASSES:
                raise StorageError(
                    f"{file}: labels are in the wrong byte order: they go up to {high:,}, in the "
                    f"other order to {other.max():,}; to read them",
                    "byte_order",
                    "little",
                )
        if len(stored) and (first := int(stored.min())):
            if self.label_offset is None and (beside := start()):
                first = min(first, int(self._column(beside).min(initial=first)))
            self._check_start(file, first, high)
        labels = stored.astype(np.int64) - (self.label_offset or 0)
        low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
        counted = f", counted from {self.label_offset}" if self.label_offset else ""
        if low < 0:
            raise DataError(
                f"{file}: expected labels 0 … {MAX_CLASSES - 1:,}{counted}, found {low:,}"
            )
        if high >= MAX_CLASSES:
            raise DataError(
                f"{file}: labels go up to {high:,}{counted}, so there are {high + 1:,} classes; "
                f"expected at most {MAX_CLASSES:,}; number the classes without gaps: "
                "numpy.unique(labels, return_inverse=True)[1]"
            )
        return labels

    def _check_start(self, file: DataFile, low: int, high: int) -> None:
        """Raise DataError if labels do not start at 0, and nothing says so."""
        if self.label_offset is None and low and high - low < MAX_CLASSES:
            raise StorageError(
                f"{file}: labels start at {low} and go up to {high}; expected them to start at 0; "
                f"to count the classes from {low}",
                "label_offset",
                low,
            )


def _transposed(file: DataFile, whose: str) -> StorageError:
    return StorageError(
        f"{file}: {whose} images are stored transposed; to turn them upright (or false if they "
        "are)",
        "transpose",
        True,
    )
