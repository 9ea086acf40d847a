"""Accuracy by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.fonts import BASE_FAMILY, Typeface
from lenetkit.plots.page import BLUE, GREEN, GRID, MUTED, VERMILION, Page, style
from lenetkit.plots.percent_axis import STRETCHED_TICKS, axis_range, stretch, unstretch
from lenetkit.plots.wording import percent

_WIDTH, _HEIGHT = 8.0, 4.2  # inches
_LEFT, _BOTTOM, _RIGHT, _TOP = 0.75, 0.5, 1.65, 0.1  # inches between the body's edge and the axes

_LOOKS = {  # colour, marker and line differ, so that a grey print is readable too
    "train": (BLUE, "o", "--"),
    "validation": (GREEN, "^", ":"),
    "test": (VERMILION, "s", "-"),
}
_LABEL_GAP = 0.06  # of the axes' height, between the final values written beside them
_FEW_EPOCHS = 40  # up to here every epoch gets a marker


@dataclass(frozen=True)
class _Series:
    """One line: the epochs that were measured and their accuracies in percent."""

    name: str
    epochs: NDArray[np.float64]
    percent: NDArray[np.float64]

    @property
    def final(self) -> float:
        return float(self.percent[-1])


def accuracy_figure(
    epochs: ArrayLike,
    train: ArrayLike,
    test: ArrayLike,
    *,
    title: str,
    dataset: str,
    validation: ArrayLike | None = None,
) -> Figure:
    """Accuracy on the training, test and perhaps validation images after each epoch.

    All arrays are (n,); accuracies are fractions from 0 to 1, NaN where not measured. Final
    values stand beside the lines, in percent.
    """
    given = {"train": train, "validation": validation, "test": test}
    series = [
        line
        for name, values in given.items()
        if values is not None and (line := _series(name, epochs, values)).epochs.size
    ]
    typeface = Typeface.for_texts(title, dataset)
    with style(typeface):
        details = f"Accuracy after each epoch · data set: {dataset}"
        page = Page(_WIDTH, _HEIGHT, title, details, typeface)
        if not series:
            page.say("No accuracy was recorded.")
            return page.figure
        width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP
        axes = page.axes(_LEFT, _BOTTOM, width, height)
        _set_axes(axes, series)
        for line in series:
            _draw_line(axes, line)
        _write_finals(axes, series)
    return page.figure


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """`positions` moved apart to at least `gap`, in the same order, around the same middle.

    They stay inside 0 to 1 as far as there is room.
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
    return [float(place) for place in result]


def _series(name: str, epochs: ArrayLike, values: ArrayLike) -> _Series:
    where, fractions = np.asarray(epochs, np.float64), np.asarray(values, np.float64)
    if where.ndim != 1 or where.shape != fractions.shape:
        raise ValueError(
            f"epochs {where.shape} and {name} {fractions.shape} must be equal and (n,)"
        )
    finite = np.isfinite(fractions)
    kept = fractions[finite]
    if kept.size and not (kept.min() >= 0 and kept.max() <= 1):
        raise ValueError(f"{name}: accuracies must be fractions from 0 to 1, not percent")
    return _Series(name, where[finite], kept * 100)


def _set_axes(axes: Axes, series: Sequence[_Series]) -> None:
    limits = axis_range(np.concatenate([line.percent for line in series]))
    label = "accuracy in percent"
    if limits.stretched:
        label += " (axis stretched towards 100)"
        axes.set_yscale("function", functions=(stretch, unstretch))
        axes.yaxis.set_major_locator(FixedLocator(STRETCHED_TICKS))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(limits.low, limits.high)
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    epochs = np.concatenate([line.epochs for line in series])
    first, last = float(epochs.min()), float(epochs.max())
    pad = max(0.5, (last - first) * 0.02) if last == first else (last - first) * 0.03
    axes.set_xlim(first - pad, last + pad)
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=16, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    axes.set_xlabel("epoch")
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _draw_line(axes: Axes, line: _Series) -> None:
    colour, marker, dashes = _LOOKS[line.name]
    axes.plot(
        line.epochs,
        line.percent,
        color=colour,
        linestyle=dashes,
        linewidth=1.7,
        marker=marker if line.epochs.size <= _FEW_EPOCHS else "",
        markersize=5,
        clip_on=False,
        label=line.name,
    )


def _write_finals(axes: Axes, series: Sequence[_Series]) -> None:
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [to_axes.transform((line.epochs[-1], line.final)) for line in series]
    places = spread([float(y) for _, y in ends], _LABEL_GAP)
    for line, (x, y), place in zip(series, ends, places, strict=True):
        axes.annotate(
            f"{line.name} {percent(line.final / 100, 2)} %",
            xy=(float(x), float(y)),
            xytext=(1.045, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            color=_LOOKS[line.name][0],
            fontweight="bold",
            fontfamily=BASE_FAMILY,  # the one that surely has a bold face
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkB": 5},
        )
