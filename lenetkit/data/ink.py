"""Finding a digit on its paper: which pixels are ink, and which ink is the digit.

Paper brightness is measured locally, so that shadows do not count; ink is what deviates from it,
whichever way. The ink falls into connected pieces, of which frames, ruled lines and far specks
are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lenetkit.data.images import Floats, resample
from lenetkit.errors import ImageError

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""First row, first column, last row + 1, last column + 1."""

WORK_SIDE = 320  # averages sensor noise away and leaves a tenth of the page 32 pixels
FIT_SIDE = 40  # paper and shadows have no finer detail, and medians are slow
MIN_CONTRAST = 3 / 255  # fainter than this is no ink
EDGE = 0.25  # share of full ink at which a stroke's edge is taken to lie
DENSE = 0.25  # share of a picture's pixels above which ink may hide most of the ground
SPECK = 0.03  # share of the picture's longer side below which a mark is no digit
DUST = 0.005  # share of the heaviest piece's ink below which a piece is not looked at


def to_gray(image: Floats) -> Floats:
    """(C, H, W) in 0..1 as (H, W) in 0..1, by the mix of channels in which the ink stands out most.

    Luminance would all but lose a yellow pen on white, so the mix is the principal axis of the
    colours that differ most from their surroundings. Light stays light. Raises ImageError where C
    is neither 1 nor 3.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.size == 0:
        raise ImageError(f"a picture of shape {image.shape}; expected (1 or 3, H, W)")
    if image.shape[0] == 1:
        return np.asarray(image[0], np.float32)
    small = np.stack([limited(plane, WORK_SIDE) for plane in image])
    apart = np.stack([plane - _paper(plane) for plane in small]).reshape(3, -1)
    strength = np.abs(apart).sum(axis=0)
    ink = apart[:, strength >= np.quantile(strength, 0.99)]
    axis = np.linalg.eigh(ink @ ink.T)[1][:, -1].astype(np.float32)
    mix = axis * (np.sign(axis.sum()) or 1) / np.abs(axis).sum()
    return np.asarray(np.tensordot(mix, image, 1) - np.minimum(mix, 0).sum(), np.float32)


def limited(plane: Floats, side: int) -> Floats:
    """Averaged down until no side is above `side`; as it was where none is."""
    scale = side / max(plane.shape)
    if scale >= 1:
        return plane
    size = [max(1, round(length * scale)) for length in plane.shape[::-1]]
    return np.asarray(
        Image.fromarray(plane).resize((size[0], size[1]), Image.Resampling.BOX), np.float32
    )


def _paper(plane: Floats) -> Floats:
    """The brightness of the ground under each pixel, whichever of ink and ground is the darker.

    A local median, because it passes over strokes, follows a gradient and keeps a shadow's edge;
    then another, finer one of the ground without the ink that the first one made out.
    """
    small = limited(plane, FIT_SIDE)
    reach = max(small.shape) // 4
    rough = _local_median(small, reach)
    apart = np.abs(small - rough)
    bare = np.where(apart > 3 * _spread(apart), rough, small)
    return resample(_local_median(bare, reach // 2), plane.shape)


def _local_median(plane: Floats, reach: int) -> Floats:
    even = np.pad(plane, reach, mode="reflect")
    # Mirrored in value too, so that a gradient goes on beyond the edge, except where the edge is
    # so much darker or lighter that it must be ink, or the table under the page.
    odd = np.pad(plane, reach, mode="reflect", reflect_type="odd")
    edge = (odd + even) / 2
    padded = np.where((edge > even / 3) & (even > edge / 3), odd, even)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(np.median(windows, axis=(-2, -1)), np.float32)


def _spread(values: NDArray[np.floating]) -> float:
    return 1.4826 * float(np.median(np.abs(values)))


def _ground(plane: Floats) -> tuple[Floats, bool]:
    """The brightness of the ground under each pixel, and whether the ink is lighter than it."""
    paper = _paper(plane)
    if _is_close_crop(plane, paper):
        low, high = (float(level) for level in np.quantile(plane, (0.05, 0.95)))
        bright = plane > (low + high) / 2
        # Ink may be the majority in a close crop, but it is rarer along the edge than inside.
        edge = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
        light = bool(edge.mean() < bright.mean())
        return np.full_like(plane, low if light else high), light
    return paper, float(np.sum((plane - paper) ** 3)) > 0  # the few that deviate most are the ink


def _is_close_crop(plane: Floats, paper: Floats) -> bool:
    """Whether ink covers so much that the local median took it for paper here and there."""
    low, high = np.quantile(plane, (0.05, 0.95))
    share = np.mean(plane > (low + high) / 2)
    vague = np.mean(np.abs(plane - (low + high) / 2) < 0.15 * (high - low))
    darkest = np.quantile(paper, 0.05)
    # No shadow leaves but a fifth of the light, and shading is not of two levels only.
    return bool(min(share, 1 - share) > DENSE and vague < 0.2 and darkest < 0.2 * high)


def find_ink(plane: Floats) -> tuple[Floats, float]:
    """How much ink each pixel bears, 0 for bare paper, about 1 for the strongest strokes.

    With it the standard deviation of its noise.
    """
    paper, light = _ground(plane)
    if light:
        plane, paper = 1 - plane, 1 - paper
    # Shadow dims paper and ink by the same factor, so the ratio is what the ink alone did.
    ink = (paper - plane) / np.maximum(paper, 0.05)
    noise = _spread(ink[ink <= max(float(ink.max()) / 2, MIN_CONTRAST)])
    ink = np.maximum(ink - 3 * noise, 0)
    strongest = np.sort(ink, axis=None)[-max(4, ink.size // 500) :].mean()
    if strongest < max(2 * noise, MIN_CONTRAST):
        raise ImageError("nothing stands out from the ground; expected a picture of one digit")
    return ink / strongest, noise / strongest


def _labels(mask: Mask) -> NDArray[np.intp]:
    """For each True pixel, in order, the number of its piece; pixels join at corners too."""
    number = np.cumsum(mask).reshape(mask.shape) - 1
    pairs = [
        (number[a][mask[a] & mask[b]], number[b][mask[a] & mask[b]])
        for a, b in (
            (np.s_[:, :-1], np.s_[:, 1:]),
            (np.s_[:-1, :], np.s_[1:, :]),
            (np.s_[:-1, :-1], np.s_[1:, 1:]),
            (np.s_[:-1, 1:], np.s_[1:, :-1]),
        )
    ]
    one, other = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    parent = np.arange(int(mask.sum()))
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
    box: Box
    rim: float
    """Share of its ink in the outer sixth of the picture."""

    @property
    def length(self) -> int:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


def _pieces(ink: Floats, mask: Mask, labels: NDArray[np.intp]) -> list[_Piece]:
    """The pieces of `mask`, heaviest first, dust left out."""
    ys, xs = np.nonzero(mask)
    height, width = ink.shape
    inside = (np.abs(ys / height - 0.5) < 1 / 3) & (np.abs(xs / width - 0.5) < 1 / 3)
    masses = np.bincount(labels, ink[mask])
    inner = np.bincount(labels, ink[mask] * inside)
    heaviest = np.argsort(-masses)
    found = []
    for number in heaviest[masses[heaviest] >= DUST * masses.max()]:
        y, x = ys[labels == number], xs[labels == number]
        box = int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1
        mass = float(masses[number])
        found.append(_Piece(int(number), mass, box, 1 - float(inner[number]) / mass))
    return found


def _without_frames(pieces: list[_Piece], shape: tuple[int, ...]) -> list[_Piece]:
    """`pieces` less printed boxes, ruled lines and the table round the page, if a digit is left."""
    digits = []
    for piece in pieces:
        spans = [(piece.box[axis + 2] - piece.box[axis]) / shape[axis] for axis in (0, 1)]
        if max(spans) < 0.8 or (piece.rim < 0.8 and min(spans) > 0.08):
            digits.append(piece)
    longest = max((piece.length for piece in digits), default=0)
    return digits if longest > 0.1 * max(shape) else pieces


def _belonging(pieces: list[_Piece]) -> list[_Piece]:
    """The heaviest piece and those near it, the nearer the lighter they may be."""
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


def _gap(one: Box, other: Box) -> float:
    return math.hypot(
        max(0, one[0] - other[2], other[0] - one[2]), max(0, one[1] - other[3], other[1] - one[3])
    )


def digit_alone(ink: Floats, noise: float) -> Floats:
    """`ink` without what does not belong to the digit, full strokes at 1."""
    mask = ink > EDGE
    labels = _labels(mask)
    kept = _belonging(_without_frames(_pieces(ink, mask, labels), ink.shape))
    length = max(piece.length for piece in kept)
    if length < SPECK * max(ink.shape):
        raise ImageError("nothing larger than a speck; expected a picture of one digit")
    digit = np.isin(labels, [piece.number for piece in kept])
    full = max(float(np.quantile(ink[mask][digit], 0.95)) - 1.5 * noise, EDGE)
    own = np.zeros_like(mask)
    own[mask] = digit
    return np.where(_grown(own, 2 + length // 20), np.minimum(ink / np.float32(full), 1), 0)


def _grown(mask: Mask, by: int) -> Mask:
    """`mask` and all within `by` pixels of it, along rows and columns."""
    for axis in (0, 1):
        width = [(by, by) if axis == side else (0, 0) for side in (0, 1)]
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(mask, width), 2 * by + 1, axis=axis
        )
        mask = np.any(windows, axis=-1)
    return mask
