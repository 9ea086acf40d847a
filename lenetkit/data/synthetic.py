"""Synthetic digits: a data set that needs no download, drawn from strokes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lenetkit.data import source
from lenetkit.data.source import DataSource, Place, Preparation, Samples, Split
from lenetkit.errors import ModelFileError
from lenetkit.files.opening import user_path
from lenetkit.options import option
from lenetkit.text import printable

VERSION = 1
"""Incremented whenever a seed draws other digits, so that stale caches are not read."""


@dataclass(frozen=True, kw_only=True)
class SyntheticDigits(DataSource):
    """Handwriting-like digits, 28×28, framed as in MNIST: drawn once per seed, then cached."""

    reads_files: ClassVar[bool] = False
    preparation: ClassVar[Preparation] = "digit"

    train: int = option(60_000, minimum=1, doc="Training samples.")
    test: int = option(10_000, minimum=1, doc="Test samples.")
    seed: int = option(0, minimum=0, doc="Seed of the drawing.")

    @classmethod
    def examples(cls) -> Sequence[Self]:
        return (cls(train=40, test=20),)

    def load(self, split: Split, place: Place) -> Samples:
        from lenetkit.data.strokes import draw_digits
        from lenetkit.files import tensorfile  # a plan needs neither

        count = self.train if split == "train" else self.test
        rng = np.random.default_rng([VERSION, self.seed, source.SPLITS.index(split)])
        labels = rng.permutation(np.arange(count) % 10)
        name = f"synthetic-digits-v{VERSION}-{self.seed}-{split}-{count}.safetensors"
        path = cache_folder() / name
        try:
            images = tensorfile.read(path)[0]["images"]  # the digest is checked
        except ModelFileError:
            cached = f", cached in {printable(path.parent)}" if place.may_create else ""
            place.report(f"drawing {count:,} synthetic digits{cached}")
            images = draw_digits(labels, rng)
            if place.may_create:
                _cache(path, images, place)
        classes = tuple("0123456789")
        return source.checked_samples(images, labels, "synthetic digits", classes, str(path))


def _cache(path: Path, images: NDArray[np.uint8], place: Place) -> None:
    from lenetkit.files import tensorfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tensorfile.write(path, {"images": images}, {})
    except OSError as error:
        place.report(f"warning: {path.parent}: cannot be written: {error.strerror}")
    except ModelFileError as error:
        place.report(f"warning: not cached: {error}")


def cache_folder() -> Path:
    """`$LENETKIT_CACHE`, else the system's cache folder."""
    if named := os.environ.get("LENETKIT_CACHE"):
        return user_path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "lenetkit"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lenetkit"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lenetkit"
