"""How marks lie to each other on a page: which are one digit, and which are no digit's strokes.

Rules on boxes alone, the same for both ways of finding ink (`ink`, `photos`).
"""

from __future__ import annotations

from collections.abc import Sequence

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def size(box: Box) -> tuple[float, float]:
    """Width and height."""
    return box[2] - box[0], box[3] - box[1]


def around(boxes: Sequence[Box]) -> Box:
    """The box around several."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def encloses(outer: Box, inner: Box) -> bool:
    """Whether a mark surrounds another that is too large to be a part of it, as a ring does."""
    within = outer[0] < inner[0] and outer[1] < inner[1] and outer[2] > inner[2]
    return within and outer[3] > inner[3] and size(inner)[1] > 0.3 * size(outer)[1]


def underlines(line: Box, rest: Box) -> bool:
    """Whether a flat mark lies below most of the rest."""
    (width, height), (across, down) = size(line), size(rest)
    below = line[1] + height / 2 > rest[1] + 0.75 * down
    return width > 2.5 * height and below and width > 0.4 * min(across, down)


def is_one_digit(one: Box, other: Box, gap: float) -> bool:
    """Whether two marks at a distance of `gap` are parts of one digit.

    They lie above each other, or one is much smaller than the other and close to it; parts of two
    digits side by side are together broader than a digit.
    """
    (width, height), (breadth, tall) = size(one), size(other)
    overlap = min(one[2], other[2]) - max(one[0], other[0])
    smaller, larger = sorted((height, tall))
    across, down = size(around([one, other]))
    # A 5's bar may be far from its body; two marks equally tall are rather two lines of digits.
    reach = 0.35 if smaller > 0.5 * larger else 0.7
    above = overlap > 0.3 * min(width, breadth) and gap < reach * larger
    return above or (smaller < 0.6 * larger and gap < 0.3 * larger and across < 1.5 * down)


def row_problem(boxes: Sequence[Box]) -> str | None:
    """Why these are not one digit or a row of digits of one size, if they are not."""
    heights = [size(box)[1] for box in boxes]
    middles = sorted((box[1] + box[3]) / 2 for box in boxes)
    middle, tallest = middles[len(middles) // 2], max(heights)
    if any(width > 2.5 * height for width, height in map(size, boxes)):
        return "a mark much broader than tall; expected a digit"
    even = all(abs(place - middle) < 0.5 * tallest for place in middles)
    if min(heights) < 0.45 * tallest or not even:
        return f"{len(boxes)} marks that are not a row of digits of one size"
    return None
