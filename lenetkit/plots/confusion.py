"""Confusion matrix: which classes were read as which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.confused_pairs import confused_pairs_figure
from lenetkit.plots.confusion_colours import confusion_colours
from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import FAINT, INK, MUTED, Figure, Page, styled
from lenetkit.plots.words import ENGLISH, Words
from lenetkit.text import percent

MAX_TABLE = 64
"""Classes up to which every count can be read."""
_LABEL_SIZE = 9.5  # points
_MAX_LABEL = 1.3  # inches; longer class names are cut
_AXIS_NAME = 0.3  # inches taken by "true class" and "predicted class"
_PAD = 0.1  # inches between a label and the cells
_LEGEND_SIZE = 8.5  # points
_LEGEND = 0.35  # inches below the cells
_MIN_LEFT = 0.75  # inches left of the cells, for the word "precision"
_MIN_WIDTH = 6.0  # inches; a small table still needs room for its heading
_MARGIN_CELLS = 1.15  # room for recall and precision, in cells
_MAX_CLASSES_WITH_ZEROS = 30  # beyond, hundreds of zeros hide the errors

Counts = NDArray[np.int64]


def confusion_figure(
    confusion: ArrayLike,
    classes: Sequence[str],
    *,
    title: str,
    dataset: str,
    words: Words = ENGLISH,
) -> Figure:
    """Table of counts: `confusion` (K, K), true classes in rows, predicted ones in columns.

    The diagonal is coloured by recall, errors on a scale of their own up to the largest. Recall is
    at the right, precision below, overall accuracy in the heading. More than `MAX_TABLE` classes
    are drawn as a map with lists of the most frequent errors and the classes of lowest recall.
    Without title and data set the heading is left out but for the accuracy.
    """
    counts = _checked(confusion, classes)
    if len(counts) > MAX_TABLE:
        return confused_pairs_figure(
            counts,
            classes,
            title=title,
            dataset=dataset,
            accuracy=_accuracy(counts, words),
            words=words,
        )
    with styled(title, dataset, words.characters, *classes) as typeface:
        table = _Table(counts, classes, typeface)
        left = max(_MIN_LEFT, _AXIS_NAME + table.label_width + _PAD)
        top = _AXIS_NAME + table.label_height + _PAD
        width = max(left + table.side, _MIN_WIDTH)
        left += (width - left - table.side) / 2
        height = top + table.side + _LEGEND
        what = words.confusion if title or dataset else ""
        page = Page(typeface, width, height, title, what, dataset, _accuracy(counts, words))
        axes = page.axes(left, _LEGEND, table.side, table.side)
        table.draw_cells(axes)
        table.draw_names(axes, words)
        table.draw_shares(axes, words)
        legend = "\n".join(typeface.fit(_legend(counts, words), _LEGEND_SIZE, width, lines=2))
        page.text(width / 2, 0, legend, color=MUTED, size=_LEGEND_SIZE, ha="center", va="bottom")
    return page.figure


def _checked(confusion: ArrayLike, classes: Sequence[str]) -> Counts:
    counts = np.asarray(confusion).astype(np.int64, copy=False)
    if counts.ndim != 2 or counts.shape != (len(classes), len(classes)) or not counts.size:
        raise ValueError(f"confusion is {counts.shape}, but there are {len(classes)} classes")
    if counts.min() < 0:
        raise ValueError("confusion holds negative counts")
    return counts


def _accuracy(counts: Counts, words: Words) -> str:
    total, correct = int(counts.sum()), int(np.trace(counts))
    if not total:
        return words.no_images
    share = percent(correct / total, 2, " %")
    return words.right.format(share=share, right=correct, total=total)


def _legend(counts: Counts, words: Words) -> str:
    worst = int((counts - np.diag(np.diag(counts))).max())
    errors = words.errors_up_to.format(worst=worst) if worst else words.no_errors
    return words.confusion_colours.format(errors=errors)


def _shares(counts: Counts, axis: int) -> NDArray[np.float64]:
    """Share of correct ones (K,) in each row (axis 1) or column (axis 0), NaN in empty ones."""
    total = counts.sum(axis=axis)
    shares = np.full(total.shape, np.nan)
    np.divide(np.diag(counts), total, out=shares, where=total > 0)
    return shares


class _Table:
    """The counts with the names beside them, and the sizes in which they are drawn."""

    def __init__(self, counts: Counts, classes: Sequence[str], typeface: Typeface) -> None:
        self.counts = counts
        self.names = [" ".join(typeface.fit(name, _LABEL_SIZE, _MAX_LABEL)) for name in classes]
        sides = ((4, 0.9), (12, 0.6), (30, 0.38))
        self.cell = next((side for most, side in sides if len(classes) <= most), 0.29)
        self.side = self.cell * (len(counts) + _MARGIN_CELLS)
        self.pad = _PAD / self.cell
        number = max(f"{counts.max():,}", "100.0", key=len)
        self.size = min(10.5, 0.85 * self.cell / typeface.width(number, 1.0), 0.45 * self.cell * 72)
        self.label_width = max(typeface.width(name, _LABEL_SIZE) for name in self.names)
        self.upright = self.label_width > 0.95 * self.cell  # names of columns are turned
        self.label_height = self.label_width if self.upright else 0.16

    def draw_cells(self, axes: Axes) -> None:
        counts = self.counts
        errors = counts - np.diag(np.diag(counts))
        colours = confusion_colours(errors, _shares(counts, axis=1))
        edges = np.arange(len(counts) + 1) - 0.5
        axes.pcolormesh(edges, edges, colours, edgecolors="#e0e0e0", linewidth=0.5)
        end = len(counts) - 0.5 + _MARGIN_CELLS
        axes.set(xlim=(-0.5, end), ylim=(end, -0.5))
        axes.set_axis_off()
        for row, column in np.ndindex(counts.shape):
            count = int(counts[row, column])
            faint = count == 0 and row != column
            if faint and len(counts) > _MAX_CLASSES_WITH_ZEROS:
                continue
            dark = float(colours[row, column, :3] @ (0.299, 0.587, 0.114)) < 0.6
            colour = FAINT if faint else "white" if dark else INK
            self._write(axes, column, row, f"{count:,}", colour)

    def draw_names(self, axes: Axes, words: Words) -> None:
        edge, pad = -0.5 - self.pad, self.pad
        turn = 90 if self.upright else 0
        for i, name in enumerate(self.names):
            axes.text(edge, i, name, size=_LABEL_SIZE, ha="right", va="center")
            axes.text(i, edge, name, size=_LABEL_SIZE, ha="center", va="bottom", rotation=turn)
        middle = (len(self.counts) - 1) / 2
        beside = edge - self.label_width / self.cell - pad
        above = edge - self.label_height / self.cell - pad
        muted: dict[str, Any] = {"color": MUTED}
        true, predicted = words.true_class, words.predicted_class
        axes.text(beside, middle, true, rotation=90, ha="right", va="center", **muted)
        axes.text(middle, above, predicted, ha="center", va="bottom", **muted)

    def draw_shares(self, axes: Axes, words: Words) -> None:
        """Recall right of the cells, precision below them."""
        end, edge = len(self.counts) - 0.5 + _MARGIN_CELLS / 2, -0.5 - self.pad
        recall, precision = _shares(self.counts, axis=1), _shares(self.counts, axis=0)
        for i in range(len(self.counts)):
            self._write(axes, end, i, percent(recall[i], 1, ""), INK)
            self._write(axes, i, end, percent(precision[i], 1, ""), INK)
        axes.text(end, edge, words.recall, size=8.5, color=MUTED, ha="center", va="bottom")
        axes.text(edge, end, words.precision, size=8.5, color=MUTED, ha="right", va="center")

    def _write(self, axes: Axes, x: float, y: float, text: str, colour: str) -> None:
        axes.text(x, y, text, size=self.size, color=colour, ha="center", va="center")
