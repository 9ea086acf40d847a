"""Finding one digit on its paper, with NumPy and Pillow alone.

The paper's brightness is measured locally, so that shadows do not matter; ink is what deviates from
it either way. Of the connected pieces of ink, frames, ruled lines and distant specks are dropped.
Where it is not certain that what remains is one digit, `digit_alone` says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lenetkit.data import layout
from lenetkit.data.images import Floats, resample
from lenetkit.errors import ImageError

Mask = NDArray[np.bool_]
Bounds = tuple[int, int, int, int]
"""First row, first column, last row + 1, last column + 1."""

WORK_SIDE = 320  # averages sensor noise away, and a tenth of the page still has 32 pixels
FIT_SIDE = 40  # paper and shadows have no finer detail, and medians are slow
MIN_CONTRAST = 3 / 255  # anything fainter is not ink
EDGE = 0.25  # fraction of full ink at the edge of a stroke
DENSE = 0.25  # fraction of pixels above which ink may hide most of the paper
MIN_LENGTH = 0.03  # of a digit, as a fraction of the picture's longer side
MIN_MASS = 0.005  # of a piece, as a fraction of the heaviest piece's ink
MAX_STEP = 0.06  # of the paper's brightness, within 1/40 of the picture; slopes of light: 0.04
MAX_OPPOSITE = 0.05  # of pixels darker than the paper where the ink is lighter, or reversed
MAX_THICKNESS = 0.35  # of strokes, as a fraction of the digit's length
MAX_BREADTH = 0.36  # of strokes at the thickest place, as a fraction of the digit's length
MAX_SWELL = 2.5  # of the thickest place of a stroke, as a multiple of its thickness
ICON = 64  # pixels: smaller pictures are of one digit, as MNIST's are, and nothing else


def to_gray(image: Floats) -> Floats:
    """(C, H, W) in 0..1 as (H, W) in 0..1, in the mix of channels that shows the ink best.

    Luminance would almost lose a yellow pen on white, so the mix is the principal axis of the
    colours that differ most from their surroundings. Light stays light. Raises ImageError unless C
    is 1 or 3.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.size == 0:
        raise ImageError(f"a picture of shape {image.shape}; expected (1 or 3, H, W)")
    if image.shape[0] == 1:
        return np.asarray(image[0], np.float32)
    small = np.stack([shrunk(plane, WORK_SIDE) for plane in image])
    apart = np.stack([plane - _paper(plane) for plane in small]).reshape(3, -1)
    strength = np.abs(apart).sum(axis=0)
    ink = apart[:, strength >= np.quantile(strength, 0.99)]
    axis = np.linalg.eigh(ink @ ink.T)[1][:, -1].astype(np.float32)
    mix = axis * (np.sign(axis.sum()) or 1) / np.abs(axis).sum()
    return np.asarray(np.tensordot(mix, image, 1) - np.minimum(mix, 0).sum(), np.float32)


def shrunk(plane: Floats, max_side: int) -> Floats:
    """Averaged down to sides of at most `max_side`; unchanged if it is small enough."""
    scale = max_side / max(plane.shape)
    if scale >= 1:
        return plane
    width, height = (max(1, round(length * scale)) for length in plane.shape[::-1])
    image = Image.fromarray(plane).resize((width, height), Image.Resampling.BOX)
    return np.asarray(image, np.float32)


def _paper(plane: Floats) -> Floats:
    """The paper's brightness at each pixel, whether the ink is darker or lighter.

    A local median, because it ignores strokes, follows gradients and keeps a shadow's edge; then a
    finer one, without the ink that the first one found.
    """
    small = shrunk(plane, FIT_SIDE)
    reach = max(small.shape) // 4
    rough = _local_median(small, reach)
    apart = np.abs(small - rough)
    bare = np.where(apart > 3 * _spread(apart), rough, small)
    return resample(_local_median(bare, reach // 2), plane.shape)


def _local_median(plane: Floats, reach: int) -> Floats:
    even = np.pad(plane, reach, mode="reflect")
    # Mirrored in value too, so that a gradient continues beyond the edge, unless the edge is so
    # much darker or lighter that it must be ink, or the table under the page.
    odd = np.pad(plane, reach, mode="reflect", reflect_type="odd")
    edge = (odd + even) / 2
    padded = np.where((edge > even / 3) & (even > edge / 3), odd, even)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(np.median(windows, axis=(-2, -1)), np.float32)


def _spread(values: NDArray[np.floating]) -> float:
    return 1.4826 * float(np.median(np.abs(values)))


def _background(plane: Floats) -> tuple[Floats, bool, bool]:
    """The background's brightness at each pixel, whether the ink is lighter, and `Ink.close`."""
    paper = _paper(plane)
    if _is_close_crop(plane, paper):
        low, high = (float(level) for level in np.quantile(plane, (0.05, 0.95)))
        bright = plane > (low + high) / 2
        # Most of a close crop may be ink, but there is less of it along the edge than inside.
        edge = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
        light = bool(edge.mean() < bright.mean())
        return np.full_like(plane, low if light else high), light, True
    light = float(np.sum((plane - paper) ** 3)) > 0  # the few that deviate most are ink
    return paper, light, False


def _is_close_crop(plane: Floats, paper: Floats) -> bool:
    """Whether there is so much ink that the local median took some of it for paper."""
    low, high = np.quantile(plane, (0.05, 0.95))
    share = np.mean(plane > (low + high) / 2)
    vague = np.mean(np.abs(plane - (low + high) / 2) < 0.15 * (high - low))
    darkest = np.quantile(paper, 0.05)
    # Shadows leave more than a fifth of the light, and shading has more than two levels.
    return bool(min(share, 1 - share) > DENSE and vague < 0.2 and darkest < 0.2 * high)


@dataclass(frozen=True)
class Ink:
    """The ink of each pixel, 0 on bare paper and about 1 in the strongest strokes."""

    levels: Floats
    noise: float
    """Their standard deviation."""
    close: bool
    """Whether the picture shows little but the digit."""
    opposite: float
    """Pixels that deviate from the paper the other way, as a share of those with ink."""
    step: float
    """The paper's largest change between neighbouring places, as a fraction of its brightness."""


def find_ink(plane: Floats) -> Ink:
    """What deviates from the paper.

    Raises ImageError if nothing stands out.
    """
    paper, light, close = _background(plane)
    step = _largest_step(shrunk(paper, FIT_SIDE))
    if light:
        plane, paper = 1 - plane, 1 - paper
    # A shadow dims paper and ink by the same factor, so their ratio depends on the ink alone.
    ink = (paper - plane) / np.maximum(paper, 0.05)
    noise = _spread(ink[ink <= max(float(ink.max()) / 2, MIN_CONTRAST)])
    opposite = float(np.sum(-ink > max(ink.max() / 4, 3 * noise)))
    ink = np.maximum(ink - 3 * noise, 0)
    strongest = np.sort(ink, axis=None)[-max(4, ink.size // 500) :].mean()
    if strongest < max(2 * noise, MIN_CONTRAST):
        raise ImageError("nothing stands out from the background; expected a picture of one digit")
    return Ink(
        ink / strongest,
        noise / strongest,
        close,
        opposite / float(np.sum(ink > strongest * EDGE)),
        step,
    )


def _largest_step(paper: Floats) -> float:
    steps = [np.abs(np.diff(np.log(np.maximum(paper, 0.05)), axis=axis)) for axis in (0, 1)]
    return max(float(step.max(initial=0)) for step in steps)


def _labels(mask: Mask) -> NDArray[np.intp]:
    """The number of the piece that each True pixel, in order, belongs to; corners connect."""
    padded = np.pad(mask, 1).ravel()
    pixels = np.flatnonzero(padded)
    number = np.cumsum(padded) - 1
    width = mask.shape[1] + 2
    right_and_below = [1, width - 1, width, width + 1]
    pairs = np.stack(np.broadcast_arrays(pixels, np.add.outer(right_and_below, pixels)))
    one, other = number[pairs[:, padded[pairs[1]]]]
    parent = np.arange(len(pixels))
    while np.any(apart := parent[one] != parent[other]):
        ends = parent[one[apart]], parent[other[apart]]
        np.minimum.at(parent, np.maximum(*ends), np.minimum(*ends))
        while np.any(parent != (shorter := parent[parent])):
            parent = shorter
    return np.unique(parent, return_inverse=True)[1]


@dataclass(frozen=True)
class _Piece:
    number: int
    mass: float
    box: Bounds
    rim: float
    """Fraction of its ink in the outer sixth of the picture."""

    @property
    def length(self) -> int:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def place(self) -> layout.Box:
        top, left, bottom, right = self.box
        return left, top, right, bottom


def _pieces(ink: Floats, mask: Mask, labels: NDArray[np.intp]) -> list[_Piece]:
    """The pieces of `mask`, heaviest first, without the tiniest."""
    ys, xs = np.nonzero(mask)
    height, width = ink.shape
    inside = (np.abs(ys / height - 0.5) < 1 / 3) & (np.abs(xs / width - 0.5) < 1 / 3)
    masses = np.bincount(labels, ink[mask])
    inner = np.bincount(labels, ink[mask] * inside)
    heaviest = np.argsort(-masses)
    found = []
    for number in heaviest[masses[heaviest] >= MIN_MASS * masses.max()]:
        y, x = ys[labels == number], xs[labels == number]
        box = int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1
        mass = float(masses[number])
        found.append(_Piece(int(number), mass, box, 1 - float(inner[number]) / mass))
    return found


def _without_frames(pieces: list[_Piece], shape: tuple[int, ...]) -> list[_Piece]:
    """`pieces` without printed boxes, ruled lines and table edges, if a digit remains."""
    digits = []
    for piece in pieces:
        spans = [(piece.box[axis + 2] - piece.box[axis]) / shape[axis] for axis in (0, 1)]
        if max(spans) < 0.8 or (piece.rim < 0.8 and min(spans) > 0.08):
            digits.append(piece)
    longest = max((piece.length for piece in digits), default=0)
    return digits if longest > 0.1 * max(shape) else pieces


def _belonging(pieces: list[_Piece]) -> list[_Piece]:
    """The heaviest piece and those near it; the nearer they are, the lighter they may be."""
    kept, box, others = [pieces[0]], pieces[0].box, pieces[1:]
    while True:
        size = max(box[2] - box[0], box[3] - box[1])
        near = [
            piece
            for piece in others
            if _gap(box, piece.box) * pieces[0].mass <= 3 * size * piece.mass
            and _gap(box, piece.box) <= size / 2
        ]
        if not near:
            return kept
        kept += near
        others = [piece for piece in others if piece not in near]
        corners = np.array([piece.box for piece in kept])
        box = (*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0))


def _gap(one: Bounds, other: Bounds) -> float:
    return math.hypot(
        max(0, one[0] - other[2], other[0] - one[2]), max(0, one[1] - other[3], other[1] - one[3])
    )


def digit_alone(found: Ink) -> tuple[Floats, str]:
    """The digit's ink alone, 1 in full strokes, and why it may not be one digit, or "".

    Raises ImageError if nothing is large enough.
    """
    ink = found.levels
    mask = ink > EDGE
    labels = _labels(mask)
    pieces = _pieces(ink, mask, labels)
    marks = _without_frames(pieces, ink.shape)
    kept = _belonging(marks)
    length = max(piece.length for piece in kept)
    if length < MIN_LENGTH * max(ink.shape):
        raise ImageError("nothing larger than a speck; expected a picture of one digit")
    digit = np.isin(labels, [piece.number for piece in kept])
    full = max(float(np.quantile(ink[mask][digit], 0.95)) - 1.5 * found.noise, EDGE)
    own = np.zeros_like(mask)
    own[mask] = digit
    thickness = 2 * float(own.sum()) / max(1.0, outline(own))
    alone = np.where(_grown(own, 2 + length // 20), np.minimum(ink / np.float32(full), 1), 0)
    if max(ink.shape) <= ICON:
        return alone, ""
    swollen = _holds_square(own, min(MAX_SWELL * thickness, MAX_BREADTH * length))
    if (swollen or thickness > MAX_THICKNESS * length) and not found.close:
        return alone, "there is a blot, or a reflection, rather than strokes"
    return alone, _doubt(found, marks, kept)


def _holds_square(mask: Mask, side: float) -> bool:
    """Whether a square of that side fits into a mask."""
    return not _grown(~np.pad(mask, 1), math.ceil(side / 2)).all()


def outline(mask: Mask) -> float:
    """The length of a mask's outline, in pixels."""
    slopes = np.hypot(np.diff(mask[:-1] * 1.0, axis=1), np.diff(mask[:, :-1] * 1.0, axis=0))
    return float(slopes.sum())


def _doubt(found: Ink, marks: list[_Piece], kept: list[_Piece]) -> str:
    """Why the pieces that were kept may not be one digit alone, or ""."""
    height, width = found.levels.shape
    box = layout.around([piece.place for piece in kept])
    at_edge = box[0] < 1 or box[1] < 1 or box[2] >= width or box[3] >= height
    spans = max(layout.size(box)[0] / width, layout.size(box)[1] / height)
    if (at_edge or spans > 0.8) and not (found.close and len(marks) == 1):
        return "the ink reaches the edge of the picture"
    if found.step > MAX_STEP:
        return "a shadow, a reflection or something dark lies on the paper or beside it"
    if found.opposite > MAX_OPPOSITE:
        return "some marks are darker than the paper and some lighter"
    mass = sum(piece.mass for piece in kept)
    if any(piece.mass > 0.05 * mass for piece in marks if piece not in kept):
        return "there is more ink beside the digit"
    if not all(_fit(one, two) for one in kept for two in kept if one is not two):
        return "there are several marks, perhaps a frame, a line or another digit"
    if _is_empty_frame(found.levels > EDGE, box):
        return "there is an empty frame"
    return layout.row_problem([box]) or ""


def _is_empty_frame(mask: Mask, box: layout.Box) -> bool:
    """Whether nearly all ink in a box lies along its sides."""
    left, top, right, bottom = map(int, box)
    inside = mask[top:bottom, left:right]
    rim = max(2, round(0.08 * max(inside.shape)))
    core = inside[rim:-rim, rim:-rim]
    return min(inside.shape) > 5 * rim and float(core.sum()) < 0.05 * float(inside.sum())


def _fit(piece: _Piece, neighbour: _Piece) -> bool:
    """Whether two pieces may be parts of one digit."""
    one, other = piece.place, neighbour.place
    furniture = layout.encloses(one, other) or layout.underlines(one, other)
    return layout.is_one_digit(one, other, _gap(piece.box, neighbour.box)) and not furniture


def _grown(mask: Mask, by: int) -> Mask:
    """`mask` and everything within `by` pixels of it, along rows and columns."""
    windows = np.lib.stride_tricks.sliding_window_view
    rows = np.any(windows(np.pad(mask, by), 2 * by + 1, axis=0), axis=-1)
    return np.any(windows(rows, 2 * by + 1, axis=1), axis=-1)
