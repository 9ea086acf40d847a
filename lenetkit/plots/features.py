"""What every layer makes of an image: maps in colour, values as bars, and the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lenetkit.plots.page import BLUE, FAINT, GREEN, INK, MUTED, VERMILION, Figure, Page, styled
from lenetkit.plots.signed import Tiles, draw_picture, magnitude
from lenetkit.plots.words import ENGLISH, Words
from lenetkit.text import percent

MAX_VALUES = 512
"""Values of a layer drawn as bars."""
MAX_CLASSES = 12
_ROOM = 8.4  # inches of a layer's maps
_LEFT = 1.5  # inches of the captions
_SIDE, _ROWS = 0.455, 2  # inches of a map, and rows of them
_ALONE_SIDE, _ALONE_ROWS = 0.98, 10  # of one layer alone
_GAP = 0.07
_SPACE = 0.2  # inches between two layers
_SIZE = 8.5  # points
_LINE = _SIZE * 1.3 / 72
_BARS = 0.5
_ANSWER = 0.78


@dataclass(frozen=True)
class Answer:
    """What a network makes of an image: a name and a probability for each class."""

    classes: Sequence[str]
    probabilities: NDArray[Any]

    @property
    def name(self) -> str:
        """The most probable class."""
        return self.classes[int(np.argmax(self.probabilities))]

    def told(self, words: Words) -> str:
        """In words, with its probability."""
        chance = percent(float(np.max(self.probabilities)), 1, " %")
        return words.answer.format(name=self.name, chance=chance)


def features_figure(
    image: NDArray[Any],
    layers: Mapping[str, NDArray[Any]],
    *,
    title: str,
    answer: Answer | None = None,
    note: str = "",
    words: Words = ENGLISH,
) -> Figure:
    """The outputs of `layers`, each (C, H, W) or (F,), for an `image` (C, H, W), or (F,).

    Maps have their layer's colour scale, white at 0; values are bars. Of many maps the first are
    drawn, and the caption says how many there are. One layer alone is drawn larger, with more of
    its maps. `note` says which image it is. An empty `title` leaves the heading out but for notes.
    """
    alone = len(layers) == 1
    blocks = [_Block(name, np.asarray(values), alone, words) for name, values in layers.items()]
    first = _Block(words.input, np.asarray(image), alone, words, is_picture=True)
    told = [answer.told(words)] if answer else []
    heading = (words.features if title else "", "", *told, note, words.each_scale)
    names = answer.classes if answer else ()
    with styled(title, *heading, *names, *layers) as typeface:
        drawn = [first, *blocks]
        below = _ANSWER + _SPACE if answer else 0.0
        height = sum(block.height + _SPACE for block in drawn) - _SPACE + below
        page = Page(typeface, _LEFT + _ROOM, height, title, *heading)
        sheet, top = page.sheet(), height
        for block in drawn:
            block.draw(page, sheet, top)
            top -= block.height + _SPACE
        if answer:
            _draw_answer(page, sheet, answer, top, words)
    return page.figure


@dataclass(frozen=True)
class _Block:
    """A layer's output, with its caption left of it."""

    name: str
    values: NDArray[Any]
    alone: bool
    words: Words
    is_picture: bool = False

    @property
    def is_maps(self) -> bool:
        return self.values.ndim == 3 and math.prod(self.values.shape[1:]) > 1

    @property
    def tiles(self) -> Tiles:
        """How the maps are laid out: as many in a row as there is room for."""
        side = _ALONE_SIDE if self.alone else _SIDE
        height, width = self.values.shape[-2:]
        scale = min(side / height, _ROOM / width)
        width, height = max(width * scale, 0.06), max(height * scale, 0.06)
        return Tiles(width, height, max(1, int((_ROOM + _GAP + 1e-6) // (width + _GAP))), _GAP)

    @property
    def shown(self) -> int:
        """How many maps or values are drawn."""
        if not self.is_maps:
            return min(self.values.size, MAX_VALUES)
        if self.is_picture and len(self.values) == 3:
            return 1
        rows = _ALONE_ROWS if self.alone else _ROWS
        return min(len(self.values), rows * self.tiles.across)

    @property
    def caption(self) -> list[str]:
        """Name, size, and where there are more than are drawn, how many."""
        shape = self.values.shape
        size = f"{shape[0]:,} @ {shape[1]}×{shape[2]}" if len(shape) == 3 else f"{shape[0]:,}"
        limit = "" if self.is_picture and self.is_maps else f"  [{magnitude(self.values):.2g}]"
        total = len(self.values) if self.is_maps else self.values.size
        lines = [self.name, size + limit]
        if self.shown < total and not (self.is_picture and self.is_maps):
            lines.append(self.words.shown.format(shown=self.shown, total=total))
        return lines

    @property
    def height(self) -> float:
        drawn = self.tiles.size(self.shown)[1] if self.is_maps else _BARS
        return max(drawn, len(self.caption) * _LINE)

    def draw(self, page: Page, sheet: Axes, top: float) -> None:
        for number, line in enumerate(self.caption):
            text = " ".join(page.typeface.fit(line, _SIZE, _LEFT - 0.1))
            colour = INK if number == 0 else MUTED
            y = top - (number + 0.5) * _LINE
            sheet.text(0, y, text, size=_SIZE, color=colour, va="center")
        if self.is_maps:
            self._draw_maps(sheet, top)
        else:
            self._draw_bars(page, top)

    def _draw_maps(self, sheet: Axes, top: float) -> None:
        tiles = self.tiles
        if not self.is_picture:
            maps, limit = self.values[: self.shown], magnitude(self.values)
            tiles.draw(sheet, maps, limit, _LEFT, top)
            return
        pictures = [self.values] if self.shown == 1 else self.values[: self.shown, None]
        for index, picture in enumerate(pictures):
            x, y = tiles.corner(index)
            left, upper = _LEFT + x, top - y
            extent = (left, left + tiles.width, upper - tiles.height, upper)
            draw_picture(sheet, picture, extent)

    def _draw_bars(self, page: Page, top: float) -> None:
        values = np.nan_to_num(self.values.reshape(-1)[: self.shown], posinf=0.0, neginf=0.0)
        axes = page.axes(_LEFT, top - _BARS, _ROOM, _BARS)
        axes.set_axis_off()
        limit = magnitude(values)
        low, high = min(float(values.min()) / limit, 0.0), max(float(values.max()) / limit, 0.0)
        few = self.shown <= MAX_CLASSES  # as wide apart as the answer's
        slots = max(self.shown, 6 if few else 24)
        axes.set(xlim=(0, slots), ylim=(low, high if high > low else low + 1))
        places = np.arange(self.shown) + 0.5
        colours = [BLUE if value < 0 else VERMILION for value in values]
        width = (0.6 if few else 0.8) * _ROOM / slots * 72  # points
        axes.vlines(places, 0, values / limit, colors=colours, linewidth=width, capstyle="butt")
        axes.axhline(0, color=FAINT, linewidth=0.6, zorder=0)


def _draw_answer(page: Page, sheet: Axes, answer: Answer, top: float, words: Words) -> None:
    """The most probable classes, in their order, with their probabilities."""
    label = page.typeface.fit(words.probability, _SIZE, _LEFT - 0.1, lines=2)
    for number, line in enumerate(label):
        y = top - (number + 0.5) * _LINE
        sheet.text(0, y, line, size=_SIZE, color=INK, va="center")
    chances = np.asarray(answer.probabilities, np.float64)
    chosen = np.sort(np.argsort(-chances, kind="stable")[:MAX_CLASSES])
    across = _ROOM / max(len(chosen), 6)
    bottom, most = top - _ANSWER + 2 * _LINE, _ANSWER - 2 * _LINE
    for number, index in enumerate(chosen.tolist()):
        left = _LEFT + number * across
        x, is_answer = left + across / 2, index == int(np.argmax(chances))
        colour = GREEN if is_answer else FAINT
        sheet.bar(x, most * chances[index], 0.6 * across, bottom, color=colour, linewidth=0)
        name = " ".join(page.typeface.fit(answer.classes[index], _SIZE, across - 0.06))
        chance = percent(float(chances[index]), 1, "")
        style: dict[str, Any] = {"size": _SIZE, "ha": "center", "va": "center"}
        sheet.text(x, bottom - 0.5 * _LINE, name, color=INK, **style)
        sheet.text(x, bottom - 1.5 * _LINE, chance, color=INK if is_answer else MUTED, **style)
