"""The network drawn as in figure 2 of LeCun et al. 1998: maps as stacked planes, values as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from lenetkit.network.plan import Plan
from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import INK, MUTED, Figure, Page, styled
from lenetkit.plots.stacks import Stack, stacks
from lenetkit.plots.words import ENGLISH, Words

MAX_PLANES = 16
_WIDTH = 10.4  # inches of a row; longer networks take several
_MIN_WIDTH = 5.0
_HIGH, _WIDE = 1.25, 1.9  # inches of the highest and of the widest map
_MIN_SIDE = 0.05
_STEP, _DEPTH = 0.055, 0.6  # inches from plane to plane, and of all planes together
_BAR, _PER_VALUE, _LONGEST = 0.11, 0.0095, 1.3
_GAP = 0.3  # inches between two stacks or their captions
_TEXT_GAP = 0.12
_ROW_GAP = 0.3
_SIZE = 8.5  # points
_LINE = _SIZE * 1.3 / 72
_NAME, _OPERATION = 1.5, 1.35  # inches; longer names are cut, longer operations broken
_PAD = 0.12  # inches between texts and drawings
_LEAD = 0.35  # inches of the arrow from and to another row
_FILL, _EDGE, _WIRE, _FAN = "#eaf2f9", "#3f74a3", "#8a8a8a", "#f1f1f1"


def architecture_figure(plan: Plan, *, title: str, words: Words = ENGLISH) -> Figure:
    """The plan as a drawing: from it alone, without weights.

    All maps have one scale. Captions are above, layer by layer; operations are below, where they
    take place, each with the activations and the like that follow it. A square on a map is what one
    unit of the next map sees. Of more than `MAX_PLANES` maps that many are drawn, and bars of many
    values are broken. An empty `title` leaves the heading out, for pages that have one.
    """
    given = stacks(plan, words)
    texts = [text for stack in given for text in (stack.name, *stack.operations)]
    with styled(title, *texts, *_legend(given, words)) as typeface:
        scale = _scale(given)
        columns = [_Column.of(stack, scale, typeface) for stack in given]
        rows = _rows(columns)
        width = max([_MIN_WIDTH, *(row.width for row in rows)])
        heights = [row.height for row in rows]
        height = sum(heights) + _ROW_GAP * (len(rows) - 1)
        what = words.architecture if title else ""
        count = words.parameters.format(count=plan.count()) if title else ""
        page = Page(typeface, width, height, title, what, "", count, *_legend(given, words))
        sheet, top = page.sheet(), height
        for row in rows:
            row.draw(sheet, top)
            top -= row.height + _ROW_GAP
    return page.figure


def _legend(given: Sequence[Stack], words: Words) -> list[str]:
    maps = [stack.shape[0] for stack in given if stack.is_maps]
    values = [stack.shape[0] for stack in given if not stack.is_maps]
    said = [words.drawn_to_scale] if maps else []
    said += [words.planes.format(count=MAX_PLANES)] if max(maps, default=0) > MAX_PLANES else []
    longest = max(values, default=0)
    return said + ([words.broken] if longest * _PER_VALUE > _LONGEST else [])


def _scale(given: Sequence[Stack]) -> float:
    """Inches of a pixel."""
    sizes = [stack.shape[1:] for stack in given if stack.is_maps]
    if not sizes:
        return 0.0
    return min(_HIGH / max(h for h, _ in sizes), _WIDE / max(w for _, w in sizes))


@dataclass
class _Column:
    """A stack with its texts and their sizes, and where its middle is."""

    stack: Stack
    caption: list[str]
    operation: list[str]
    caption_width: float
    operation_width: float
    plane: tuple[float, float]
    """Width and height of a map, or of the bar."""
    planes: int
    step: float
    is_broken: bool
    x: float = 0.0

    @classmethod
    def of(cls, stack: Stack, scale: float, typeface: Typeface) -> _Column:
        caption = [*typeface.fit(stack.name, _SIZE, _NAME), *typeface.fit(stack.size, _SIZE, _NAME)]
        operation = [
            line for text in stack.operations
            for line in typeface.fit(text, _SIZE, _OPERATION, lines=3)
        ]  # fmt: skip
        planes, is_broken = 1, False
        if stack.is_maps:
            planes = min(stack.shape[0], MAX_PLANES)
            height, width = (max(size * scale, _MIN_SIDE) for size in stack.shape[1:])
        else:
            width, height = _BAR, max(stack.shape[0] * _PER_VALUE, _MIN_SIDE)
            is_broken, height = height > _LONGEST, min(height, _LONGEST)

        def widest(lines: Sequence[str]) -> float:
            return max((typeface.width(line, _SIZE) for line in lines), default=0.0)

        return cls(
            stack=stack,
            caption=caption,
            operation=operation,
            caption_width=widest(caption),
            operation_width=widest(operation),
            plane=(width, height),
            planes=planes,
            step=min(_STEP, _DEPTH / max(planes - 1, 1)),
            is_broken=is_broken,
        )

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the drawing."""
        depth = (self.planes - 1) * self.step
        return self.plane[0] + depth, self.plane[1] + depth

    @property
    def half(self) -> float:
        """From the middle to where nothing of it is left."""
        return max(self.size[0], self.caption_width) / 2

    def front(self, y: float) -> tuple[float, float]:
        """The upper left corner of the front plane, if the middle is at `y`."""
        (width, height), (w, h) = self.size, self.plane
        return self.x + width / 2 - w, y - height / 2 + h

    def draw(self, sheet: Axes, y: float) -> None:
        left, top = self.front(y)
        for back in range(self.planes - 1, -1, -1):
            x, upper = left - back * self.step, top + back * self.step
            plane = Rectangle((x, upper), self.plane[0], -self.plane[1], zorder=2 - back / 100)
            plane.set(facecolor=_FILL, edgecolor=_EDGE, linewidth=0.7, clip_on=False)
            sheet.add_patch(plane)
        if self.is_broken:
            _break(sheet, self.x, y)

    def place(self, y: float, row: float, column: float) -> tuple[float, float]:
        """Where a place of the front map is."""
        left, top = self.front(y)
        (w, h), (_, height, width) = self.plane, self.stack.shape
        return left + column * w / width, top - row * h / height


def _break(sheet: Axes, x: float, y: float) -> None:
    """A white gap with two slanted edges across a bar."""
    half, rise, gap = _BAR / 2 + 0.03, 0.035, 0.045
    corners = [(x - half, y - rise - gap), (x + half, y + rise - gap)]
    corners += [(x + half, y + rise + gap), (x - half, y - rise + gap)]
    sheet.add_patch(Polygon(corners, facecolor="white", edgecolor="none", zorder=3))
    for (x0, y0), (x1, y1) in (corners[:2], corners[3:1:-1]):
        sheet.plot([x0, x1], [y0, y1], color=_EDGE, linewidth=0.7, zorder=4)


@dataclass
class _Row:
    """Neighbouring stacks that stand side by side."""

    columns: list[_Column]
    first: bool
    """Whether it begins with the input."""
    last: bool = False

    @property
    def right(self) -> float:
        last = self.columns[-1]
        return last.x + last.half

    @property
    def width(self) -> float:
        return self.right + (0 if self.last else _LEAD)

    @property
    def drawn(self) -> float:
        return max(column.size[1] for column in self.columns)

    @property
    def height(self) -> float:
        lines = max(len(column.operation) for column in self.columns)
        return 2 * _LINE + _PAD + self.drawn + _PAD + lines * _LINE

    def draw(self, sheet: Axes, top: float) -> None:
        y = top - 2 * _LINE - _PAD - self.drawn / 2
        below = y - self.drawn / 2 - _PAD
        for index, column in enumerate(self.columns):
            self._draw_texts(sheet, index, top, below)
            column.draw(sheet, y)
            if index:
                _connect(sheet, self.columns[index - 1], column, y)
        if not self.first:
            start = self.columns[0].x - self.columns[0].size[0] / 2
            _arrow(sheet, max(0.0, start - _LEAD), start - 0.05, y)
        if not self.last:
            end = self.columns[-1].x + self.columns[-1].size[0] / 2
            _arrow(sheet, end + 0.05, end + _LEAD, y)

    def _draw_texts(self, sheet: Axes, index: int, top: float, below: float) -> None:
        column = self.columns[index]
        for number, line in enumerate(column.caption):
            place = (column.x, top - (number + 0.5) * _LINE)
            colour = INK if number == 0 else MUTED
            sheet.text(*place, line, size=_SIZE, color=colour, ha="center", va="center")
        x = self.middle(index)
        for number, line in enumerate(column.operation):
            place = (x, below - (number + 0.5) * _LINE)
            sheet.text(*place, line, size=_SIZE, color=MUTED, ha="center", va="center")

    def middle(self, index: int) -> float:
        """Where the operation that leads to a column stands."""
        column = self.columns[index]
        if index:
            return (self.columns[index - 1].x + column.x) / 2
        return max(column.operation_width / 2, column.x - column.half - _LEAD / 2)


def _rows(columns: Sequence[_Column]) -> list[_Row]:
    """The columns in rows, each as far to the left as its texts and neighbours allow."""
    rows: list[_Row] = []
    for column in columns:
        if rows:
            row = rows[-1]
            column.x = _next(row, column)
            if column.x + column.half + _LEAD <= _WIDTH:
                row.columns.append(column)
                continue
        column.x = column.half
        if rows:
            column.x = max(column.half + _LEAD, column.operation_width / 2 + column.size[0] / 2)
        rows.append(_Row([column], first=not rows))
    rows[-1].last = True
    return rows


def _next(row: _Row, column: _Column) -> float:
    """The least x of a column behind a row: neither drawings, captions nor operations touch."""
    last = row.columns[-1]
    x = last.x + last.half + _GAP + column.half
    left = row.middle(len(row.columns) - 1) + last.operation_width / 2
    if not last.operation:
        left = -_TEXT_GAP
    middle = left + _TEXT_GAP + column.operation_width / 2
    return max(x, 2 * middle - last.x)


def _connect(sheet: Axes, source: _Column, target: _Column, y: float) -> None:
    """The square that a unit of the next maps sees, and lines to it; else a fan of lines."""
    link = target.stack.link
    if link is None or not (source.stack.is_maps and target.stack.is_maps):
        _fan(sheet, source, target, y)
        return
    top, left, bottom, right = link.box
    corners = [source.place(y, r, c) for r in (top, bottom) for c in (left, right)]
    (x0, y0), (x1, y1) = corners[0], corners[3]
    end = target.place(y, link.unit[0] + 0.5, link.unit[1] + 0.5)
    square = Rectangle((x0, y0), x1 - x0, y1 - y0, facecolor="white", edgecolor=INK, zorder=5)
    square.set(linewidth=0.7)
    sheet.add_patch(square)
    for x, upper in (corners[1], corners[3]):
        sheet.plot([x, end[0]], [upper, end[1]], color=_WIRE, linewidth=0.6, zorder=4)


def _fan(sheet: Axes, source: _Column, target: _Column, y: float) -> None:
    """Everything is connected with everything."""
    x0, x1 = source.x + source.size[0] / 2, target.x - target.size[0] / 2
    _, top = source.front(y)
    bottom = top - source.plane[1]
    half = target.size[1] / 2
    corners = [(x0, top), (x1, y + half), (x1, y - half), (x0, bottom)]
    sheet.add_patch(Polygon(corners, facecolor=_FAN, edgecolor="none", zorder=0))
    for (left, start), (right, end) in (corners[:2], corners[3:1:-1]):
        sheet.plot([left, right], [start, end], color=_WIRE, linewidth=0.6, zorder=1)


def _arrow(sheet: Axes, start: float, end: float, y: float) -> None:
    head = {"arrowstyle": "->", "color": _WIRE, "linewidth": 0.8}
    sheet.annotate("", (end, y), (start, y), arrowprops=head)
