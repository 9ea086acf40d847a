"""Curves of several runs over one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from lenetkit.plots.accuracy import axis_ticks, stretch, unstretch
from lenetkit.plots.chart import Floats, finite_points, set_log_ticks
from lenetkit.plots.page import BLUE, GREEN, GRID, INK, MUTED, VERMILION, Figure, Page, styled
from lenetkit.plots.words import ENGLISH, Words

_COLOURS = (BLUE, VERMILION, GREEN, "#cc79a7", "#e69f00", "#56b4e9", INK)
_MARKERS = "osD^vPX*<>p"
_LINES = ("-", "--", ":", "-.")
# 7, 11 and 4 have no common factor: 308 groups look different, 44 of them without colour.
_MAX_MARKERS = 12
_LISTED = 30
"""Groups that the key names."""
_WIDTH, _HEIGHT = 9.0, 3.0
_KEY = 3.1  # inches of the key beside the curves
_LINE = 0.2  # inches between lines of the key


@dataclass(frozen=True)
class Curves:
    """One figure of runs that differ by seed alone: a line each, and a name for all."""

    name: str
    lines: Sequence[tuple[ArrayLike, ArrayLike]]
    """Epochs and values, both (n,)."""


def overlay_figure(
    panels: Mapping[str, Sequence[Curves]],
    *,
    title: str,
    dataset: str,
    what: str,
    words: Words = ENGLISH,
) -> Figure:
    """Panels of curves by epoch, one below the other, by the figure that they show.

    Each has the same groups in the same order; figures are those of `Words`, and `test_accuracy`
    takes fractions from 0 to 1. The lines of several runs are thin, and their mean is drawn over
    them.
    """
    groups = next(iter(panels.values()), [])
    names = [group.name for group in groups]
    listed = names[:_LISTED]
    with styled(title, dataset, words.characters, *names) as typeface:
        texts = [typeface.fit(name, 9.0, _KEY - 0.65, lines=3) for name in listed]
        if len(names) > _LISTED:
            texts.append([words.more_groups.format(count=len(names) - _LISTED)])
        needed = sum(len(text) * _LINE + 0.06 for text in texts)
        height = max(_HEIGHT * max(len(panels), 1), needed + 0.2)
        page = Page(typeface, _WIDTH, height, title, what, dataset)
        if not any(_points(group) for curves in panels.values() for group in curves):
            page.say(words.no_epoch)
            return page.figure
        each = height / len(panels)
        for i, (name, curves) in enumerate(panels.items()):
            bottom = height - (i + 1) * each + 0.5
            axes = page.axes(0.75, bottom, _WIDTH - _KEY - 0.75, each - 0.7)
            _draw(axes, name, curves, words)
        _key(page, height, texts, len(listed))
    return page.figure


def _draw(axes: Axes, name: str, curves: Sequence[Curves], words: Words) -> None:
    drawn = [_points(group) for group in curves]
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    axes.set(xlabel=words.epoch, ylabel=getattr(words, name))
    values = np.concatenate([y for lines in drawn for _, y in lines] or [np.zeros(0)])
    if name == "test_accuracy":
        lowest = _lowest(100 * values)
        axes.set_yscale("function", functions=(stretch, unstretch))
        axes.set_ylim(lowest, 100)
        axes.yaxis.set_major_locator(FixedLocator(axis_ticks(lowest)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    elif values.size and values.min() > 0:
        axes.set_yscale("log")
        axes.set_ylim(values.min() * 0.9, values.max() * 1.1)
        set_log_ticks(axes, float(values.max() / values.min()))
    scale = 100 if name == "test_accuracy" else 1
    for i, lines in enumerate(drawn):
        if len(lines) > 1:
            for x, y in lines:
                axes.plot(x, y * scale, color=_COLOURS[i % len(_COLOURS)], lw=0.6, alpha=0.55)
        if lines:
            x, y = _mean(lines)
            axes.plot(x, y * scale, **_look(i), markevery=_every(i, len(x)))


def _lowest(percents: Floats) -> float:
    """Where the axis of accuracies begins: just below what most epochs reach."""
    low = float(np.quantile(percents, 0.02)) if percents.size else 0.0
    return max((step for step in (0, 50, 80, 90, 95, 98) if step <= low), default=0)


def _points(group: Curves) -> list[tuple[Floats, Floats]]:
    found = [finite_points(x, y, "epochs", group.name) for x, y in group.lines]
    return [line for line in found if line[0].size]


def _mean(lines: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """The mean of all lines at the epochs that all have."""
    epochs = lines[0][0]
    for x, _ in lines[1:]:
        epochs = np.intersect1d(epochs, x)
    return epochs, np.mean([y[np.isin(x, epochs)] for x, y in lines], axis=0)


def _look(i: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[i % len(_COLOURS)],
        "marker": _MARKERS[i % len(_MARKERS)],
        "linestyle": _LINES[i % len(_LINES)],
        "linewidth": 1.7,
        "markersize": 5,
    }


def _every(i: int, n: int) -> tuple[int, int]:
    """Which points have markers: not the same for neighbouring groups."""
    step = max(1, -(-n // _MAX_MARKERS))
    return i % step, step


def _key(page: Page, height: float, texts: Sequence[Sequence[str]], listed: int) -> None:
    """The groups' names beside the curves, each with a piece of its line."""
    left, top = _WIDTH - _KEY + 0.2, height - 0.2
    sheet = page.sheet()
    for i, lines in enumerate(texts):
        if i < listed:
            sheet.add_line(Line2D([left, left + 0.18, left + 0.36], [top] * 3, **_look(i)))
        x = left + 0.45 if i < listed else left
        colour = INK if i < listed else MUTED
        page.text(x, top + 0.08, "\n".join(lines), size=9.0, color=colour, va="top")
        top -= len(lines) * _LINE + 0.06
