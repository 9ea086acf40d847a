"""Pictures of digits prepared as MNIST's were.

`load_digits` turns a photo, scan or drawing into light ink on dark, each digit's bounding box
fitted into 20 of 28 pixels, its centre of mass in the middle. Finding the ink of one digit on bare
paper needs NumPy and Pillow alone (`ink`); whatever else is in the picture is sorted out by OpenCV
(`photos`), if it is installed. Strokes that would vanish are thickened, then the ink is resampled
and shifted by whole pixels. MNIST's own pictures hardly change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lenetkit.data.images import Bytes, Floats, naming, read_picture, resample
from lenetkit.data.ink import (
    EDGE,
    ICON,
    MIN_CONTRAST,
    WORK_SIDE,
    digit_alone,
    find_ink,
    outline,
    shrunk,
    to_gray,
)
from lenetkit.data.layout import Box
from lenetkit.errors import ImageError

EXTRA = 'to read such photos: pip install "lenetkit[photos]"'

MIN_THICKNESS = 1.1  # of strokes, in MNIST's pixels; nearly all of MNIST's are thicker
PEN = 2.2  # thickness that thinner strokes are given
SLANT = 0.12  # columns a row
OVERSAMPLE = 4  # scale at which thickness is measured and corrected


@dataclass(frozen=True, eq=False)
class Prepared:
    """A digit of a picture, prepared in one or more ways."""

    images: Bytes
    """(V, H, W): the usual preparation first, then others that show the same digit."""
    box: Box
    """Left, top, right, bottom in the picture, in pixels."""


def load_digits(path: Path, size: tuple[int, int] = (28, 28)) -> list[Prepared]:
    """The digits in a picture file, from left to right. Raises ImageError that names the file.

    A picture that is refused without OpenCV names the extra that has it.
    """
    picture = read_picture(path)
    with naming(path):
        return [
            Prepared(digit.images, picture.scaled(digit.box))
            for digit in find_digits(picture.pixels, size)
        ]


def find_digits(image: Floats, size: tuple[int, int] = (28, 28)) -> list[Prepared]:
    """The digits in a picture (C, H, W) in 0..1, from left to right, boxes as fractions of it.

    Raises ImageError if it is not certain that there are any.
    """
    plane = shrunk(to_gray(image), WORK_SIDE)
    try:
        ink, doubt = digit_alone(find_ink(plane))
    except ImageError as error:
        doubt = str(error)
        if _is_blank(image):
            raise
    if not doubt:
        images = _variants(ink, size)[: 1 if max(plane.shape) <= ICON else None]
        return [Prepared(images, _place(ink))]
    try:
        from lenetkit.data import photos  # OpenCV is large, and may be absent
    except ImportError:
        raise ImageError(f"{doubt}; {EXTRA}") from None
    return [Prepared(_variants(found.ink, size), found.box) for found in photos.find_digits(image)]


def _is_blank(image: Floats) -> bool:
    return float(np.ptp(image, axis=(1, 2)).max()) < MIN_CONTRAST


def _place(ink: Floats) -> Box:
    """The box of a digit's ink, as fractions of the picture."""
    ys, xs = (np.flatnonzero((ink > EDGE).any(axis=axis)) for axis in (1, 0))
    height, width = ink.shape
    return (
        float(xs[0]) / width,
        float(ys[0]) / height,
        float(xs[-1] + 1) / width,
        float(ys[-1] + 1) / height,
    )


def _variants(ink: Floats, size: tuple[int, int]) -> Bytes:
    """The digit as it is, and leaning a little to either side."""
    leaning = [ink, *(_slanted(ink, by) for by in (SLANT, -SLANT))]
    return np.stack([_centred(_thickened(one, size), size) for one in leaning])


def _slanted(ink: Floats, by: float) -> Floats:
    pad = math.ceil(abs(by) * ink.shape[0] / 2) + 1
    image = Image.fromarray(np.pad(ink, ((0, 0), (pad, pad))))
    slant = (1, by, -by * ink.shape[0] / 2, 0, 1, 0)
    leaning = image.transform(image.size, Image.Transform.AFFINE, slant, Image.Resampling.BILINEAR)
    return np.clip(np.asarray(leaning, np.float32), 0, 1)


def prepare_digit(gray: NDArray[np.generic], size: tuple[int, int] = (28, 28)) -> Bytes:
    """A picture of one digit (H, W), dark on light or light on dark, in MNIST's form, uint8.

    `gray` is uint8, uint16, bool, or floating point in 0..1. The most likely ink is taken for the
    digit. Raises ImageError if `gray` is of another kind, if `size` is empty, or if the picture
    shows nothing that could be a digit.
    """
    if min(size) < 1:
        raise ImageError(f"a field of {size[0]} × {size[1]} pixels; expected at least 1 × 1")
    plane = shrunk(_checked(gray), WORK_SIDE)
    ink, _ = digit_alone(find_ink(plane))
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
    thickness = 2 * float(mask.sum()) / max(1.0, outline(mask))
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
