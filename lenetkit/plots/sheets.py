"""Sheets of small images: the worst mistakes, and samples of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import DPI, INK, MUTED, Figure, styled
from lenetkit.plots.tiles import CAPTION_SIZE, Grid, Line, first_pixels
from lenetkit.text import percent

MAX_MISTAKES = 40
MAX_SAMPLES = 100
# Sides of an image in inches: whole pixels, and whole multiples of MNIST's 28.
_MISTAKES = Grid(columns=8, side=168 / DPI)
_SAMPLES = Grid(columns=10, side=140 / DPI)


def mistakes_figure(
    images: ArrayLike,
    true: ArrayLike,
    predicted: ArrayLike,
    probability: ArrayLike,
    classes: Sequence[str],
    *,
    title: str,
    dataset: str,
    total: int | None = None,
) -> Figure:
    """Sheet of the first `MAX_MISTAKES` of `images` (N, C, H, W), which the caller sorted.

    `total` is the number of mistakes, if `images` holds only the worst of them.

    C is 1 or 3; uint8 spans 0 to 255, floats 0 to 1 or, if they exceed it, their own range. `true`
    and `predicted` (N,) index `classes`; `probability` (N,), 0 to 1, is that of the wrong class.
    Without mistakes the figure says so.
    """
    pixels = first_pixels(images, MAX_MISTAKES)
    given = _same_length(images, true, predicted, probability)
    shown = len(pixels)
    what = _how_many(shown, given if total is None else total)
    note = ["in percent: the probability given to the wrong answer"] if shown else []
    with styled(title, dataset, *classes) as typeface:
        names = _pairs(_names(true, classes, shown), _names(predicted, classes, shown), typeface)
        captions = [
            [*pair, (percent(float(chance), 1, " %"), MUTED)]
            for pair, chance in zip(names, np.asarray(probability), strict=False)
        ]
        heading = (title, what, dataset, *note)
        empty = "No mistakes: every image was read correctly."
        return _MISTAKES.figure(typeface, pixels, captions, heading, empty)


def samples_figure(
    images: ArrayLike, labels: ArrayLike, classes: Sequence[str], *, title: str, dataset: str
) -> Figure:
    """Grid of the first `MAX_SAMPLES` of `images` (N, C, H, W) with their `labels` (N,) below.

    Pixels are scaled as in `mistakes_figure`; `labels` index `classes`.
    """
    pixels = first_pixels(images, MAX_SAMPLES)
    total = _same_length(images, labels)
    shown = f"{len(pixels)} of {total:,}" if total > len(pixels) else f"{total}"
    what = f"Samples with their true class ({shown})" if total else "Samples"
    with styled(title, dataset, *classes) as typeface:
        names = _names(labels, classes, len(pixels))
        captions = [[_line(name, _SAMPLES.room, typeface)] for name in names]
        empty = "There are no images to show."
        return _SAMPLES.figure(typeface, pixels, captions, (title, what, dataset), empty)


def _same_length(images: ArrayLike, *columns: ArrayLike) -> int:
    """The number of images. Raises ValueError unless every column has a value for each."""
    total = len(np.asarray(images))
    for column in columns:
        if np.shape(column) != (total,):
            raise ValueError(f"{total} images, but values {np.shape(column)} beside them")
    return total


def _names(indices: ArrayLike, classes: Sequence[str], count: int) -> list[str]:
    """The class names of the first `count` images."""
    shown = np.asarray(indices)[:count].tolist()
    for index in shown:
        if not 0 <= index < len(classes):
            raise ValueError(f"class {index} is not among the {len(classes)} classes")
    return [classes[index] for index in shown]


def _pairs(true: list[str], predicted: list[str], typeface: Typeface) -> list[list[Line]]:
    """True and predicted classes: on one line each if all of them fit, else on two."""
    pairs = list(zip(true, predicted, strict=True))
    room = _MISTAKES.room
    short = [typeface.printable(f"true {was} → read {read}") for was, read in pairs]
    if all(typeface.width(text, CAPTION_SIZE) <= room for text in short):
        return [[(text, INK)] for text in short]
    return [
        [_line(was, room, typeface, "true "), _line(read, room, typeface, "→ read ")]
        for was, read in pairs
    ]


def _line(name: str, room: float, typeface: Typeface, before: str = "") -> Line:
    """`name` after the word `before`, shortened so that both fit into `room` inches."""
    room -= typeface.width(before, CAPTION_SIZE)
    return before + " ".join(typeface.fit(name, CAPTION_SIZE, room)), INK


def _how_many(shown: int, total: int) -> str:
    if shown < total:
        return f"The {shown} worst of {total:,} mistakes"
    if total > 1:
        return f"All {total} mistakes, worst first"
    return "The only mistake" if total else "Mistakes"
