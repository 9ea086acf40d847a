"""The data sets of cases whose fault, or whose health, lies in the data.

Each is a folder of IDX files, made from MNIST's images or from synthetic digits, with a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.api import load_data
from lenetkit.data.finding import file_names
from lenetkit.data.idx import write_idx
from lenetkit.data.source import SPLITS
from lenetkit.data.synthetic import cache_folder

TRAIN, TEST = 8_000, 2_000
VERSION = 1
"""Incremented whenever a folder's contents change."""

Images, Labels = NDArray[np.uint8], NDArray[np.uint8]
Change = Callable[[Images, Labels, np.random.Generator, bool], tuple[Images, Labels]]
"""Images (N, 28, 28), labels (N,), a generator, whether they are for training → the changed."""


def folder(name: str) -> Path:
    """The folder of a data set, written where it is missing. `NAME@synthetic` is of synthetic digits.

    Raises KeyError for an unknown name and DataError if there is no MNIST to make it from.
    """
    place = cache_folder() / f"diagnosis-v{VERSION}" / name.replace("@", "-")
    if (place / "complete").exists():
        return place
    change, _, kind = name.partition("@")
    place.mkdir(parents=True, exist_ok=True)
    data = load_data("lenet5", _source(kind))
    for split, samples in (("train", data.train), ("test", data.test)):
        count, rng = (TRAIN, 0) if split == "train" else (TEST, 1)
        images, labels = samples.images[:count, 0], samples.labels[:count].astype(np.uint8)
        found = CHANGES[change](images, labels, np.random.default_rng(rng), split == "train")
        for file, values in zip(file_names(SPLITS[split == "test"]), found, strict=True):
            write_idx(place / file, values)
    (place / "complete").touch()
    return place


def _source(kind: str) -> dict[str, Any]:
    if kind == "synthetic":
        return {"data.type": "synthetic_digits", "data.train": TRAIN, "data.test": TEST}
    return {"data.fallback": None}


def _in_order(images: Images, labels: Labels) -> tuple[Images, Labels]:
    order = np.argsort(labels, kind="stable")
    return images[order], labels[order]


def as_they_are(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """A smaller MNIST."""
    return images, labels


def ordered(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """All zeros first, all nines last."""
    return _in_order(images, labels)


def blocks(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Runs of about 400 images of one class: each class comes twice."""
    half = len(images) // 2
    first, last = _in_order(images[:half], labels[:half]), _in_order(images[half:], labels[half:])
    return np.concatenate([first[0], last[0]]), np.concatenate([first[1], last[1]])


def permuted(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Each label from another image."""
    return images, rng.permutation(labels)


def shifted(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Each label from the next image, as after a header line that was counted once too often."""
    return images, np.roll(labels, 1)


def coin(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Two classes, tossed."""
    return images, rng.integers(2, size=len(labels), dtype=np.uint8)


def noise(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Random pixels instead of the images."""
    return rng.integers(256, size=images.shape, dtype=np.uint8), labels


def blank(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Black images, as where a path was wrong and the reader filled in zeros."""
    return np.zeros_like(images), labels


def same(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """One image again and again, as where a loop always reads the first."""
    return np.broadcast_to(images[:1], images.shape), labels


def corner(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """The upper left 3×3 pixels, where no digit has ink."""
    return images[:, :3, :3], labels


def polarity(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Half of the digits dark on light: too much for a linear classifier."""
    inverted = rng.random(len(images)) < 0.5
    return np.where(inverted[:, None, None], 255 - images, images), labels


def noisy(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Of the training labels 40 % are drawn at random; the rest is enough to learn from."""
    wrong = (rng.random(len(labels)) < 0.4) & training
    drawn = rng.integers(10, size=len(labels), dtype=np.uint8)
    return images, np.where(wrong, drawn, labels)


def rare(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Unbalanced classes: of the images that are not 0, three in four are left out."""
    kept = (labels == 0) | (rng.random(len(labels)) < 0.25)
    return images[kept], labels[kept]


def parity(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Two classes: even and odd."""
    return images, labels % 2


def few(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """1,000 training images."""
    count = 1_000 if training else len(images)
    return images[:count], labels[:count]


def faint(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Grey on white, as a poor scan: values from 150 to 250."""
    return (250 - images * np.float32(100 / 255)).astype(np.uint8), labels


def half(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """14×14: the mean of each 2×2."""
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).astype(np.uint8), labels


def colour(
    images: Images, labels: Labels, rng: np.random.Generator, training: bool
) -> tuple[Images, Labels]:
    """Three channels: each digit in a colour of its own."""
    tint = rng.uniform(0.3, 1, (len(images), 3, 1, 1))
    return (images[:, None] * tint).astype(np.uint8), labels


CHANGES: dict[str, Change] = {
    "mnist": as_they_are,
    "ordered": ordered,
    "blocks": blocks,
    "permuted": permuted,
    "shifted": shifted,
    "coin": coin,
    "noise": noise,
    "blank": blank,
    "same": same,
    "corner": corner,
    "polarity": polarity,
    "noisy": noisy,
    "rare": rare,
    "parity": parity,
    "few": few,
    "faint": faint,
    "half": half,
    "colour": colour,
}
