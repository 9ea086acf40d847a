"""Which classes were read as which, where they are too many for a table of counts.

A map shows where the errors are, in blocks of neighbouring classes; beside it two lists name the
most frequent errors and the classes with the lowest recall. How much is drawn does not depend on
the number of classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lenetkit.plots.confusion_colours import confusion_colours
from lenetkit.plots.page import FAINT, INK, MUTED, Figure, Page, styled
from lenetkit.plots.words import Words
from lenetkit.text import percent

_MAP = 5.2  # inches
_MOST_BLOCKS = 100  # of the map, across and down; more would be too small to see
_TICKS = 5  # names left of the map, and above it
_LISTED = 24  # lines of a list
_LINE = _MAP / _LISTED  # inches
_TICK_NAME, _NAME = 1.3, 2.0  # inches beside the map and in lists; longer class names are cut
_MIN_NAME = 1.1  # inches of a column of names
_NUMBER = 0.65  # inches of a column of numbers
_AXIS_NAME = 0.3  # inches taken by "true class" and "predicted class"
_PAD = 0.1  # inches between a name and the map, and between columns
_GAP = 0.5  # inches between the map and the lists
_LEGEND = 0.4  # inches below the map
_SIZE = 8.5  # points

Counts = NDArray[np.int64]
Row = Sequence[str]


def confused_pairs_figure(
    counts: Counts,
    classes: Sequence[str],
    *,
    title: str,
    dataset: str,
    accuracy: str,
    words: Words,
) -> Figure:
    """A map of `counts` (K, K), the most frequent errors, and the classes with the lowest recall.

    `accuracy` stands in the heading.
    """
    K, found = len(counts), _Found(counts)
    ticks = range(0, K, -(-K // _TICKS))
    listed = {*found.pairs[:, :2].ravel().tolist(), *found.poorest.tolist()}
    named = (classes[i] for i in {*ticks, *listed})
    with styled(title, dataset, words.characters, *named) as typeface:

        def fitted(places: Iterable[int], room: float) -> tuple[dict[int, str], float]:
            names = {i: " ".join(typeface.fit(classes[i], _SIZE, room)) for i in places}
            return names, max((typeface.width(name, _SIZE) for name in names.values()), default=0)

        beside, longest = fitted(ticks, _TICK_NAME)
        names, name_width = fitted(listed, _NAME)
        name_width = max(name_width, _MIN_NAME)
        left, top = _AXIS_NAME + longest + _PAD, _LEGEND + _MAP
        pairs = _List(left + _MAP + _GAP, top, name_width, names=2)
        poorest = _List(pairs.right + _GAP, top, name_width, names=1)
        what = words.confusion_of_many.format(count=K) if title or dataset else ""
        page = Page(typeface, poorest.right, top + left, title, what, dataset, accuracy)
        _draw_map(page.axes(left, _LEGEND, _MAP, _MAP), found)
        sheet = page.sheet()
        _draw_names(sheet, {i / K: name for i, name in beside.items()}, left, top, words)
        _draw_pairs(sheet, pairs, found, names, words)
        _draw_poorest(sheet, poorest, found, names, words)
        legend = "\n".join(typeface.fit(found.legend(words), _SIZE, page.width, lines=2))
        page.text(0, 0, legend, color=MUTED, size=_SIZE, va="bottom")
    return page.figure


class _Found:
    """What counts (K, K) say, found in those that are not 0: at most one for each image."""

    def __init__(self, counts: Counts) -> None:
        true, predicted = np.nonzero(counts)
        self.cells = np.stack([true, predicted, counts[true, predicted]], axis=1)
        """(n, 3): true class, predicted class, images."""
        self.errors = self.cells[true != predicted]
        self.pairs = self.errors[np.argsort(-self.errors[:, 2], kind="stable")][:_LISTED]
        """The most frequent errors, in the classes' order where equally frequent."""
        self.correct = counts.diagonal()
        self.images = _sums(true, self.cells[:, 2], len(counts))
        """(K,): images of each class."""
        self.answers = np.unique(predicted)
        self.imperfect = np.flatnonzero(self.recall < 1)
        """The classes that are not always read correctly."""
        order = np.lexsort((-self.images[self.imperfect], self.recall[self.imperfect]))
        self.poorest = self.imperfect[order][:_LISTED]
        """Those with the lowest recall, and of these with the most images, first."""

    @property
    def recall(self) -> NDArray[np.float64]:
        """(K,): NaN for a class without images."""
        lacking = np.full(len(self.images), np.nan)
        return np.divide(self.correct, self.images, out=lacking, where=self.images > 0)

    @property
    def step(self) -> int:
        """Classes in a block of the map."""
        return -(-len(self.images) // _MOST_BLOCKS)

    def legend(self, words: Words) -> str:
        """What the map's colours mean, and how many classes were ever the answer."""
        step = self.step
        square = words.one_class if step == 1 else words.block.format(count=step)
        return words.confusion_map.format(
            square=square, predicted=len(self.answers), total=len(self.images)
        )


def _sums(places: NDArray[np.intp], values: Counts, length: int) -> Counts:
    sums = np.zeros(length, np.int64)
    np.add.at(sums, places, values)
    return sums


def _draw_map(axes: Axes, found: _Found) -> None:
    """Errors and recall in blocks of classes."""
    K, step = len(found.images), found.step
    count = -(-K // step)
    true, predicted, images = found.errors.T
    errors = _sums(true // step * count + predicted // step, images, count**2)
    starts = range(0, K, step)
    whole = np.add.reduceat(found.images, starts)
    recall = np.full(count, np.nan)
    np.divide(np.add.reduceat(found.correct, starts), whole, out=recall, where=whole > 0)
    colours = confusion_colours(errors.reshape(count, count), recall)
    side = (0, count * step)
    axes.imshow(colours, extent=(*side, *side[::-1]), interpolation="nearest", aspect="auto")
    axes.set(xlim=(0, K), ylim=(K, 0), xticks=(), yticks=())
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT)


def _draw_names(
    sheet: Axes, names: Mapping[float, str], left: float, top: float, words: Words
) -> None:
    """The names of some classes left of the map and above it, at these fractions of its side."""
    for place, name in names.items():
        x, y = left + place * _MAP, top - place * _MAP
        sheet.text(left - _PAD, y, name, size=_SIZE, ha="right", va="top")
        sheet.text(x, top + _PAD, name, size=_SIZE, ha="left", va="bottom", rotation=90)
    end, middle = left - 0.5 * _PAD, 0.5 * _MAP
    title = {"color": MUTED, "size": _SIZE}
    sheet.text(0, top - middle, words.true_class, title, rotation=90, ha="left", va="center")
    sheet.text(left + middle, top + end, words.predicted_class, title, ha="center", va="top")


@dataclass(frozen=True)
class _List:
    """Where a list stands: columns of names, then two of numbers, below the map's upper edge."""

    left: float
    top: float
    name_width: float
    names: int

    @property
    def right(self) -> float:
        return self.left + self.names * (self.name_width + _PAD) + 2 * _NUMBER + _PAD

    def draw(self, sheet: Axes, title: str, headers: Row, rows: Sequence[Row], empty: str) -> None:
        """A title and headers above the edge, and rows below it, or the words `empty`."""
        sheet.text(self.left, self.top + 2.1 * _LINE, title, size=_SIZE, weight="bold")
        for number, row in enumerate([headers, *(rows or [(empty,)])]):
            y, colour = self.top + (0.5 - number) * _LINE, INK if number else MUTED
            for column, text in enumerate(row):
                x, side = self._place(column)
                sheet.text(x, y, text, size=_SIZE, color=colour, ha=side, va="center")

    def _place(self, column: int) -> tuple[float, str]:
        """The x of a column's text, and its side: names begin there, numbers end there."""
        if column < self.names:
            return self.left + column * (self.name_width + _PAD), "left"
        return self.right - (self.names + 1 - column) * (_NUMBER + _PAD), "right"


def _draw_pairs(
    sheet: Axes, place: _List, found: _Found, names: Mapping[int, str], words: Words
) -> None:
    shown, total = int(found.pairs[:, 2].sum()), int(found.errors[:, 2].sum())
    rows = [
        (names[true], names[predicted], f"{n:,}", percent(n / found.images[true], 1, ""))
        for true, predicted, n in found.pairs.tolist()
    ]
    headers = (words.true_class, words.predicted, words.images, words.of_class)
    heading = words.errors_shown.format(shown=shown, total=total) if rows else words.errors
    place.draw(sheet, heading, headers, rows, words.none_listed)


def _draw_poorest(
    sheet: Axes, place: _List, found: _Found, names: Mapping[int, str], words: Words
) -> None:
    rows = [
        (names[i], f"{found.images[i]:,}", percent(float(found.recall[i]), 1, ""))
        for i in found.poorest.tolist()
    ]
    total = len(found.imperfect)
    heading = words.poorest_shown.format(shown=len(rows), total=total) if rows else words.poorest
    headers = (words.one_class, words.images, words.recall_percent)
    place.draw(sheet, heading, headers, rows, words.none_listed)
