"""Which values of an image change the answer: the gradient beside the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.plots.page import MUTED, Figure, Page, styled
from lenetkit.plots.signed import BAR_ROOM, colour_bar, draw_picture, draw_signed, magnitude
from lenetkit.plots.words import ENGLISH, Words

_SIDE = 2.6  # inches of the longer side
_GAP = 0.3
_SIZE = 8.5  # points
_LINE = _SIZE * 1.3 / 72


def saliency_figure(
    image: NDArray[Any],
    gradient: NDArray[Any],
    *,
    name: str,
    title: str,
    told: str = "",
    note: str = "",
    words: Words = ENGLISH,
) -> Figure:
    """An `image` (C, H, W) and the `gradient` (C, H, W) of the output called `name`, side by side.

    Of one channel the sign is kept; of several, the largest magnitude is drawn, as Simonyan et al.
    do. `told` is the answer in words, and `note` says which image it is.
    """
    if np.ndim(gradient) != 3 or np.shape(image) != np.shape(gradient):
        expected = "expected both (C, H, W)"
        raise ValueError(f"image {np.shape(image)}, gradient {np.shape(gradient)}; {expected}")
    channels, rows, columns = gradient.shape
    values = gradient[0] if channels == 1 else np.abs(gradient).max(axis=0)
    below = words.brighter.format(name=name) if channels == 1 else words.magnitude
    heading = (words.saliency, "", told, note, words.gradient_of.format(name=name))
    height, width = (max(_SIDE * size / max(rows, columns), 0.1) for size in (rows, columns))
    with styled(title, below, words.seen, *heading) as typeface:
        labels = [
            typeface.fit(text, _SIZE, room, lines=2)
            for text, room in ((words.seen, width), (below, width + BAR_ROOM))
        ]
        body = max(height, 0.9) + 0.1 + max(map(len, labels)) * _LINE
        page = Page(typeface, 2 * width + _GAP + BAR_ROOM, body, title, *heading)
        sheet, limit, top = page.sheet(), magnitude(values), page.body_height
        right = width + _GAP
        draw_picture(sheet, image, (0, width, top - height, top))
        draw_signed(sheet, values, limit, (right, right + width, top - height, top))
        bar = max(height, 0.9)
        colour_bar(page, right + width + 0.2, top - bar, bar, limit, signed=channels == 1)
        for x, lines in zip((0.0, right), labels, strict=True):
            page.text(x, top - height - 0.1, "\n".join(lines), size=_SIZE, color=MUTED, va="top")
    return page.figure
