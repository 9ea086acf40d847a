"""Lines by epoch, one for each set of samples, with the last value written beside each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lenetkit.plots.chart import Floats, chart, finite_points
from lenetkit.plots.page import BLUE, GREEN, MUTED, VERMILION, Page
from lenetkit.plots.words import ENGLISH, Words

_LOOKS = {  # colour, marker and line all differ, so that a grey print is readable too
    "train": (BLUE, "o", "--"),
    "validation": (GREEN, "^", ":"),
    "test": (VERMILION, "s", "-"),
}
_MAX_MARKERS = 40
_LABEL_HEIGHT = 0.2  # inches between the values written beside the lines
HEIGHT = 4.9
"""Inches of the body of such a page."""

Lines = Mapping[str, tuple[Floats, Floats]]
"""The epochs at which a set was measured, and the values there, by the set's name."""


def lines(epochs: ArrayLike, given: Mapping[str, ArrayLike | None]) -> Lines:
    """What is finite of the values (n,) of each set; sets without any are left out."""
    found = {
        name: finite_points(epochs, values, "epochs", name)
        for name, values in given.items()
        if values is not None
    }
    return {name: line for name, line in found.items() if line[0].size}


@dataclass(frozen=True)
class Measure:
    """What lines are of: the scale and label of their axis, and how a value is written."""

    drawn: Lines
    prepare: Callable[[Axes], None]
    write: Callable[[float], str]
    notes: Sequence[str] = ()
    """What of it the axis leaves out."""
    words: Words = ENGLISH


def draw_lines(page: Page, measure: Measure, *, left: float = 0, right: float = 0) -> None:
    """The lines, on axes so many inches from the edges of the body."""
    drawn = measure.drawn
    axes = chart(page, left + 0.75, bottom=0.5, right=right + 1.65, top=0.1, max_ticks=16)
    epochs = np.concatenate([x for x, _ in drawn.values()])
    pad = float(np.ptp(epochs)) * 0.03 or 0.5
    axes.set(xlabel=measure.words.epoch, xlim=(epochs.min() - min(pad, 0.5), epochs.max() + pad))
    measure.prepare(axes)
    low, high = axes.get_ylim()
    for name, (x, y) in drawn.items():
        colour, marker, look = _LOOKS[name]
        look += marker if x.size <= _MAX_MARKERS else ""
        whole = y.min() >= low and y.max() <= high  # then a marker may overlap the edge
        axes.plot(x, y, look, color=colour, lw=1.7, markersize=5, clip_on=not whole, label=name)
    _write_finals(page, axes, measure)


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """`positions` moved apart to at least `gap`, in the same order, around the same middle.

    They stay between 0 and 1 if there is enough room.
    """
    order = np.argsort(positions, kind="stable")
    wanted = np.asarray(positions, np.float64)[order]
    placed = wanted.copy()
    for i in range(1, placed.size):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    placed -= (placed - wanted).mean()
    placed -= max(0.0, placed[-1] - 1.0)
    placed += max(0.0, -placed[0])
    result = np.empty_like(placed)
    result[order] = placed
    return [float(position) for position in result]


def _write_finals(page: Page, axes: Axes, measure: Measure) -> None:
    to_axes = axes.transData + axes.transAxes.inverted()
    low, high = axes.get_ylim()
    last = {name: (float(x[-1]), float(y[-1])) for name, (x, y) in measure.drawn.items()}
    ends = [to_axes.transform((x, min(max(y, low), high))) for x, y in last.values()]
    gap = _LABEL_HEIGHT / (axes.get_position().height * page.height)
    heights = spread([float(y) for _, y in ends], gap)
    for (name, (_, y)), end, height in zip(last.items(), ends, heights, strict=True):
        axes.annotate(
            f"{getattr(measure.words, name)} {measure.write(y)}",
            xy=(float(end[0]), float(end[1])),
            xytext=(1.045, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            color=_LOOKS[name][0],
            fontweight="bold" if page.typeface.bold else "normal",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkB": 5},
        )
