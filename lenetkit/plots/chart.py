"""Line charts: the points to draw, and axes with a grid."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.page import GRID, Page

Floats = NDArray[np.float64]


def finite_points(x: ArrayLike, y: ArrayLike, x_name: str, y_name: str) -> tuple[Floats, Floats]:
    """The x (n,) and y (n,) of the points whose coordinates are both finite."""
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise ValueError(f"{x_name} {xs.shape} and {y_name} {ys.shape} must be equal and (n,)")
    finite = np.isfinite(xs) & np.isfinite(ys)
    return xs[finite], ys[finite]


def chart(page: Page, left: float, bottom: float, right: float, top: float, max_ticks: int) -> Axes:
    """Axes with a grid and integer x ticks, at these distances in inches from the body's edges."""
    width, height = page.width - left - right, page.body_height - bottom - top
    axes = page.axes(left, bottom, width, height)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=max_ticks, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    return axes


def set_log_ticks(axes: Axes, ratio: float) -> None:
    """Ticks of a logarithmic axis whose ends have this ratio, as plain numbers."""
    subs = [1.0] if ratio > 1000 else [1.0, 2.0, 5.0]
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
