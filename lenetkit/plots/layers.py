"""Figures by layer and step: what a diagnosis watched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.chart import Floats, finite_points, set_log_ticks
from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import BLUE, GRID, INK, Page, styled

_COLUMNS = 2
_CELL, _MOST = 0.24, 12.0  # inches a layer, and for all of them
_SIZE = 7.5  # of the names, in points
_WIDTH, _LABELS, _LOSS = 10.0, 1.0, 1.7
_GAP, _TICKS, _BETWEEN, _BAR = 0.75, 0.3, 1.0, 0.75
_NONE = "#f4f4f4"
_SPAN = 1e-8
"""Values below this share of the largest have the colour of the smallest."""
_STEPS_SHOWN = 9


def layers_figure(
    steps: ArrayLike,
    panels: Mapping[str, ArrayLike],
    layers: Sequence[str],
    losses: ArrayLike,
    *,
    constant: float,
    title: str,
    dataset: str,
) -> Figure:
    """The loss of each step, and below it, panels that colour a figure by layer and step.

    `steps` (n,) are the steps of the panels' columns; each panel is (layers, n), NaN where a layer
    has no such figure, and is coloured on a logarithmic scale if all its values are positive.
    `losses` are of each step; `constant` is the loss of outputs that ignore the image.
    """
    rows = len(layers) * min(_CELL, _MOST / max(len(layers), 1))
    lines = -(-len(panels) // _COLUMNS)
    height = _LOSS + lines * (rows + _GAP)
    with styled(title, dataset, *layers, *panels) as typeface:
        what = "Loss of each step, and every layer at the steps in which it was looked at"
        page = Page(typeface, _WIDTH, height, title, what, dataset)
        _draw_loss(page, np.asarray(losses, np.float64), constant)
        width = (_WIDTH - _LABELS - (_COLUMNS - 1) * _BETWEEN - _BAR) / _COLUMNS
        for index, (name, values) in enumerate(panels.items()):
            line, column = divmod(index, _COLUMNS)
            left = _LABELS + column * (width + _BETWEEN)
            bottom = height - _LOSS - (line + 1) * (rows + _GAP) + _TICKS
            axes = page.axes(left, bottom, width, rows)
            bar = page.axes(left + width + 0.08, bottom, 0.12, rows)
            _draw_panel(axes, bar, name, np.asarray(values, np.float64))
            if column == 0:
                _set_layers(axes, layers, typeface)
            else:
                axes.set_yticks([])
            _set_steps(axes, np.asarray(steps))
    return page.figure


def _draw_loss(page: Page, losses: Floats, constant: float) -> None:
    x, y = finite_points(np.arange(1, len(losses) + 1), losses, "steps", "losses")
    axes = page.axes(_LABELS, page.body_height - _LOSS + 0.5, _WIDTH - _LABELS, _LOSS - 0.5)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.plot(x, y, color=BLUE, linewidth=0.9)
    if y.size and y.min() > 0 and y.max() > 20 * y.min():
        axes.set_yscale("log")
        set_log_ticks(axes, y.max() / y.min())
    if np.isfinite(constant):
        axes.axhline(constant, color=INK, linewidth=0.9, linestyle="--")
    axes.set(ylabel="loss", xlabel="step (dashed: the best outputs that ignore the image)")
    axes.set_xlim(0, max(len(losses), 1))


def _draw_panel(axes: Axes, bar: Axes, name: str, values: Floats) -> None:
    """Colour the values: shares from 0 to 1, everything else on a logarithmic scale."""
    known = values[np.isfinite(values) & (values > 0)]
    is_share = name in ("dead", "flat")
    norm: Normalize = Normalize(0, 1)
    if not is_share:
        high = float(known.max(initial=1e-30))
        low = max(float(known.min(initial=high)), high * _SPAN)
        norm = LogNorm(low, high if high > 1.01 * low else 10 * low)
        values = np.where(values < low, low, values)
    shown = np.ma.masked_invalid(values)
    mesh = axes.pcolormesh(shown, norm=norm, cmap="viridis", linewidth=0, rasterized=True)
    axes.set_facecolor(_NONE)
    axes.invert_yaxis()
    axes.tick_params(length=0, labelsize=_SIZE)
    axes.set_title(name, fontsize=9, loc="left")
    axes.figure.colorbar(mesh, cax=bar, format="{x:.1f}" if is_share else "{x:.0e}")
    bar.tick_params(labelsize=7, length=2)
    bar.yaxis.set_minor_locator(NullLocator())


def _set_layers(axes: Axes, layers: Sequence[str], typeface: Typeface) -> None:
    every = max(1, math.ceil(len(layers) * _CELL / _MOST))
    places = np.arange(len(layers))[::every]
    names = [typeface.fit(layers[i], _SIZE, _LABELS - 0.15, lines=1)[0] for i in places.tolist()]
    axes.set_yticks(places + 0.5, names)


def _set_steps(axes: Axes, steps: NDArray[Any]) -> None:
    every = -(-len(steps) // _STEPS_SHOWN)
    places = np.arange(len(steps))[::every]
    axes.set_xticks(places + 0.5, [f"{step:,}" for step in steps[::every]])
