"""Sheets of small images: the worst mistakes, and samples of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import DPI, INK, MUTED, style
from lenetkit.plots.tiles import CAPTION_SIZE, Grid, Line, empty_sheet, first_pixels
from lenetkit.plots.wording import percent

MOST_MISTAKES = 40
MOST_SAMPLES = 100
# Sides of an image in inches: whole pixels, and whole multiples of MNIST's 28.
_MISTAKES = Grid(columns=8, side=168 / DPI)
_SAMPLES = Grid(columns=10, side=140 / DPI)

_NO_MISTAKES = "No mistakes: every image was read correctly."
_NO_SAMPLES = "There are no images to show."


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
    """Sheet of the first `MOST_MISTAKES` of `images` (N, C, H, W), as the caller sorted them.

    `total` is how many mistakes there are, where `images` holds only the worst of them.

    C is 1 or 3; uint8 spans 0 to 255, floats 0 to 1 or, outside of that, their own range.
    `true` and `predicted` (N,) index `classes`; `probability` (N,), 0 to 1, is the one given to
    the wrong class. Without mistakes the picture says so.
    """
    pixels = first_pixels(images, MOST_MISTAKES)
    given = _same_length(images, true, predicted, probability)
    total = given if total is None else total
    typeface = Typeface.for_texts(title, dataset, *classes)
    with style(typeface):
        if not total:
            return empty_sheet(title, f"Mistakes · data set: {dataset}", _NO_MISTAKES, typeface)
        names = _pairs(true, predicted, classes, len(pixels), typeface)
        chances = np.asarray(probability, np.float64)[: len(pixels)].tolist()
        captions = [
            [*pair, Line(f"{percent(chance, 1)} %", MUTED)]
            for pair, chance in zip(names, chances, strict=True)
        ]
        details = (
            f"{_how_many(len(pixels), total)} · data set: {dataset} · "
            "in percent: the probability given to the wrong answer"
        )
        return _MISTAKES.figure(pixels, captions, title, details, typeface)


def samples_figure(
    images: ArrayLike, labels: ArrayLike, classes: Sequence[str], *, title: str, dataset: str
) -> Figure:
    """Grid of the first `MOST_SAMPLES` of `images` (N, C, H, W) with their `labels` (N,) below.

    Pixels are taken as in `mistakes_figure`; `labels` index `classes`.
    """
    pixels = first_pixels(images, MOST_SAMPLES)
    total = _same_length(images, labels)
    typeface = Typeface.for_texts(title, dataset, *classes)
    with style(typeface):
        if not total:
            return empty_sheet(title, f"Samples · data set: {dataset}", _NO_SAMPLES, typeface)
        captions = [
            [_line(_name(classes, label), _SAMPLES.room, typeface)]
            for label in np.asarray(labels)[: len(pixels)].tolist()
        ]
        shown = f"{len(pixels)} of {total:,}" if total > len(pixels) else f"{total}"
        details = f"Samples with their true class ({shown}) · data set: {dataset}"
        return _SAMPLES.figure(pixels, captions, title, details, typeface)


def _same_length(images: ArrayLike, *columns: ArrayLike) -> int:
    """The number of images, for each of which every one of `columns` must have a value."""
    total = len(np.asarray(images))
    for column in columns:
        if np.shape(column) != (total,):
            raise ValueError(f"{total} images, but values {np.shape(column)} beside them")
    return total


def _pairs(
    true: ArrayLike, predicted: ArrayLike, classes: Sequence[str], shown: int, typeface: Typeface
) -> list[list[Line]]:
    """What each image is and what it was read as: on one line each if all fit, else on two."""
    pairs = [
        (_name(classes, was), _name(classes, read))
        for was, read in zip(
            np.asarray(true)[:shown].tolist(), np.asarray(predicted)[:shown].tolist(), strict=True
        )
    ]
    room = _MISTAKES.room
    short = [typeface.printable(f"true {was} → read {read}") for was, read in pairs]
    if all(typeface.width(text, CAPTION_SIZE) <= room for text in short):
        return [[Line(text, INK)] for text in short]
    return [
        [_line(was, room, typeface, "true "), _line(read, room, typeface, "→ read ")]
        for was, read in pairs
    ]


def _name(classes: Sequence[str], index: int) -> str:
    if not 0 <= index < len(classes):
        raise ValueError(f"class {index} is not among the {len(classes)} classes")
    return classes[index]


def _line(name: str, room: float, typeface: Typeface, before: str = "") -> Line:
    """`name` after the word `before`, shortened to fit into `room` inches together with it."""
    room -= typeface.width(before, CAPTION_SIZE)
    return Line(before + " ".join(typeface.fit(name, CAPTION_SIZE, room)), INK)


def _how_many(shown: int, total: int) -> str:
    if shown < total:
        return f"The {shown} worst of {total:,} mistakes"
    return "The only mistake" if total == 1 else f"All {total} mistakes, worst first"
