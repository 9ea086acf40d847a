"""Small images in rows, with a caption below each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import DPI, FAINT, Figure, Page

CAPTION_SIZE = 8.5  # points
# Whole pixels: otherwise an image's edge is drawn a pixel too far at its corner.
_GAP = 21 / DPI  # inches between tiles
_LINE = 24 / DPI  # inches from one line of a caption to the next
_MIN_WIDTH = 6.2  # inches; a sheet of one image still needs room for its heading
_EMPTY_HEIGHT = 1.4  # inches of a sheet without images

Line = tuple[str, str]
"""Text and colour of a line of a caption."""


@dataclass(frozen=True)
class Grid:
    """How many square tiles stand in a row, and their sides in inches."""

    columns: int
    side: float

    @property
    def room(self) -> float:
        """Inches that a line of a caption may take."""
        return self.side + _GAP / 2

    def figure(
        self,
        typeface: Typeface,
        images: NDArray[np.float64],
        captions: Sequence[Sequence[Line]],
        heading: Sequence[str],
        empty: str,
    ) -> Figure:
        """`images` (n, H, W, C) in 0..1 with their captions, or the sentence `empty` without any.

        The captions have equally many lines; `heading` holds the strings of `Page`'s.
        """
        if not len(images):
            page = Page(typeface, _MIN_WIDTH, _EMPTY_HEIGHT, *heading)
            page.say(empty)
            return page.figure
        columns = min(self.columns, len(images))
        rows = -(-len(images) // columns)
        across, down = self.side + _GAP, self.side + len(captions[0]) * _LINE + _GAP
        width = max(_MIN_WIDTH, columns * across - _GAP)
        page = Page(typeface, width, rows * down - _GAP, *heading)
        axes = page.sheet()
        for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
            row, column = divmod(index, columns)
            left, top = column * across, page.body_height - row * down
            self._draw_image(axes, image, left, top)
            for number, (text, colour) in enumerate(caption):
                x, y = left + self.side / 2, top - self.side - (number + 0.65) * _LINE
                axes.text(x, y, text, size=CAPTION_SIZE, color=colour, ha="center", va="center")
        return page.figure

    def _draw_image(self, axes: Axes, image: NDArray[np.float64], left: float, top: float) -> None:
        """One image (H, W, C), in the middle of its tile, not stretched."""
        longest = max(image.shape[:2])
        height, width = (self.side * size / longest for size in image.shape[:2])
        left += (self.side - width) / 2
        top -= (self.side - height) / 2
        # The frame shows where an image with a white background ends.
        frame = Rectangle((left, top), width, -height, edgecolor=FAINT, fill=False)
        frame.set_clip_on(False)
        axes.add_patch(frame)
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


def first_pixels(images: ArrayLike, count: int) -> NDArray[np.float64]:
    """The first `count` of `images` (N, C, H, W) as (n, H, W, C) in 0..1."""
    given = np.asarray(images)
    if not len(given):
        return np.empty((0, 1, 1, 1))
    if given.ndim != 4 or given.shape[1] not in (1, 3):
        raise ValueError(f"images are {given.shape}; expected (N, 1, H, W) or (N, 3, H, W)")
    pixels = given[:count].transpose(0, 2, 3, 1).astype(np.float64)
    if given.dtype == np.uint8:
        return pixels / 255
    pixels = np.nan_to_num(pixels, posinf=0.0, neginf=0.0)
    low, high = pixels.min(initial=0.0), pixels.max(initial=1.0)
    scaled: NDArray[np.float64] = (pixels - low) / (high - low)
    return scaled
