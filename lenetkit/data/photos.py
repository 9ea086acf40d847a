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

from lenetkit.data import layout
from lenetkit.data.images import Floats
from lenetkit.data.ink import MAX_SWELL, Mask
from lenetkit.data.layout import Box
from lenetkit.errors import ImageError

SIDE = 640  # pixels of the longer side; a digit a thirtieth of it has strokes of 2
REACH = SIDE // 13  # half of the broadest stroke
DARKEST = 80  # levels; in darker paper contrast is not exaggerated further
MIN_CONTRAST = 0.08  # as a fraction of the paper's brightness
MIN_LENGTH = 0.02  # of a piece, as a fraction of the longer side
MIN_SIZE = 0.03  # of the largest digit, likewise
MAX_BREADTH = 0.6  # of strokes at the thickest place, as a fraction of the piece's length
MAX_RULE = 11  # breadth of a ruled line, and a blurred edge
BLOT = "a blot, a shadow or a reflection rather than strokes"
MAX_PIECES = 80
MAX_DIGITS = 12


@dataclass(frozen=True)
class FoundDigit:
    """One digit."""

    ink: Floats
    """(H, W): its ink alone, 1 in full strokes."""
    box: Box
    """As fractions of the picture."""


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
    def box(self) -> Box:
        return self.x, self.y, self.x + self.w, self.y + self.h


Group = list[_Piece]


def find_digits(image: Floats) -> list[FoundDigit]:
    """The digits in a picture (C, H, W) in 0..1, from left to right.

    Raises ImageError if there is none, or if it is not certain that these are digits in a row.
    """
    planes = _dark_on_light(_planes(image))
    for reach in (REACH, REACH // 2):  # a small shadow is paper only for the smaller one
        contrast = _contrast(planes, reach)
        labels, pieces = _pieces(_ink_mask(contrast), contrast)
        kept, dropped = _sorted_out(pieces, planes, labels)
        if not _has_blot(kept, labels):
            break
    else:
        raise ImageError(BLOT)
    if kept and _is_cut_off(planes, np.isin(labels, [piece.number for piece in kept])):
        raise ImageError(BLOT)
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


def _dark_on_light(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The planes, or their negative if the ink is the lighter."""
    # Loops are broader than strokes, so a smaller reach tells which of the two is the ink.
    dark, light = (
        float(np.square(_removed(one, REACH // 2)).sum()) for one in (planes, 255 - planes)
    )
    return 255 - planes if light > dark and np.median(planes) < 128 else planes


def _contrast(planes: NDArray[np.uint8], reach: int) -> Floats:
    """By which fraction each pixel is darker than the paper.

    The largest of the channels: a yellow pen shows only in blue.
    """
    strokes = _removed(planes, reach)
    contrast: Floats = (strokes / np.maximum(strokes + planes, DARKEST)).max(axis=2)
    return contrast


def _removed(planes: NDArray[np.uint8], reach: int) -> Floats:
    """What a closing removes: how much darker than the paper is what no such disc fits into."""
    # An octagon, as a square and then a diamond: a real disc would take 30 times as long.
    diamond = round(0.586 * reach)
    square = np.ones((2 * (reach - diamond) + 1,) * 2, np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    paper: MatLike = planes
    for spread in (cv2.dilate, cv2.erode):
        paper = spread(paper, square, borderType=cv2.BORDER_REPLICATE)
        paper = spread(paper, cross, iterations=diamond, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(paper.reshape(planes.shape).astype(np.float32) - planes, np.float32)


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
    broad = cv2.dilate(cv2.morphologyEx(faint, cv2.MORPH_OPEN, _disc(15)), _disc(9))
    thin = np.where(broad > 0, 0, faint).astype(np.uint8)
    lines = cv2.HoughLinesP(
        thin, 1, math.pi / 360, int(0.3 * SIDE), minLineLength=0.55 * SIDE, maxLineGap=0.03 * SIDE
    )
    if lines is None:
        return mask
    axes = np.zeros_like(mask)
    for x0, y0, x1, y1 in lines.reshape(-1, 4).tolist():
        far = 2 * SIDE / math.hypot(x1 - x0, y1 - y0)
        step = np.array([x1 - x0, y1 - y0]) * far
        ends = [tuple(int(c) for c in (x0, y0) + sign * step) for sign in (-1, 1)]
        cv2.line(axes, ends[0], ends[1], 1)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[(axes > 0) & (mask > 0)]
    breadth = round(3 * float(np.quantile(depth, 0.9))) | 1 if depth.size else 0
    breadth = min(max(breadth, 5), MAX_RULE)
    band = cv2.dilate(axes, _disc(breadth))
    thick = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(breadth))
    bare = np.where((band > 0) & (thick == 0), 0, mask).astype(np.uint8)
    bridged = (cv2.morphologyEx(bare, cv2.MORPH_CLOSE, _disc(breadth + 4)) > 0) & (mask > 0)
    return np.asarray((bare > 0) | bridged, np.uint8)


def _pieces(mask: NDArray[np.uint8], contrast: Floats) -> tuple[NDArray[np.int32], list[_Piece]]:
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
    written = [piece for piece in pieces if not _is_flat_line(piece)]
    drop("underline", lambda p: _is_flat_line(p) and _underlines(p, written))
    return pieces, dropped


def _against_dark(piece: _Piece, planes: NDArray[np.uint8], labels: NDArray[np.int32]) -> bool:
    """Whether the piece has no paper on one side: it is part of something larger."""
    x0, y0, x1, y1 = map(int, piece.box)
    near = slice(max(0, y0 - 6), y1 + 6), slice(max(0, x0 - 6), x1 + 6)
    own = (labels[near] == piece.number).astype(np.uint8)
    ring = (cv2.dilate(own, _disc(11)) > 0) & (cv2.dilate(own, _disc(7)) == 0)
    ring &= labels[near] == 0
    if not ring.any():
        return False
    gray = planes[near].min(axis=2)
    # Compared with the ink and the paper next to it, as a shadow may lie on one part of the stroke.
    ink = cv2.erode(np.where(own > 0, gray, 255).astype(np.uint8), _disc(15)).astype(np.float32)
    paper = cv2.dilate(gray, _disc(15)).astype(np.float32)
    return float(np.mean((gray < ink + 0.35 * (paper - ink))[ring])) > 0.15


def _encloses(piece: _Piece, hull: MatLike, other: _Piece) -> bool:
    """Whether `other` lies inside the convex hull of `piece`, and is too large to belong to it."""
    if not layout.encloses(piece.box, other.box):
        return False
    x0, y0, x1, y1 = other.box
    corners = [(float(x), float(y)) for x in (x0, x1) for y in (y0, y1)]
    return all(cv2.pointPolygonTest(hull, corner, False) > 0 for corner in corners)


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


def _is_flat_line(piece: _Piece) -> bool:
    sides = cv2.minAreaRect(piece.outline)[1]
    return piece.w > 2.5 * piece.h and min(sides) < 2.5 * piece.thickness


def _has_blot(pieces: Group, labels: NDArray[np.int32]) -> bool:
    """Whether a large piece is too broad for a stroke, or much broader in one place."""
    longest = max((piece.length for piece in pieces), default=0)
    for piece in pieces:
        x0, y0, x1, y1 = map(int, piece.box)
        own = np.pad(labels[y0:y1, x0:x1] == piece.number, 1).astype(np.uint8)
        breadth = 2 * float(cv2.distanceTransform(own, cv2.DIST_L2, 3).max())
        limit = min(MAX_SWELL * piece.thickness, MAX_BREADTH * piece.length)
        if piece.length > longest / 2 and breadth > limit:
            return True
    return False


def _is_cut_off(planes: NDArray[np.uint8], ink: Mask) -> bool:
    """Whether the ink runs into something broad and as dark, which was taken for paper."""
    gray = planes.min(axis=2)
    paper, full = float(np.median(gray)), float(np.median(gray[ink]))
    near = cv2.dilate(ink.astype(np.uint8), _disc(5))
    rest = ((gray < full + 0.25 * (paper - full)) & (near == 0)).astype(np.uint8)
    broad = cv2.dilate(cv2.erode(rest, _disc(11)), _disc(15))
    return bool(np.any((broad > 0) & (near > 0)))


def _is_straight(piece: _Piece) -> bool:
    sides = cv2.minAreaRect(piece.outline)[1]
    return max(sides) > 5 * max(min(sides), 1)


def _underlines(piece: _Piece, others: Group) -> bool:
    if not others or not layout.underlines(piece.box, _box(others)):
        return False
    gap = min(_gap(piece, other) for other in others)
    return gap > max(piece.thickness, 0.04 * layout.size(_box(others))[1])


# From pieces to digits


def _box(pieces: Group) -> Box:
    return layout.around([piece.box for piece in pieces])


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
    gap = min(_gap(p, q) for p in one for q in other)
    return layout.is_one_digit(_box(one), _box(other), gap)


def _gap(one: _Piece, other: _Piece) -> float:
    """The distance between two outlines."""
    a, b = (p.outline.reshape(-1, 2)[::3].astype(np.float32) for p in (one, other))
    return float(np.sqrt(np.square(a[:, None] - b[None]).sum(axis=2).min()))


def _judge(groups: list[Group], dropped: dict[str, Group]) -> None:
    """Raise ImageError unless the groups are one digit, or a row of them."""
    if max((max(layout.size(_box(group))) for group in groups), default=0) < MIN_SIZE * SIDE:
        cut = any(p.length > 0.1 * SIDE and p.thickness < REACH / 2 for p in dropped["edge"])
        raise ImageError(
            "the ink touches the edge of the picture; leave some paper round the digit"
            if cut
            else "nothing but lines, frames or specks; expected a picture of a digit"
        )
    if len(groups) > MAX_DIGITS:
        raise ImageError(f"{len(groups)} separate marks; expected at most {MAX_DIGITS} digits")
    problem = layout.row_problem([_box(group) for group in groups])
    if problem:
        raise ImageError(problem)


def _found(group: Group, labels: NDArray[np.int32], contrast: Floats) -> FoundDigit:
    left, top, right, bottom = map(int, _box(group))
    height, width = labels.shape
    own = np.isin(labels, [piece.number for piece in group])
    full = float(np.quantile(contrast[own], 0.6))
    near = cv2.dilate(own.astype(np.uint8), _disc(5)) > 0
    ink = np.where(near, np.clip(contrast / full, 0, 1), 0).astype(np.float32)
    ink = np.pad(ink, 4)[top : bottom + 8, left : right + 8]
    return FoundDigit(ink, (left / width, top / height, right / width, bottom / height))
