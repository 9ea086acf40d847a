"""The data sets of cases whose fault, or whose health, lies in the data.

Each is a folder of IDX files, made from MNIST's images or from synthetic digits, with a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

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

Images: TypeAlias = NDArray[np.uint8]
Labels: TypeAlias = NDArray[np.uint8]
Made: TypeAlias = tuple[Images, Labels]


@dataclass(frozen=True)
class Digits:
    """What a data set is made from."""

    images: Images
    """(N, 28, 28)."""
    labels: Labels
    """(N,)."""
    rng: np.random.Generator
    training: bool
    """Whether they are the training samples."""


def folder(name: str) -> Path:
    """The folder of a data set, written where it is missing.

    `NAME@synthetic` is made from synthetic digits, any other from MNIST. Raises KeyError for an
    unknown name, and DataError if there is no MNIST.
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
        generator = np.random.default_rng(rng)
        found = CHANGES[change](Digits(images, labels, generator, split == "train"))
        for file, values in zip(file_names(SPLITS[split == "test"]), found, strict=True):
            write_idx(place / file, values)
    (place / "complete").touch()
    return place


def _source(kind: str) -> dict[str, Any]:
    if kind == "synthetic":
        return {"data.type": "synthetic_digits", "data.train": TRAIN, "data.test": TEST}
    return {"data.fallback": None}


def _in_order(images: Images, labels: Labels) -> Made:
    order = np.argsort(labels, kind="stable")
    return images[order], labels[order]


def ordered(digits: Digits) -> Made:
    """All zeros first, all nines last."""
    return _in_order(digits.images, digits.labels)


def blocks(digits: Digits) -> Made:
    """Runs of about 400 images of one class: each class comes twice."""
    half = len(digits.images) // 2
    first, last = (
        _in_order(digits.images[:half], digits.labels[:half]),
        _in_order(digits.images[half:], digits.labels[half:]),
    )
    return np.concatenate([first[0], last[0]]), np.concatenate([first[1], last[1]])


def permuted(digits: Digits) -> Made:
    """Each label from another image."""
    return digits.images, digits.rng.permutation(digits.labels)


def shifted(digits: Digits) -> Made:
    """Each label from the next image, as after a header line that was counted once too often."""
    return digits.images, np.roll(digits.labels, 1)


def coin(digits: Digits) -> Made:
    """Two classes, tossed."""
    return digits.images, digits.rng.integers(2, size=len(digits.labels), dtype=np.uint8)


def noise(digits: Digits) -> Made:
    """Random pixels instead of the images."""
    return digits.rng.integers(256, size=digits.images.shape, dtype=np.uint8), digits.labels


def blank(digits: Digits) -> Made:
    """Black images, as where a path was wrong and the reader filled in zeros."""
    return np.zeros_like(digits.images), digits.labels


def same(digits: Digits) -> Made:
    """One image again and again, as where a loop always reads the first."""
    return np.broadcast_to(digits.images[:1], digits.images.shape), digits.labels


def corner(digits: Digits) -> Made:
    """The upper left 3×3 pixels, where no digit has ink."""
    return digits.images[:, :3, :3], digits.labels


def polarity(digits: Digits) -> Made:
    """Half of the digits dark on light: too much for a linear classifier."""
    inverted = digits.rng.random(len(digits.images)) < 0.5
    return np.where(inverted[:, None, None], 255 - digits.images, digits.images), digits.labels


def noisy(digits: Digits) -> Made:
    """Of the training labels 40 % are drawn at random; the rest is enough to learn from."""
    wrong = (digits.rng.random(len(digits.labels)) < 0.4) & digits.training
    drawn = digits.rng.integers(10, size=len(digits.labels), dtype=np.uint8)
    return digits.images, np.where(wrong, drawn, digits.labels)


def rare(digits: Digits) -> Made:
    """Unbalanced classes: of the images that are not 0, three in four are left out."""
    kept = (digits.labels == 0) | (digits.rng.random(len(digits.labels)) < 0.25)
    return digits.images[kept], digits.labels[kept]


def parity(digits: Digits) -> Made:
    """Two classes: even and odd."""
    return digits.images, digits.labels % 2


def few(digits: Digits) -> Made:
    """1,000 training images."""
    count = 1_000 if digits.training else len(digits.images)
    return digits.images[:count], digits.labels[:count]


def faint(digits: Digits) -> Made:
    """Grey on white, as a poor scan: values from 150 to 250."""
    return (250 - digits.images * np.float32(100 / 255)).astype(np.uint8), digits.labels


def half(digits: Digits) -> Made:
    """14×14: the mean of each 2×2."""
    return digits.images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).astype(np.uint8), digits.labels


def colour(digits: Digits) -> Made:
    """Three channels: each digit in a colour of its own."""
    tint = digits.rng.uniform(0.3, 1, (len(digits.images), 3, 1, 1))
    return (digits.images[:, None] * tint).astype(np.uint8), digits.labels


CHANGES: dict[str, Callable[[Digits], Made]] = {
    change.__name__: change
    for change in (
        ordered, blocks, permuted, shifted, coin, noise, blank, same, corner, polarity,
        noisy, rare, parity, few, faint, half, colour,
    )
}  # fmt: skip
"""Each data set, by name."""
