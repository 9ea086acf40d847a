"""Accuracy by epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike

from lenetkit.plots.chart import Floats, chart, finite_points
from lenetkit.plots.fonts import BASE_FAMILY
from lenetkit.plots.page import BLUE, GREEN, MUTED, VERMILION, Page, styled
from lenetkit.plots.percent import STRETCHED_TICKS, axis_range, stretch, unstretch
from lenetkit.text import percent

_LOOKS = {  # colour, marker and line all differ, so that a grey print is readable too
    "train": (BLUE, "o", "--"),
    "validation": (GREEN, "^", ":"),
    "test": (VERMILION, "s", "-"),
}
_LABEL_GAP = 0.06  # of the axes' height, between the final values written beside them
_MAX_MARKERS = 40

_Lines = dict[str, tuple[Floats, Floats]]
"""Measured epochs and accuracies in percent, by name."""


def accuracy_figure(
    epochs: ArrayLike,
    train: ArrayLike,
    test: ArrayLike,
    *,
    title: str,
    dataset: str,
    validation: ArrayLike | None = None,
) -> Figure:
    """Accuracy on the training, test and optionally validation images after each epoch.

    All arrays are (n,); accuracies are fractions from 0 to 1, or NaN where not measured. Final
    values are written beside the lines, in percent.
    """
    given = {"train": train, "validation": validation, "test": test}
    lines = {
        name: line
        for name, values in given.items()
        if values is not None and (line := _line(name, epochs, values))[0].size
    }
    with styled(title, dataset) as typeface:
        page = Page(typeface, 8.0, 4.2, title, "Accuracy after each epoch", dataset)
        if not lines:
            page.say("No accuracy was recorded.")
            return page.figure
        axes = chart(page, left=0.75, bottom=0.5, right=1.65, top=0.1, max_ticks=16)
        _set_axes(axes, lines)
        for name, (x, y) in lines.items():
            colour, marker, look = _LOOKS[name]
            look += marker if x.size <= _MAX_MARKERS else ""
            axes.plot(x, y, look, color=colour, lw=1.7, markersize=5, clip_on=False, label=name)
        _write_finals(axes, lines)
    return page.figure


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


def _line(name: str, epochs: ArrayLike, values: ArrayLike) -> tuple[Floats, Floats]:
    x, fractions = finite_points(epochs, values, "epochs", name)
    if fractions.size and not (fractions.min() >= 0 and fractions.max() <= 1):
        raise ValueError(f"{name}: accuracies must be fractions from 0 to 1, not percent")
    return x, fractions * 100


def _set_axes(axes: Axes, lines: _Lines) -> None:
    epochs, percents = (np.concatenate(arrays) for arrays in zip(*lines.values(), strict=True))
    low, high, stretched = axis_range(percents)
    label = "accuracy in percent"
    if stretched:
        label += " (axis stretched towards 100)"
        axes.set_yscale("function", functions=(stretch, unstretch))
        axes.yaxis.set_major_locator(FixedLocator(STRETCHED_TICKS))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    pad = float(np.ptp(epochs)) * 0.03 or 0.5
    axes.set(xlabel="epoch", xlim=(epochs.min() - pad, epochs.max() + pad))
    axes.set(ylabel=label, ylim=(low, high))


def _write_finals(axes: Axes, lines: _Lines) -> None:
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [to_axes.transform((x[-1], y[-1])) for x, y in lines.values()]
    heights = spread([float(y) for _, y in ends], _LABEL_GAP)
    for (name, (_, percents)), end, height in zip(lines.items(), ends, heights, strict=True):
        axes.annotate(
            f"{name} {percent(float(percents[-1]) / 100, 2, ' %')}",
            xy=(float(end[0]), float(end[1])),
            xytext=(1.045, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            color=_LOOKS[name][0],
            fontweight="bold",
            fontfamily=BASE_FAMILY,  # it always has a bold face
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkB": 5},
        )
