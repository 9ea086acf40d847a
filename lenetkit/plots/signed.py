"""Values of either sign in colour: blue below 0, white at 0, red above."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.page import FAINT, MUTED, Page

_MAP = "RdBu_r"
_BAR = 0.13  # inches
_TICK_SIZE = 8.0  # points
BAR_ROOM = 0.85
"""Inches that a colour bar takes, with its numbers and the gap before it."""
Extent = tuple[float, float, float, float]
"""Left, right, bottom, top."""


def magnitude(values: ArrayLike) -> float:
    """The largest finite magnitude, or 1 where there is none above 0: the end of the scale."""
    sizes = np.abs(np.asarray(values, np.float64))
    return float(np.max(sizes, where=np.isfinite(sizes), initial=0.0)) or 1.0


def draw_signed(axes: Axes, values: NDArray[Any], limit: float, extent: Extent) -> None:
    """Values (H, W), white at 0, in full colour at ± `limit`; grey where they are not finite."""
    colours = matplotlib.colormaps[_MAP].with_extremes(bad="#999999")
    shown = np.ma.masked_invalid(np.asarray(values, np.float64))
    _framed(axes, shown, extent, cmap=colours, vmin=-limit, vmax=limit)


def draw_picture(axes: Axes, image: NDArray[Any], extent: Extent) -> None:
    """An image (C, H, W), in colour where it has three channels; of others the first."""
    values = np.nan_to_num(np.asarray(image, np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / ((high - low) or 1.0)
    pixels = scaled.transpose(1, 2, 0) if len(scaled) == 3 else scaled[0]
    _framed(axes, pixels, extent, cmap="gray", vmin=0.0, vmax=1.0)


def _framed(axes: Axes, pixels: Any, extent: Extent, **colours: Any) -> None:
    left, right, bottom, top = extent
    frame = Rectangle((left, bottom), right - left, top - bottom, edgecolor=FAINT, fill=False)
    frame.set(linewidth=0.5, zorder=3, clip_on=False)
    axes.add_artist(frame)
    axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="auto", zorder=2, **colours)


def colour_bar(page: Page, left: float, bottom: float, height: float, limit: float) -> None:
    """The scale of `draw_signed`, upright, with its ends and 0."""
    axes = page.axes(left, bottom, _BAR, height)
    ramp = np.linspace(-limit, limit, 256)[:, None]
    axes.imshow(ramp, extent=(0, 1, -limit, limit), origin="lower", aspect="auto", cmap=_MAP)
    axes.yaxis.tick_right()
    axes.set(xticks=(), yticks=(-limit, 0, limit))
    axes.set_yticklabels([f"−{limit:.2g}", "0", f"{limit:.2g}"], size=_TICK_SIZE)
    axes.tick_params(length=2, color=MUTED)
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT, linewidth=0.5)
