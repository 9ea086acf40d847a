"""Accuracy by epoch, on one axis for all runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.epochs import HEIGHT, Measure, draw_lines, lines
from lenetkit.plots.page import Figure, Page, styled
from lenetkit.plots.words import ENGLISH, Words
from lenetkit.text import percent

TICKS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 98, 99, 99.5, 99.8, 99.9, 100)
_MIN_SPACE = 0.045
"""Of the axis, between two ticks."""
_ALMOST = 0.05
"""Percentage points that keep 100 % at a finite position, halfway from 99.9 % to 99.99 %."""
_CHANCE = 5.0
"""Percentage points that do so at the other end, where accuracies are by chance."""


def accuracy_figure(
    epochs: ArrayLike,
    train: ArrayLike,
    test: ArrayLike,
    *,
    title: str,
    dataset: str,
    validation: ArrayLike | None = None,
    lowest: float = 0.0,
    words: Words = ENGLISH,
) -> Figure:
    """Accuracy on the training, test and optionally validation images after each epoch.

    All arrays are (n,); accuracies are fractions from 0 to 1, or NaN where not measured. Final
    values are written beside the lines, in percent.

    The axis is the same for all runs, so that their pictures can be laid side by side: from
    `lowest` (0 to 99 percent) to 100, stretched towards 100. Without title and
    data set the heading is left out but for notes.
    """
    given = {"train": train, "validation": validation, "test": test}
    measure = accuracies(epochs, given, lowest, words)
    what = words.accuracy_epochs if title or dataset else ""
    with styled(title, dataset, words.characters) as typeface:
        page = Page(typeface, 8.0, HEIGHT, title, what, dataset, *measure.notes)
        if measure.drawn:
            draw_lines(page, measure)
        else:
            page.say(words.no_accuracy)
    return page.figure


def accuracies(
    epochs: ArrayLike,
    given: Mapping[str, ArrayLike | None],
    lowest: float = 0.0,
    words: Words = ENGLISH,
) -> Measure:
    """Accuracies (n,) of each set of samples."""
    drawn = {name: (x, _in_percent(name, y)) for name, (x, y) in lines(epochs, given).items()}
    below = sum(int((y < lowest).sum()) for _, y in drawn.values())
    notes = [words.below.format(count=below)] if below else []

    def set_axis(axes: Axes) -> None:
        axes.set_yscale("function", functions=(stretch, unstretch))
        axes.set(ylabel=words.accuracy, ylim=(lowest, 100))
        axes.yaxis.set_major_locator(FixedLocator(axis_ticks(lowest)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")

    return Measure(drawn, set_axis, lambda value: percent(value / 100, 2, " %"), notes, words)


def stretch(percents: ArrayLike) -> NDArray[np.float64]:
    """Position of accuracies in percent on the axis.

    It is the logarithm of the odds, so that 50, 90, 99 and 99.9 % are about equally far apart, with
    both ends brought to finite positions.
    """
    value = np.clip(np.asarray(percents, np.float64), 0.0, 100.0)
    return np.log10((value + _CHANCE) / (100.0 - value + _ALMOST))


def unstretch(positions: ArrayLike) -> NDArray[np.float64]:
    """The inverse of `stretch`."""
    odds = 10.0 ** np.asarray(positions, np.float64)
    value: NDArray[np.float64] = (odds * (100.0 + _ALMOST) - _CHANCE) / (1.0 + odds)
    return value


def axis_ticks(lowest: float) -> list[float]:
    """Of `TICKS`, those on an axis from `lowest` that keep their distance, from 100 down."""
    kept = [100.0]
    space = _MIN_SPACE * float(np.ptp(stretch([lowest, 100.0])))
    for tick in (*reversed(TICKS), lowest):
        if tick >= lowest and float(stretch(kept[-1]) - stretch(tick)) >= space:
            kept.append(tick)
    return kept[::-1]


def _in_percent(name: str, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    if not (fractions.min() >= 0 and fractions.max() <= 1):
        raise ValueError(f"{name}: accuracies must be fractions from 0 to 1, not percent")
    return fractions * 100
