"""The weights of a layer: kernels, or the maps of a linear layer over images, or a matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.page import MUTED, Figure, Page, styled
from lenetkit.plots.signed import BAR_ROOM, Tiles, colour_bar, draw_signed, magnitude
from lenetkit.plots.words import ENGLISH, Words

MAX_FILTERS = 64
"""Of one input map; side by side."""
MAX_ROWS, MAX_COLUMNS = 24, 16
"""Filters and input maps shown of filters with several input maps."""
MAX_VALUES = 256
"""Inputs and outputs of a matrix."""
_ACROSS = 8
_SMALL, _LARGE = 0.62, 0.95  # inches of a filter, and of one with many weights
_OF_MANY = 0.42
_LARGE_FROM = 12  # weights along a side
_MIN_WIDTH, _MIN_HEIGHT = 5.6, 0.9
_MATRIX = 4.6  # inches of the longer side of a matrix
_LABEL = 0.35


def filters_figure(
    weights: ArrayLike, *, tensor: str, title: str, words: Words = ENGLISH
) -> Figure:
    """Weights (O, I, kh, kw) as O · I pictures, or (O, F) as a matrix.

    All have one colour scale with 0 in its middle. Filters of one input map stand side by side in
    reading order; others have a row each with a column for each input map. How many are left out of
    more than `MAX_FILTERS`, `MAX_ROWS`, `MAX_COLUMNS` or `MAX_VALUES` is said in the heading. An
    empty `title` leaves the heading out but for notes.
    """
    given = np.asarray(weights, np.float64)
    if given.ndim not in (2, 4) or not given.size:
        raise ValueError(f"weights are {given.shape}; expected (O, I, kh, kw) or (O, F)")
    if given.ndim == 2:
        return _matrix(given, tensor, title, words)
    filters, maps = given.shape[:2]
    shown = given[:MAX_FILTERS] if maps == 1 else given[:MAX_ROWS, :MAX_COLUMNS]
    across = min(_ACROSS, filters) if maps == 1 else shown.shape[1]
    pictures = shown.reshape(-1, *given.shape[2:])
    tiles = Tiles(*_tile(given.shape[2:], several=maps > 1), across)
    width, height = tiles.size(len(pictures))
    body = max(height, _MIN_HEIGHT)
    some = words.all_filters if len(shown) == filters else words.filters_shown
    notes = [some.format(shown=len(shown), total=filters)]
    if maps > 1:
        notes += [words.columns] if shown.shape[1] == maps else []
        shown_maps = words.maps_shown.format(shown=shown.shape[1], total=maps)
        notes += [shown_maps] if shown.shape[1] < maps else []
    heading = (words.filters.format(tensor=tensor) if title else "", "", *notes, words.sign)
    with styled(title, *heading) as typeface:
        page = Page(typeface, max(_MIN_WIDTH, width + BAR_ROOM), body, title, *heading)
        limit, bar = magnitude(given), min(body, 2.2)
        tiles.draw(page.sheet(), pictures, limit, 0, body)
        colour_bar(page, width + 0.25, body - bar, bar, limit)
    return page.figure


def _tile(size: tuple[int, ...], *, several: bool) -> tuple[float, float]:
    """Width and height in inches of a filter."""
    longest = max(size)
    side = _LARGE if longest > _LARGE_FROM else _OF_MANY if several else _SMALL
    height, width = (max(side * n / longest, 0.06) for n in size)
    return width, height


def _matrix(weights: NDArray[np.float64], tensor: str, title: str, words: Words) -> Figure:
    """A row an output, a column an input."""
    shown = weights[:MAX_VALUES, :MAX_VALUES]
    notes = []
    for size, total, word in zip(
        shown.shape, weights.shape, (words.outputs_shown, words.inputs_shown), strict=True
    ):
        notes += [word.format(shown=size, total=total)] if size < total else []
    heading = (words.filters.format(tensor=tensor) if title else "", "", *notes, words.sign)
    height, width = (max(_MATRIX * size / max(shown.shape), 0.4) for size in shown.shape)
    with styled(title, words.unit, words.value, *heading) as typeface:
        page_width = max(_MIN_WIDTH, _LABEL + width + BAR_ROOM)
        body = max(height + _LABEL, 1.2)
        page = Page(typeface, page_width, body, title, *heading)
        limit, sheet = magnitude(weights), page.sheet()
        draw_signed(sheet, shown, limit, (_LABEL, _LABEL + width, body - height, body))
        label = {"size": 8.5, "color": MUTED, "ha": "center", "va": "center"}
        page.text(_LABEL + width / 2, body - height - 0.16, words.value, **label)
        page.text(0.16, body - height / 2, words.unit, rotation=90, **label)
        bar = min(max(height, 0.9), 2.2)
        colour_bar(page, _LABEL + width + 0.25, body - bar, bar, limit)
    return page.figure
