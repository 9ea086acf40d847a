"""Values of either sign in colour: blue below 0, white at 0, red above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import Colormap
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.page import DPI, FAINT, MUTED, Page

_MAP = "RdBu_r"
_FINE = 2 * DPI  # pixels of tiles an inch
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


def _colours() -> Colormap:
    return matplotlib.colormaps[_MAP].with_extremes(bad="#999999")


def draw_signed(axes: Axes, values: NDArray[Any], limit: float, extent: Extent) -> None:
    """Values (H, W), white at 0, in full colour at ± `limit`; grey where they are not finite."""
    shown = np.ma.masked_invalid(np.asarray(values, np.float64))
    _framed(axes, shown, extent, cmap=_colours(), vmin=-limit, vmax=limit)


@dataclass(frozen=True)
class Tiles:
    """Equally large maps in rows, in inches."""

    width: float
    height: float
    across: int
    gap: float = 0.07

    def size(self, count: int) -> tuple[float, float]:
        """Width and height of so many of them."""
        rows = -(-count // self.across)
        return (
            min(count, self.across) * (self.width + self.gap) - self.gap,
            rows * (self.height + self.gap) - self.gap,
        )

    def corner(self, index: int) -> tuple[float, float]:
        """How far right and down one of them begins."""
        row, column = divmod(index, self.across)
        return column * (self.width + self.gap), row * (self.height + self.gap)

    def draw(self, axes: Axes, maps: NDArray[Any], limit: float, left: float, top: float) -> None:
        """Maps (n, H, W) from an upper left corner, in colours as of `draw_signed`.

        One picture for all of them: hundreds would take a minute.
        """
        width, height = self.size(len(maps))
        canvas = np.zeros((round(height * _FINE), round(width * _FINE), 4), np.uint8)
        rows, columns = (max(round(side * _FINE), 1) for side in (self.height, self.width))
        down = np.arange(rows) * maps.shape[1] // rows
        across = np.arange(columns) * maps.shape[2] // columns
        coloured = _colours()((np.ma.masked_invalid(maps) / limit + 1) / 2, bytes=True)
        frames = []
        for index, colours in enumerate(coloured):
            x, y = self.corner(index)
            place = canvas[round(y * _FINE) :, round(x * _FINE) :][:rows, :columns]
            enlarged = colours[down[:, None], across]
            place[...] = enlarged[: place.shape[0], : place.shape[1]]
            frames.append(Rectangle((left + x, top - y), self.width, -self.height))
        extent = (left, left + width, top - height, top)
        axes.imshow(canvas, extent=extent, interpolation="nearest", aspect="auto", zorder=2)
        edges = PatchCollection(frames, facecolor="none", edgecolor=FAINT, linewidth=0.5)
        edges.set(zorder=3, clip_on=False)
        axes.add_collection(edges, autolim=False)


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


def colour_bar(
    page: Page, left: float, bottom: float, height: float, limit: float, *, signed: bool = True
) -> None:
    """The scale of `draw_signed`, upright, with its ends and 0; unless `signed`, from 0."""
    axes = page.axes(left, bottom, _BAR, height)
    ticks = {-limit: f"−{limit:.2g}", 0.0: "0", limit: f"{limit:.2g}"}
    ends = {place: text for place, text in ticks.items() if signed or place >= 0}
    low = min(ends)
    axes.imshow(
        np.linspace(low, limit, 256)[:, None],
        extent=(0, 1, low, limit),
        origin="lower",
        aspect="auto",
        cmap=_MAP,
        vmin=-limit,
        vmax=limit,
    )
    axes.yaxis.tick_right()
    axes.set(xticks=(), yticks=list(ends))
    axes.set_yticklabels(list(ends.values()), size=_TICK_SIZE)
    axes.tick_params(length=2, color=MUTED)
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT, linewidth=0.5)
