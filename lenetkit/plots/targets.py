"""What a regression gives, over what it should."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lenetkit.plots.chart import finite_points
from lenetkit.plots.page import BLUE, GRID, MUTED, Figure, Page, styled

_SIDE = 5.0
"""Inches of the axes, which are square."""
_MANY = 2000
"""Points from which on they are drawn smaller and fainter."""


def targets_figure(targets: ArrayLike, outputs: ArrayLike, *, title: str, dataset: str) -> Figure:
    """A network's `outputs` over their `targets`, both (N, K), on one scale, with y = x."""
    x, y = finite_points(np.ravel(targets), np.ravel(outputs), "targets", "outputs")
    with styled(title, dataset) as typeface:
        page = Page(typeface, _SIDE + 0.75, _SIDE + 0.6, title, "Outputs over targets", dataset)
        if not x.size:
            page.say("No finite value was given.")
            return page.figure
        axes = page.axes(0.75, 0.5, _SIDE, _SIDE)
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        pad = 0.03 * (high - low) or 0.5
        axes.grid(True, color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.plot([low, high], [low, high], "--", color=MUTED, linewidth=1.0)
        size, strength = (3.5, 0.6) if x.size < _MANY else (2.0, 0.25)
        axes.plot(x, y, "o", color=BLUE, markersize=size, alpha=strength, markeredgewidth=0)
        axes.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad))
        axes.set(xlabel="target", ylabel="output")
    return page.figure
