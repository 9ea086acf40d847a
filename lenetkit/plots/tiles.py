"""Small images in rows, with a caption below each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import DPI, FAINT, Page

CAPTION_SIZE = 8.5  # points
# Whole pixels: elsewhere, an image's edge is drawn a pixel too far at its corner.
_GAP = 21 / DPI  # inches between tiles
_LINE = 24 / DPI  # inches from one line of a caption to the next
_NARROWEST = 6.2  # inches; a sheet of one image still needs room for its heading
_EMPTY_HEIGHT = 1.4  # inches of a sheet without images


@dataclass(frozen=True)
class Line:
    """One line of a caption."""

    text: str
    colour: str


@dataclass(frozen=True)
class Grid:
    """How many square tiles stand in a row, and how large they are."""

    columns: int
    side: float
    """Inches."""

    @property
    def room(self) -> float:
        """Inches that a line of a caption may take."""
        return self.side + _GAP / 2

    def figure(
        self,
        images: NDArray[np.float64],
        captions: Sequence[Sequence[Line]],
        title: str,
        details: str,
        typeface: Typeface,
    ) -> Figure:
        """`images` (n, H, W, C) from 0 to 1 with their captions, all of equally many lines."""
        columns = min(self.columns, len(images))
        rows = -(-len(images) // columns)
        across, down = self.side + _GAP, self.side + len(captions[0]) * _LINE + _GAP
        width = max(_NARROWEST, columns * across - _GAP)
        page = Page(width, rows * down - _GAP, title, details, typeface)
        axes = page.sheet()
        for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
            row, column = divmod(index, columns)
            left, top = column * across, page.body_height - row * down
            self._draw_image(axes, image, left, top)
            self._write_caption(axes, caption, left, top - self.side)
        return page.figure

    def _draw_image(self, axes: Axes, image: NDArray[np.float64], left: float, top: float) -> None:
        """One image (H, W, C), in the middle of its tile, not stretched."""
        longest = max(image.shape[:2])
        height, width = (self.side * size / longest for size in image.shape[:2])
        left += (self.side - width) / 2
        top -= (self.side - height) / 2
        frame = Rectangle((left, top), width, -height, edgecolor=FAINT, fill=False)
        frame.set_clip_on(False)
        axes.add_patch(frame)  # tells where an image with a white background ends
        axes.imshow(
            image[..., 0] if image.shape[2] == 1 else image,
            cmap="gray",
            vmin=0.0,
            vmax=1.0,
            interpolation="nearest",
            aspect="auto",
            zorder=2,
            extent=(left, left + width, top - height, top),
        )

    def _write_caption(
        self, axes: Axes, caption: Sequence[Line], left: float, bottom: float
    ) -> None:
        middle = left + self.side / 2
        for number, line in enumerate(caption):
            y = bottom - (number + 0.65) * _LINE
            axes.text(
                middle, y, line.text, size=CAPTION_SIZE, color=line.colour, ha="center", va="center"
            )


def empty_sheet(title: str, details: str, message: str, typeface: Typeface) -> Figure:
    """A sheet that says why it shows no images."""
    page = Page(_NARROWEST, _EMPTY_HEIGHT, title, details, typeface)
    page.say(message)
    return page.figure


def first_pixels(images: ArrayLike, most: int) -> NDArray[np.float64]:
    """The first `most` of `images` (N, C, H, W) as (n, H, W, C) from 0 to 1."""
    given = np.asarray(images)
    if not len(given):
        return np.empty((0, 1, 1, 1))
    if given.ndim != 4 or given.shape[1] not in (1, 3):
        raise ValueError(f"images are {given.shape}; expected (N, 1, H, W) or (N, 3, H, W)")
    pixels = given[:most].transpose(0, 2, 3, 1).astype(np.float64)
    if given.dtype == np.uint8:
        return pixels / 255
    pixels = np.nan_to_num(pixels, posinf=0.0, neginf=0.0)
    low, high = pixels.min(initial=0.0), pixels.max(initial=1.0)
    scaled: NDArray[np.float64] = (pixels - low) / (high - low)
    return scaled
