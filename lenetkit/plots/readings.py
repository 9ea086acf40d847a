"""What `predict` found on pictures: each digit's box, and the images that the network saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from lenetkit.data.images import read_picture
from lenetkit.data.readings import Digit, Reading
from lenetkit.errors import ImageError
from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import FAINT, GREEN, INK, MUTED, VERMILION, Figure, Page, styled
from lenetkit.text import percent

MAX_PICTURES = 40
_COLUMNS = 4
_MIN_WIDTH = 6.2  # inches
_WIDTH, _HEIGHT = 2.6, 1.95  # inches of a picture
_SEEN = 0.56  # inches of an image that the network saw
_PER_PICTURE = 4  # such images below a picture
_LINE = 0.16  # inches
_BELOW = _SEEN + 3.4 * _LINE
_GAP = 0.3
_SIZE = 8.0  # points
_SIDE = 720  # pixels of a picture that are drawn


def readings_figure(readings: Sequence[Reading], *, dataset: str) -> Figure:
    """A sheet of the first `MAX_PICTURES` pictures with what was found on each.

    Below a picture are its answer, or the reason why it is refused, and the images that the network
    saw, from left to right.
    """
    shown = readings[:MAX_PICTURES]
    some = f"{len(shown)} of {len(readings)}" if len(shown) < len(readings) else str(len(shown))
    refused = sum(1 for reading in readings if reading.reason)
    what = f"pictures: {some}; read: {len(readings) - refused}, refused: {refused}"
    columns = min(_COLUMNS, max(1, len(shown)))
    across, down = _WIDTH + _GAP, _HEIGHT + _BELOW + _GAP
    rows = -(-len(shown) // columns)
    with styled(dataset, *map(_answer, shown)) as typeface:
        width = max(_MIN_WIDTH, columns * across - _GAP)
        page = Page(typeface, width, rows * down - _GAP, "What was found", what, dataset)
        sheet = page.sheet()
        for index, reading in enumerate(shown):
            row, column = divmod(index, columns)
            left, top = column * across, page.body_height - row * down
            _draw_picture(sheet, reading, left, top)
            _draw_answer(sheet, reading, left, top - _HEIGHT, typeface)
        return page.figure


def _answer(reading: Reading) -> str:
    if reading.reason:
        return "refused: " + reading.reason.removeprefix(f"{reading.path}: ")
    chances = " · ".join(percent(float(d.probabilities.max()), 1) for d in reading.digits)
    return f"{reading.label}: {chances}"


def _draw_picture(axes: Axes, reading: Reading, left: float, top: float) -> None:
    """The picture in the middle of its field, with a box round each digit."""
    field = Rectangle((left, top), _WIDTH, -_HEIGHT, edgecolor=FAINT, fill=False, linewidth=0.6)
    axes.add_patch(field)
    try:
        picture = read_picture(reading.path, max_side=_SIDE)
    except ImageError:
        x, y = left + _WIDTH / 2, top - _HEIGHT / 2
        axes.text(x, y, "not a picture", size=_SIZE, color=MUTED, ha="center", va="center")
        return
    scale = min(_WIDTH / picture.width, _HEIGHT / picture.height)
    width, height = picture.width * scale, picture.height * scale
    x, y = left + (_WIDTH - width) / 2, top - (_HEIGHT - height) / 2
    _draw_image(axes, picture.pixels.transpose(1, 2, 0), (x, x + width, y - height, y))
    colour = VERMILION if reading.reason else GREEN
    for digit in reading.found:
        x0, y0, x1, y1 = (scale * place for place in digit.box)
        box = Rectangle((x + x0, y - y0), x1 - x0, y0 - y1, edgecolor=colour, fill=False, zorder=3)
        axes.add_patch(box)


def _draw_answer(axes: Axes, reading: Reading, left: float, top: float, typeface: Typeface) -> None:
    """The file's name, the answer, and what the network saw."""
    name = typeface.fit(reading.path.name, _SIZE, _WIDTH)
    lines = [
        *name,
        *typeface.fit(_answer(reading), _SIZE, _WIDTH, lines=2 + 3 * (not reading.found)),
    ]
    for number, line in enumerate(lines):
        colour = MUTED if number < len(name) else VERMILION if reading.reason else INK
        axes.text(left, top - (number + 0.9) * _LINE, line, size=_SIZE, color=colour)
    for number, digit in enumerate(reading.found[:_PER_PICTURE]):
        _draw_seen(axes, digit, left + number * (_SEEN + 0.08), top - (len(lines) + 0.4) * _LINE)


def _draw_seen(axes: Axes, digit: Digit, left: float, top: float) -> None:
    image = digit.image.transpose(1, 2, 0).astype(np.float32) / np.float32(255)
    _draw_image(axes, image, (left, left + _SEEN, top - _SEEN, top))


def _draw_image(
    axes: Axes, image: np.typing.NDArray[np.float32], extent: tuple[float, float, float, float]
) -> None:
    """An image (H, W, C) in 0..1 between left, right, bottom and top."""
    pixels = np.clip(image[..., 0] if image.shape[2] == 1 else image, 0, 1)
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, aspect="auto", extent=extent, zorder=2)
