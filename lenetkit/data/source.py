"""Data sets: images and labels in memory, and the source that provides them."""

from __future__ import annotations

import functools
import hashlib
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lenetkit.errors import DataError
from lenetkit.options import Configurable
from lenetkit.text import printable

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
Preparation = Literal["digit", "resize"]
MAX_CLASSES = 5_000
"""Of each two classes it is counted how often one was taken for the other, in training, test and
held-out samples: more would take gigabytes, in memory and in `result.json`."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Images (N, C, H, W), usually uint8, or rows (N, F), with their labels, in memory."""

    images: NDArray[Any]
    labels: NDArray[Any]
    """Class numbers (N,), int64, or real targets (N, K)."""
    dataset: str
    """The name of the data set actually used, such as `MNIST`."""
    classes: tuple[str, ...]
    files: tuple[str, ...] = ()
    """The files that they were read from, if any."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def strata(self) -> NDArray[Any]:
        """(N,): what samples are drawn across: their classes; real targets are all alike."""
        return self.labels if self.labels.ndim == 1 else np.zeros(len(self), np.int64)

    @property
    def called(self) -> str:
        """The data set's name, as messages show it."""
        return printable(self.dataset)

    def take(self, rows: slice | NDArray[np.intp]) -> Samples:
        """Some of the samples: as views for a slice."""
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the images' shape, type and bytes, and the labels' bytes."""
        digest = hashlib.sha256(repr((self.images.shape, self.images.dtype.str)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Place:
    """Where to look for data, for what images, and how to report progress."""

    folder: Path = Path("MNIST")
    """The one folder, or ZIP archive, in which data is looked for; downloads go there too."""
    named_by: str = ""
    """What named the folder: `--data-dir`, `data.dir` or `LENETKIT_DATA`; empty for the default."""
    image_shape: tuple[int, ...] | None = None
    """(C, H, W) of the images that the spec's transforms and input ask for."""
    report: Callable[[str], None] = field(default=lambda message: None)
    may_create: bool = True
    """Whether files may be made: downloads, caches. Not where a model file names the data set."""

    @property
    def name(self) -> str:
        """The folder's own name, or the archive's without `.zip`."""
        return self.folder.resolve().name.removesuffix(".zip")

    def __str__(self) -> str:
        hidden = self.named_by == "LENETKIT_DATA"
        return printable(self.folder) + " (from LENETKIT_DATA)" * hidden


class DataSource(Configurable):
    """Base of all data sets."""

    group: ClassVar[str] = "lenetkit.datasets"
    kind: ClassVar[str] = "data set"
    preparation: ClassVar[Preparation | None] = None
    """How `predict` prepares an image file: as a centred digit, or resized; None: as suits them."""
    reads_files: ClassVar[bool] = True
    """Whether it reads data files from a folder."""

    @abstractmethod
    def load(self, split: Split, place: Place) -> Samples:
        """One split. Raises DataError if it is missing, damaged or of an unknown form."""


def checked_samples(
    images: NDArray[Any],
    labels: NDArray[Any],
    dataset: str,
    classes: tuple[str, ...],
    where: str,
    files: tuple[str, ...] = (),
) -> Samples:
    """Samples with one label per image. Raises DataError if images and labels do not match."""
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4:
        raise DataError(f"{where}: expected images (N, H, W) or (N, C, H, W), found {images.shape}")
    if labels.shape != (len(images),):
        raise DataError(
            f"{where}: {len(images):,} images but labels of shape {labels.shape}; "
            "images and labels do not belong together"
        )
    return Samples(images, labels.astype(np.int64), dataset, classes, files)
