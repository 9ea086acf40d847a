"""Pictures of digits prepared as MNIST's were.

`load_digit` turns a photo, scan or drawing into light ink on dark, its bounding box fitted into 20
of 28 pixels, its centre of mass in the middle. It shrinks the picture to a working size, divides by
the paper's brightness, keeps the pieces that belong to the digit (`ink`), thickens strokes that
would vanish, resamples, and shifts by whole pixels. MNIST's own pictures hardly change.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.images import Bytes, Floats, naming, read_image, resample
from lenetkit.data.ink import EDGE, WORK_SIDE, digit_alone, find_ink, shrunk, to_gray
from lenetkit.errors import ImageError

MIN_THICKNESS = 1.1  # of strokes, in MNIST's pixels; nearly all of MNIST's are thicker
PEN = 2.2  # thickness that thinner strokes are given
OVERSAMPLE = 4  # scale at which thickness is measured and corrected


def load_digit(path: Path, size: tuple[int, int] = (28, 28)) -> Bytes:
    """A picture file prepared by `prepare_digit`. Raises ImageError that names the file."""
    image = read_image(path)
    with naming(path):
        return prepare_digit(to_gray(image), size)


def prepare_digit(gray: NDArray[np.generic], size: tuple[int, int] = (28, 28)) -> Bytes:
    """A picture of one digit (H, W), dark on light or light on dark, in MNIST's form, uint8.

    `gray` is uint8, uint16, bool, or floating point in 0..1. Raises ImageError if it is not, if
    `size` is empty, or if the picture shows nothing that could be a digit.
    """
    if min(size) < 1:
        raise ImageError(f"a field of {size[0]} × {size[1]} pixels; expected at least 1 × 1")
    plane = shrunk(_checked(gray), WORK_SIDE)
    ink = digit_alone(*find_ink(plane))
    return _centred(_thickened(ink, size), size)


def _checked(gray: NDArray[np.generic]) -> Floats:
    if gray.ndim != 2 or gray.size == 0:
        raise ImageError(f"a picture of shape {gray.shape}; expected (H, W), both above 0")
    full = {"bool": 1, "uint8": 255, "uint16": 65535}.get(gray.dtype.name, 1)
    if full == 1 and gray.dtype.kind not in "bf":
        raise ImageError(
            f"pixels of type {gray.dtype}; expected uint8, uint16, bool or floating point"
        )
    plane = np.ascontiguousarray(gray, np.float32) / np.float32(full)
    low, high = float(plane.min()), float(plane.max())
    if not -1e-3 <= low <= high <= 1 + 1e-3:
        raise ImageError(f"pixels from {low:g} to {high:g}; expected 0 to 1")
    return plane


def _fitted(ink: Floats, inner: tuple[int, int], margin: int) -> Floats:
    """The digit's box scaled to fit `inner`, with a margin of `margin` empty pixels."""
    ys, xs = (np.flatnonzero((ink > EDGE).any(axis=axis)) for axis in (1, 0))
    top, left, bottom, right = int(ys[0]), int(xs[0]), int(ys[-1]) + 1, int(xs[-1]) + 1
    scale = min(inner[0] / (bottom - top), inner[1] / (right - left))
    height, width = (
        max(1, math.ceil(round(length * scale, 6))) + 2 * margin
        for length in (bottom - top, right - left)
    )
    pad = math.ceil((margin + 1) / scale)
    x, y = left + pad - margin / scale, top + pad - margin / scale
    region = (x, y, x + width / scale, y + height / scale)
    return np.clip(resample(np.pad(ink, pad), (height, width), region), 0, 1)


def _inner(size: tuple[int, int]) -> tuple[int, int]:
    return max(1, round(size[0] * 20 / 28)), max(1, round(size[1] * 20 / 28))


def _thickened(ink: Floats, size: tuple[int, int]) -> Floats:
    """`ink`, drawn with a broader pen if its strokes would become too thin to see."""
    inner = _inner(size)
    fine = _fitted(ink, (inner[0] * OVERSAMPLE, inner[1] * OVERSAMPLE), OVERSAMPLE)
    fine = np.minimum(fine / np.quantile(fine[fine > EDGE * fine.max()], 0.9), 1)
    mask = fine > 0.5
    slopes = np.hypot(np.diff(mask[:-1] * 1.0, axis=1), np.diff(mask[:, :-1] * 1.0, axis=0))
    thickness = 2 * float(mask.sum()) / max(1.0, float(slopes.sum()))
    unit = OVERSAMPLE * min(inner) / 20
    if thickness >= MIN_THICKNESS * unit:
        return ink
    return _broadened(fine, (PEN * unit - thickness) / 2)


def _broadened(ink: Floats, by: float) -> Floats:
    """Each pixel replaced by the strongest within `by` pixels of it."""
    reach = int(by)
    padded = np.pad(ink, 2 * reach)
    steps = range(-reach, reach + 1)
    disc = [(y, x) for y in steps for x in steps if math.hypot(y, x) <= by]
    return np.asarray(np.max([np.roll(padded, move, (0, 1)) for move in disc], axis=0), np.float32)


def _centred(ink: Floats, size: tuple[int, int]) -> Bytes:
    """The digit's box fitted into 20/28 of `size`, then shifted to centre its mass."""
    inner = _inner(size)
    margin = max(size)
    field = _fitted(ink, inner, margin)
    strongest = np.sort(field, axis=None)[-8:].mean()
    if strongest < 0.95:
        field = np.minimum(field / strongest, 1)
    shift = [_start(field.sum(axis=1 - axis), size[axis], margin) for axis in (0, 1)]
    window = field[shift[0] : shift[0] + size[0], shift[1] : shift[1] + size[1]]
    return np.rint(window * 255).astype(np.uint8)


def _start(mass: Floats, length: int, margin: int) -> int:
    """Where a window of `length` starts, so that the centre of mass is in its middle.

    A whole number, so that nothing blurs; the digit's box stays inside.
    """
    centre = float(mass @ np.arange(mass.size) / mass.sum())
    start = math.floor(centre - (length - 1) / 2)
    return min(max(start, mass.size - margin - length), margin)
