"""Figures by layer and step: what a diagnosis watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from lenetkit.plots.chart import finite_points
from lenetkit.plots.page import BLUE, FAINT, GRID, INK, Page, styled

_CELL = 0.24  # inches a layer
_WIDTH, _LABELS, _PANEL_GAP, _LOSS = 10.0, 0.9, 0.62, 1.5
_NONE = "#f4f4f4"


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
    rows = len(layers) * _CELL
    columns = 2
    lines = -(-len(panels) // columns)
    height = _LOSS + lines * (rows + _PANEL_GAP)
    with styled(title, dataset, *layers, *panels) as typeface:
        what = "Loss, and each layer at the steps that were looked at"
        page = Page(typeface, _WIDTH, height, title, what, dataset)
        _loss(page, height, losses, constant)
        width = (_WIDTH - columns * _LABELS - 0.9) / columns
        for index, (name, values) in enumerate(panels.items()):
            left = _LABELS + (index % columns) * (width + _LABELS + 0.7)
            bottom = height - _LOSS - (index // columns + 1) * (rows + _PANEL_GAP) + 0.3
            axes = page.axes(left, bottom, width, rows)
            _panel(page, axes, name, np.asarray(values, np.float64), np.asarray(steps), layers)
    return page.figure


def _loss(page: Page, height: float, losses: ArrayLike, constant: float) -> None:
    y = np.asarray(losses, np.float64)
    x, y = finite_points(np.arange(1, len(y) + 1), y, "steps", "losses")
    axes = page.axes(_LABELS, height - _LOSS + 0.45, _WIDTH - _LABELS, _LOSS - 0.5)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.plot(x, y, color=BLUE, linewidth=0.9)
    if np.isfinite(constant):
        axes.axhline(constant, color=INK, linewidth=0.9, linestyle="--")
    if y.size and y.min() > 0 and y.max() > 20 * y.min():
        axes.set_yscale("log")
    axes.set(ylabel="loss", xlabel="step; the dashed line is the loss of guessing by frequency")
    if x.size:
        axes.set_xlim(0, x.max())


def _panel(
    page: Page, axes: Axes, name: str, values: Any, steps: Any, layers: Sequence[str]
) -> None:
    shown = np.where(np.isfinite(values), values, np.nan)
    known = shown[np.isfinite(shown)]
    positive = known[known > 0]
    norm: Normalize = Normalize(0, 1)
    if name not in ("dead", "flat") and positive.size:
        low, high = max(positive.min(), positive.max() * 1e-8), positive.max()
        norm = LogNorm(low, high * 1.001)
        shown = np.where(shown <= low, low, shown)
    axes.set_facecolor(_NONE)
    image = axes.pcolormesh(np.ma.masked_invalid(shown), norm=norm, cmap="viridis", linewidth=0)
    axes.invert_yaxis()
    axes.set_yticks(np.arange(len(layers)) + 0.5, layers, fontsize=7.5)
    every = max(1, len(steps) // 8)
    axes.set_xticks(np.arange(len(steps))[::every] + 0.5, [f"{s:,}" for s in steps[::every]])
    axes.tick_params(length=0, labelsize=7.5)
    axes.set_title(name, fontsize=9, loc="left")
    bar = page.figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_edgecolor(FAINT)
