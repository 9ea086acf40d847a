"""Which classes were read as which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import FAINT, INK, MUTED, Page, style
from lenetkit.plots.wording import percent

_LABEL_SIZE = 9.5  # points
_LONGEST_LABEL = 1.3  # inches; longer class names are cut
_AXIS_NAME = 0.3  # inches taken by "true class" and "predicted class"
_PAD = 0.1  # inches between a label and the cells
_LEGEND_SIZE = 8.5  # points
_LEGEND = 0.35  # inches below the cells
_LEFT = 0.75  # inches left of the cells at least, for the word "precision"
_NARROWEST = 6.0  # inches; a small table still needs room for its heading
_SHOW_ZEROS_UP_TO = 30  # classes; beyond, hundreds of zeros hide the errors


@dataclass(frozen=True)
class _Table:
    """The counts, the names beside them and the sizes that they are drawn in."""

    counts: NDArray[np.int64]
    classes: list[str]
    cell: float
    """Side of a cell in inches."""
    size: float
    """Size of the numbers in points."""
    label_width: float
    """Width of the widest class name in inches."""
    upright: bool
    """Whether the names of the columns must be turned by 90 degrees."""

    @property
    def label_height(self) -> float:
        return self.label_width if self.upright else 0.16

    @property
    def side(self) -> float:
        """Width and height in inches, with the row or column of recall or precision."""
        return self.cell * (len(self.counts) + _MARGIN_CELLS)


_MARGIN_CELLS = 1.15  # room for recall and precision, in cells


def confusion_figure(
    confusion: ArrayLike, classes: Sequence[str], *, title: str, dataset: str
) -> Figure:
    """Table of counts: `confusion` (K, K), true classes in rows, predicted ones in columns.

    The diagonal is coloured by recall, everything else on a scale of its own up to the largest
    error. Recall stands at the right, precision below, overall accuracy in the heading.
    """
    counts = _checked(confusion, classes)
    typeface = Typeface.for_texts(title, dataset, *classes)
    with style(typeface):
        table = _measure(counts, classes, typeface)
        left = max(_LEFT, _AXIS_NAME + table.label_width + _PAD)
        top = _AXIS_NAME + table.label_height + _PAD
        width = max(left + table.side, _NARROWEST)
        left += (width - left - table.side) / 2
        details = _details(counts, dataset)
        page = Page(width, top + table.side + _LEGEND, title, details, typeface)
        axes = page.axes(left, _LEGEND, table.side, table.side)
        _draw_cells(axes, table)
        _draw_names(axes, table)
        _draw_margins(axes, table)
        legend = "\n".join(typeface.fit(_legend(counts), _LEGEND_SIZE, width, lines=2))
        page.text(width / 2, 0, legend, color=MUTED, size=_LEGEND_SIZE, ha="center", va="bottom")
    return page.figure


def _checked(confusion: ArrayLike, classes: Sequence[str]) -> NDArray[np.int64]:
    counts = np.asarray(confusion).astype(np.int64)
    if counts.ndim != 2 or counts.shape != (len(classes), len(classes)) or not counts.size:
        raise ValueError(f"confusion is {counts.shape}, but there are {len(classes)} classes")
    if counts.min() < 0:
        raise ValueError("confusion holds negative counts")
    return counts


def _measure(counts: NDArray[np.int64], classes: Sequence[str], typeface: Typeface) -> _Table:
    names = [" ".join(typeface.fit(name, _LABEL_SIZE, _LONGEST_LABEL)) for name in classes]
    widest = max(typeface.width(name, _LABEL_SIZE) for name in names)
    number = max(f"{counts.max():,}", "100.0", key=len)
    cell = _cell_side(len(classes))
    size = min(10.5, 0.85 * cell / typeface.width(number, 1.0), 0.45 * cell * 72)
    return _Table(counts, names, cell, size, widest, upright=widest > 0.95 * cell)


def _cell_side(classes: int) -> float:
    for most, side in ((4, 0.9), (12, 0.6), (30, 0.38)):
        if classes <= most:
            return side
    return 0.29


def _details(counts: NDArray[np.int64], dataset: str) -> str:
    total, correct = int(counts.sum()), int(np.trace(counts))
    if not total:
        return f"Confusion matrix · data set: {dataset} · no images"
    share = f"accuracy {percent(correct / total, 2)} % ({correct:,} of {total:,} images)"
    return f"Confusion matrix · data set: {dataset} · {share}"


def _legend(counts: NDArray[np.int64]) -> str:
    worst = int((counts - np.diag(np.diag(counts))).max())
    errors = f"darker = more, up to {worst:,}" if worst else "none were made"
    return f"blue: read correctly, darker = higher recall · orange: errors, {errors}"


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """`part / whole` (K,), NaN where there is no whole."""
    shares = np.full(part.shape, np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def confusion_colours(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Colours (K, K, 4): errors in orange, by the root of their count so that ones are seen."""
    errors = counts - np.diag(np.diag(counts))
    share = np.sqrt(errors / max(1, int(errors.max())))
    colours = np.asarray(matplotlib.colormaps["Oranges"](0.08 + 0.72 * share))
    colours[errors == 0] = 1.0
    recall = np.nan_to_num(_shares(np.diag(counts), counts.sum(axis=1)))
    diagonal = np.arange(len(counts))
    colours[diagonal, diagonal] = matplotlib.colormaps["Blues"](0.12 + 0.5 * recall**2)
    return colours


def _draw_cells(axes: Axes, table: _Table) -> None:
    counts, colours = table.counts, confusion_colours(table.counts)
    number = len(counts)
    edges = np.arange(number + 1) - 0.5
    axes.pcolormesh(edges, edges, colours, edgecolors="#e0e0e0", linewidth=0.5)
    axes.set(xlim=(-0.5, number - 0.5 + _MARGIN_CELLS), ylim=(number - 0.5 + _MARGIN_CELLS, -0.5))
    axes.set_axis_off()
    for row, column in np.ndindex(counts.shape):
        count = int(counts[row, column])
        faint = count == 0 and row != column
        if faint and number > _SHOW_ZEROS_UP_TO:
            continue
        dark = float(colours[row, column, :3] @ (0.299, 0.587, 0.114)) < 0.6
        colour = FAINT if faint else "white" if dark else INK
        _write(axes, column, row, f"{count:,}", table, color=colour)


def _draw_names(axes: Axes, table: _Table) -> None:
    pad = _PAD / table.cell
    turn = 90 if table.upright else 0
    for place, name in enumerate(table.classes):
        axes.text(-0.5 - pad, place, name, size=_LABEL_SIZE, ha="right", va="center")
        axes.text(
            place, -0.5 - pad, name, size=_LABEL_SIZE, ha="center", va="bottom", rotation=turn
        )
    middle = (len(table.counts) - 1) / 2
    beside = 0.5 + pad + table.label_width / table.cell + pad
    above = 0.5 + pad + table.label_height / table.cell + pad
    axes.text(-beside, middle, "true class", color=MUTED, rotation=90, ha="right", va="center")
    axes.text(middle, -above, "predicted class", color=MUTED, ha="center", va="bottom")


def _draw_margins(axes: Axes, table: _Table) -> None:
    counts = table.counts
    beside = len(counts) - 0.5 + _MARGIN_CELLS / 2
    recall = _shares(np.diag(counts), counts.sum(axis=1))
    precision = _shares(np.diag(counts), counts.sum(axis=0))
    for place in range(len(counts)):
        _write(axes, beside, place, _percent(recall[place]), table, color=INK)
        _write(axes, place, beside, _percent(precision[place]), table, color=INK)
    pad = _PAD / table.cell
    axes.text(beside, -0.5 - pad, "recall\nin %", size=8.5, color=MUTED, ha="center", va="bottom")
    axes.text(-0.5 - pad, beside, "precision\nin %", size=8.5, color=MUTED, ha="right", va="center")


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else percent(share, 1)


def _write(axes: Axes, x: float, y: float, text: str, table: _Table, *, color: str) -> None:
    axes.text(x, y, text, size=table.size, color=color, ha="center", va="center")
