"""Finding the digits in a photo, with OpenCV (the extra `photos`).

Ink is what a morphological closing removes: dark, and narrower than a sixth of the picture. Tables,
shadows, fingers and reflections are broader, or they touch the edge. Of the connected pieces of
ink, printed lines, frames, rings, underlining and specks are dropped by their shape; the others are
joined to digits, and refused where it is not certain that these are one digit or a row of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from lenetkit.data.images import Floats
from lenetkit.errors import ImageError

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

SIDE = 640  # pixels of the longer side; a digit a thirtieth of it has strokes of 2
REACH = SIDE // 13  # half of the broadest stroke
DARKEST = 80  # levels; in darker paper contrast is not exaggerated further
MIN_CONTRAST = 0.08  # as a fraction of the paper's brightness
MIN_LENGTH = 0.02  # of a piece, as a fraction of the longer side
MAX_PIECES = 80
MAX_DIGITS = 12


@dataclass(frozen=True)
class Found:
    """One digit: its ink alone (H, W), 1 in full strokes, and its box as fractions of the picture."""

    ink: Floats
    box: Box


@dataclass(frozen=True, eq=False)
class _Piece:
    """A connected piece of ink."""

    number: int
    x: int
    y: int
    w: int
    h: int
    thickness: float
    """Of its strokes: twice its area over its outline, holes included."""
    contrast: float
    outline: MatLike = field(repr=False)

    @property
    def length(self) -> int:
        return max(self.w, self.h)

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.x, self.y, self.x + self.w, self.y + self.h


Group = list[_Piece]


def find_digits(image: Floats) -> list[Found]:
    """The digits in a picture (C, H, W) in 0..1, from left to right.

    Raises ImageError if there is none, or if it is not certain that these are digits in a row.
    """
    planes = _planes(image)
    contrast, light = _contrast(planes)
    mask = _ink_mask(contrast)
    labels, pieces = _pieces(mask, contrast)
    kept, dropped = _sorted_out(pieces, 255 - planes if light else planes, labels)
    groups = _grouped(kept)
    _judge(groups, dropped)
    return [_found(group, labels, contrast) for group in groups]


def _planes(image: Floats) -> NDArray[np.uint8]:
    """(H, W, C) in 0..255, the longer side `SIDE`."""
    scale = SIDE / max(image.shape[1:])
    size = [max(1, round(length * scale)) for length in image.shape[:0:-1]]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    rows = cv2.resize(np.ascontiguousarray(image.transpose(1, 2, 0)), size, interpolation=method)
    return np.rint(np.clip(rows, 0, 1) * 255).astype(np.uint8).reshape(size[1], size[0], -1)


def _contrast(planes: NDArray[np.uint8]) -> tuple[Floats, bool]:
    """By which fraction each pixel is darker than the paper, and whether the picture is negative.

    The largest of the channels: a yellow pen shows only in blue.
    """
    paper, ground = _closed(planes), 255 - _closed(255 - planes)
    dark, light = (
        float(np.square(one.astype(np.float32) - other).sum())
        for one, other in ((paper, planes), (planes, ground))
    )
    negative = light > dark and bool(np.median(planes) < 128)
    if negative:
        planes, paper = 255 - planes, 255 - ground
    ratio = (paper.astype(np.float32) - planes) / np.maximum(paper, DARKEST)
    return ratio.max(axis=2), negative


def _closed(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    kernel = _disc(2 * REACH + 1)
    broad = cv2.dilate(planes, kernel, borderType=cv2.BORDER_REPLICATE)
    back = cv2.erode(broad, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(back, np.uint8).reshape(planes.shape)


def _disc(side: int) -> MatLike:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _ink_mask(contrast: Floats) -> NDArray[np.uint8]:
    """Where there is ink, without ruled lines. Raises ImageError if nothing stands out."""
    middle = float(np.median(contrast))
    noise = 1.4826 * float(np.median(np.abs(contrast - middle)))
    floor = max(MIN_CONTRAST, middle + 4 * noise)
    ink = contrast[contrast > floor]
    if ink.size < 30:
        raise ImageError("nothing stands out from the background; expected a picture of a digit")
    levels = np.rint(np.minimum(ink, 1) * 255).astype(np.uint8)
    split = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[0] / 255
    edge = max(floor, min(split, float(np.quantile(ink, 0.95)) / 2))
    mask = (contrast > edge).astype(np.uint8)
    faint = (contrast > max(floor / 1.5, edge / 4)).astype(np.uint8)
    return _without_rules(mask, faint)


def _without_rules(mask: NDArray[np.uint8], faint: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`mask` without thin straight lines longer than half the picture; strokes across them stay."""
    thin = faint & ~cv2.dilate(cv2.morphologyEx(faint, cv2.MORPH_OPEN, _disc(15)), _disc(9))
    lines = cv2.HoughLinesP(
        thin, 1, math.pi / 360, int(0.3 * SIDE), minLineLength=0.55 * SIDE, maxLineGap=0.03 * SIDE
    )
    if lines is None:
        return mask
    band = np.zeros_like(mask)
    for x0, y0, x1, y1 in lines.reshape(-1, 4).tolist():
        far = 2 * SIDE / math.hypot(x1 - x0, y1 - y0)
        step = np.array([x1 - x0, y1 - y0]) * far
        ends = [tuple(int(c) for c in (x0, y0) + sign * step) for sign in (-1, 1)]
        cv2.line(band, ends[0], ends[1], 1, 5)
    thick = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(5))
    bare = (mask & ~band) | thick
    return np.asarray(bare | (cv2.morphologyEx(bare, cv2.MORPH_CLOSE, _disc(9)) & band & mask))


def _pieces(
    mask: NDArray[np.uint8], contrast: Floats
) -> tuple[NDArray[np.int32], list[_Piece]]:
    """The number of each pixel's piece, and the largest pieces."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found = []
    for number in (np.argsort(-stats[1:, cv2.CC_STAT_AREA])[:MAX_PIECES] + 1).tolist():
        x, y, w, h, area = map(int, stats[number])
        part = labels[y : y + h, x : x + w] == number
        outlines, _ = cv2.findContours(
            part.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x, y)
        )
        thickness = 2 * area / max(1.0, sum(cv2.arcLength(line, True) for line in outlines))
        strength = float(np.quantile(contrast[y : y + h, x : x + w][part], 0.75))
        outline = max(outlines, key=len)
        found.append(_Piece(number, x, y, w, h, thickness, strength, outline))
    return np.asarray(labels, np.int32), found


# Which pieces are strokes of digits


def _sorted_out(
    pieces: Group, planes: NDArray[np.uint8], labels: NDArray[np.int32]
) -> tuple[Group, dict[str, Group]]:
    """The pieces that may be strokes, and the others by the reason why they are not."""
    dropped: dict[str, Group] = {}

    def drop(why: str, test: Callable[[_Piece], bool]) -> None:
        nonlocal pieces
        dropped[why] = [piece for piece in pieces if test(piece)]
        pieces = [piece for piece in pieces if piece not in dropped[why]]

    def most(values: Sequence[float]) -> float:
        return max(values, default=0.0)

    height, width = labels.shape
    drop("speck", lambda p: p.length < MIN_LENGTH * SIDE)
    drop("edge", lambda p: p.x < 2 or p.y < 2 or p.x + p.w > width - 2 or p.y + p.h > height - 2)
    drop("beside something dark", lambda p: _against_dark(p, planes, labels))
    strongest = most([p.contrast for p in pieces if p.length > 2 * MIN_LENGTH * SIDE])
    drop("faint", lambda p: p.contrast < 0.45 * strongest)
    around = {p: cv2.convexHull(p.outline) for p in pieces}
    drop("frame", lambda p: any(_encloses(p, around[p], other) for other in pieces))
    drop("box", _is_box)
    thickest = most([p.thickness for p in pieces if p.length > 0.3 * most([q.h for q in pieces])])
    drop("thin", lambda p: p.thickness < 0.4 * thickest)
    drop("thin line", lambda p: p.thickness < 0.65 * thickest and _is_straight(p))
    tallest = most([p.h for p in pieces])
    drop("dot", lambda p: p.length < 0.15 * tallest)
    drop("underline", lambda p: _underlines(p, [other for other in pieces if other is not p]))
    return pieces, dropped


def _against_dark(
    piece: _Piece, planes: NDArray[np.uint8], labels: NDArray[np.int32]
) -> bool:
    """Whether the piece has no paper on one side: it is part of something larger."""
    x0, y0, x1, y1 = piece.box
    near = slice(max(0, y0 - 6), y1 + 6), slice(max(0, x0 - 6), x1 + 6)
    own = (labels[near] == piece.number).astype(np.uint8)
    ring = (cv2.dilate(own, _disc(11)) > 0) & (cv2.dilate(own, _disc(7)) == 0)
    ring &= labels[near] == 0
    if not ring.any():
        return False
    gray = planes[near].min(axis=2)
    ink = float(np.median(gray[own > 0]))
    paper = float(np.quantile(gray[ring], 0.9))
    return float(np.mean(gray[ring] < ink + 0.35 * (paper - ink))) > 0.15


def _encloses(piece: _Piece, hull: MatLike, other: _Piece) -> bool:
    """Whether `other` lies inside `piece`, and is too large to be a part of it."""
    if other is piece or other.h < 0.3 * piece.h:
        return False
    x0, y0, x1, y1 = other.box
    corners = [(x, y) for x in (x0, x1) for y in (y0, y1)]
    return all(cv2.pointPolygonTest(hull, (float(x), float(y)), False) > 0 for x, y in corners)


def _is_box(piece: _Piece) -> bool:
    """Whether it is a rectangle drawn with thin lines."""
    rectangle = cv2.minAreaRect(piece.outline)
    if min(rectangle[1]) < 4 * piece.thickness:
        return False
    corners = cv2.boxPoints(rectangle).reshape(-1, 1, 2)
    inside = [
        cv2.pointPolygonTest(corners, (float(x), float(y)), True)
        for x, y in piece.outline.reshape(-1, 2)[:: max(1, len(piece.outline) // 200)]
    ]
    return float(np.mean(np.abs(inside) < max(2.5, 0.02 * piece.length))) > 0.85


def _is_straight(piece: _Piece) -> bool:
    sides = cv2.minAreaRect(piece.outline)[1]
    return max(sides) > 5 * max(min(sides), 1)


def _underlines(piece: _Piece, others: Group) -> bool:
    """Whether it is a line below most of the others' ink."""
    if not others or not _is_straight(piece) or piece.w < 2.5 * piece.h:
        return False
    left, top, right, bottom = _box(others)
    below = piece.y + piece.h / 2 > top + 0.75 * (bottom - top)
    return below and piece.w > 0.4 * min(right - left, bottom - top)


# From pieces to digits


def _box(pieces: Group) -> tuple[int, int, int, int]:
    corners = np.array([piece.box for piece in pieces])
    left, top = corners[:, :2].min(axis=0)
    right, bottom = corners[:, 2:].max(axis=0)
    return int(left), int(top), int(right), int(bottom)


def _grouped(pieces: Group) -> list[Group]:
    """The pieces of each digit, from left to right."""
    groups = [[piece] for piece in pieces]
    while pair := next(
        ((a, b) for a in groups for b in groups if a is not b and _is_one_digit(a, b)), None
    ):
        groups = [group for group in groups if group is not pair[1]]
        pair[0].extend(pair[1])
    return sorted(groups, key=lambda group: sum(_box(group)[::2]))


def _is_one_digit(one: Group, other: Group) -> bool:
    a, b = _box(one), _box(other)
    heights = a[3] - a[1], b[3] - b[1]
    overlap = min(a[2], b[2]) - max(a[0], b[0])
    gap = min(_gap(p, q) for p in one for q in other)
    above = overlap > 0.3 * min(a[2] - a[0], b[2] - b[0]) and gap < 0.35 * max(heights)
    return above or (min(heights) < 0.6 * max(heights) and gap < 0.3 * max(heights))


def _gap(one: _Piece, other: _Piece) -> float:
    """The distance between two outlines."""
    a, b = (p.outline.reshape(-1, 2)[::3].astype(np.float32) for p in (one, other))
    return float(np.sqrt(np.square(a[:, None] - b[None]).sum(axis=2).min()))


def _judge(groups: list[Group], dropped: dict[str, Group]) -> None:
    """Raise ImageError unless the groups are one digit, or a row of them."""
    if not groups:
        cut = any(p.length > 0.1 * SIDE and p.thickness < REACH / 2 for p in dropped["edge"])
        raise ImageError(
            "no digit: the ink touches the edge of the picture; leave some paper round the digit"
            if cut
            else "no digit: nothing but lines, frames or specks; expected a picture of a digit"
        )
    boxes = np.array([_box(group) for group in groups], float)
    left, top, right, bottom = boxes.T
    heights, widths = bottom - top, right - left
    if len(groups) > MAX_DIGITS:
        raise ImageError(f"{len(groups)} separate marks; expected at most {MAX_DIGITS} digits")
    if np.any(widths > 2.5 * heights):
        raise ImageError("a mark much broader than tall; expected a picture of a digit")
    middle = (top + bottom) / 2
    in_row = np.abs(middle - np.median(middle)) < 0.5 * heights.max()
    if np.any(heights < 0.45 * heights.max()) or not in_row.all():
        raise ImageError(
            f"{len(groups)} marks that are not a row of digits of one size; "
            "photograph the digit without what is round it"
        )


def _found(group: Group, labels: NDArray[np.int32], contrast: Floats) -> Found:
    left, top, right, bottom = _box(group)
    height, width = labels.shape
    own = np.isin(labels, [piece.number for piece in group])
    full = float(np.quantile(contrast[own], 0.6))
    near = cv2.dilate(own.astype(np.uint8), _disc(5)) > 0
    ink = np.where(near, np.clip(contrast / full, 0, 1), 0).astype(np.float32)
    ink = np.pad(ink, 4)[top : bottom + 8, left : right + 8]
    return Found(ink, (left / width, top / height, right / width, bottom / height))
