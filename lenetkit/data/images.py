"""Pictures of digits as MNIST would have drawn them, and other pictures at a network's size.

`load_digit` turns a photo, scan or drawing into what MNIST's makers made of theirs: light ink on
dark, its box fitted into 20 of 28 pixels, its centre of mass in the middle of the field. The steps
are: shrink to a working size, divide by the paper's own brightness, keep the pieces that belong to
the digit, thicken strokes that would vanish, resample, and shift by whole pixels. A picture that
is MNIST's already comes out as it went in. `load_resized` only resizes.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lenetkit.errors import ImageError

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""First row, first column, last row + 1, last column + 1."""

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
MAX_PIXELS = 100_000_000
READ_SIDE = 2048  # a digit a fiftieth as long as the page still has 40 pixels
WORK_SIDE = 320  # averages sensor noise away and leaves a tenth of the page 32 pixels
FIT_SIDE = 40  # paper and shadows have no finer detail, and medians are slow
MIN_CONTRAST = 3 / 255  # fainter than this is no ink
EDGE = 0.25  # share of full ink at which a stroke's edge is taken to lie
THIN = 1.1  # strokes below this, in MNIST's pixels, are thickened; nearly all of MNIST's are above
PEN = 2.2  # … to this
OVERSAMPLE = 4  # at which stroke thickness is measured and mended
DENSE = 0.25  # share of a picture's pixels above which ink may hide most of the ground
SPECK = 0.03  # share of the picture's longer side below which a mark is no digit
DUST = 0.005  # share of the heaviest piece's ink below which a piece is not looked at

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_GRAY_MODES = frozenset({"1", "L", "LA", "La"})
_DEEP_MODES = ("I", "F")  # prefixes: I, I;16, I;16B, F


def find_images(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths`, and the picture files right in the folders, `9` before `10`.

    A file is taken whatever its name; in a folder the suffix decides, and hidden files are
    skipped. Raises ImageError where a path is missing or a folder holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += _images_in(path)
        elif path.exists():
            found.append(path)
        else:
            raise ImageError(
                f"{path}: no such file or folder; expected a picture or a folder of them"
            )
    return found


def _images_in(folder: Path) -> list[Path]:
    try:
        files = [entry for entry in folder.iterdir() if entry.is_file()]
    except OSError as error:
        raise ImageError(f"{folder}: cannot list this folder: {error.strerror}") from error
    images = [
        file
        for file in files
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    ]
    if not images:
        raise ImageError(
            f"{folder}: no pictures among the {len(files)} files right in this folder; expected "
            f"names that end in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return sorted(images, key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], path.name


def load_digit(path: Path, size: tuple[int, int] = (28, 28)) -> Bytes:
    """`prepare_digit` of a file's picture: uint8 (H, W); raises ImageError that names the file."""
    return _named(path, lambda image: prepare_digit(to_gray(image), size))


def load_resized(path: Path, shape: tuple[int, int, int]) -> Bytes:
    """`resize` of a file's picture: uint8 (C, H, W); raises ImageError that names the file."""
    return _named(path, lambda image: resize(image, shape))


def _named(path: Path, prepare: Callable[[Floats], Bytes]) -> Bytes:
    image = read_image(path)
    try:
        return prepare(image)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def read_image(path: Path) -> Floats:
    """A picture file as float32 (C, H, W) in 0..1: C is 1 for grey, 3 for colour (RGB).

    Turned upright by its EXIF note, transparency filled in with what sets the ink off, sides above
    2,048 pixels shrunk by a whole factor, the first frame or page only. Raises ImageError.
    """
    if path.is_dir():
        raise ImageError(f"{path}: is a folder; expected a picture file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata, and Pillow's limit, which is below ours
            with Image.open(path) as image:
                return _decoded(path, image)
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file; expected a picture") from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{path}: too large ({error}); expected at most {MAX_PIXELS:,} pixels"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: {_unknown(path)}; expected a PNG, JPEG or the like") from error
    except Exception as error:  # Pillow's decoders raise almost anything on a damaged file
        raise ImageError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); expected a whole picture"
        ) from error


def _unknown(path: Path) -> str:
    if path.suffix.lower() in {".heic", ".heif"}:
        return "a HEIC photo, which must be saved as JPEG first"
    with path.open("rb") as file:
        start = file.read(8)
    return f"no known kind of picture (starts with {start!r})" if start else "an empty file"


def _decoded(path: Path, image: Image.Image) -> Floats:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{path}: {width:,} × {height:,} pixels; expected at most {MAX_PIXELS:,} in all"
        )
    image.draft(None, (READ_SIDE, READ_SIDE))  # a large JPEG is decoded at a half, quarter, eighth
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    gray = image.mode in _GRAY_MODES
    # A transparent colour of a picture without a palette is its ground, and stays as it is.
    clear = image.mode[-1] in "Aa" or (image.mode == "P" and "transparency" in image.info)
    if image.mode.startswith(_DEEP_MODES):
        return np.asarray(_shrunk(Image.fromarray(_unit_range(np.asarray(image)))))[None]
    plain = _shrunk(image.convert("RGBA" if clear else "L" if gray else "RGB"))
    channels = np.atleast_3d(np.asarray(plain, np.float32)).transpose(2, 0, 1) / np.float32(255)
    if clear:
        channels = _filled(channels)
    return np.ascontiguousarray(channels[:1] if gray else channels)


def _shrunk(image: Image.Image) -> Image.Image:
    factor = math.ceil(max(image.size) / READ_SIDE)
    return image.reduce(factor) if factor > 1 else image


def _unit_range(values: NDArray[np.generic]) -> Floats:
    """Deep grey values by the depth in use: a 12-bit sensor fills a sixteenth of 16 bits."""
    levels = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    levels -= min(levels.min(), 0)
    top = float(levels.max())
    full = next((float(2**bits - 1) for bits in (8, 10, 12, 14, 16) if top < 2**bits), top)
    return levels if top <= 1 else levels / np.float32(full)


def _filled(rgba: Floats) -> Floats:
    """(4, H, W) on an opaque ground: a cut-out's own paper, else what the ink stands out from."""
    colour, alpha = rgba[:3], rgba[3]
    solid = colour[:, alpha > 0.5]
    ground: Floats = np.ones(3, np.float32)
    if solid.size:
        brightness = _LUMINANCE @ solid
        if alpha.mean() > 0.5 and brightness.std() > 0.02:
            ground = np.median(solid, axis=1)
        elif np.median(brightness) > 0.5:
            ground = np.zeros(3, np.float32)
    return np.asarray(colour * alpha + ground[:, None, None] * (1 - alpha), np.float32)


def resize(image: Floats, shape: tuple[int, int, int]) -> Bytes:
    """A picture (C, H, W) in 0..1 as uint8 of `shape`, anti-aliased, stretched to fit.

    Grey is repeated for three channels, colour becomes luminance for one. Raises ImageError where
    the picture or `shape` has other than one or three channels, or no pixels.
    """
    channels, height, width = shape
    if image.ndim != 3 or {image.shape[0], channels} - {1, 3} or min(image.shape + shape) < 1:
        raise ImageError(
            f"a picture of shape {image.shape} to be made {shape}; expected (1 or 3, H, W) for both"
        )
    if channels < len(image):
        image = np.tensordot(_LUMINANCE, image, 1)[None]
    planes = [_resample(plane, (height, width)) for plane in image]
    pixels = np.clip(np.rint(np.stack(planes) * 255), 0, 255).astype(np.uint8)
    return np.repeat(pixels, channels // len(pixels), axis=0)


def _resample(
    plane: Floats, size: tuple[int, int], region: tuple[float, float, float, float] | None = None
) -> Floats:
    """(H, W) to `size`, anti-aliased; from `region` (left, top, right, bottom) where given."""
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC, region), np.float32)


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
    small = np.stack([_limited(plane, WORK_SIDE) for plane in image])
    apart = np.stack([plane - _paper(plane) for plane in small]).reshape(3, -1)
    strength = np.abs(apart).sum(axis=0)
    ink = apart[:, strength >= np.quantile(strength, 0.99)]
    axis = np.linalg.eigh(ink @ ink.T)[1][:, -1].astype(np.float32)
    mix = axis * (np.sign(axis.sum()) or 1) / np.abs(axis).sum()
    return np.asarray(np.tensordot(mix, image, 1) - np.minimum(mix, 0).sum(), np.float32)


def _limited(plane: Floats, side: int) -> Floats:
    """Averaged down until no side is above `side`; as it was where none is."""
    scale = side / max(plane.shape)
    if scale >= 1:
        return plane
    size = [max(1, round(length * scale)) for length in plane.shape[::-1]]
    return np.asarray(
        Image.fromarray(plane).resize((size[0], size[1]), Image.Resampling.BOX), np.float32
    )


def prepare_digit(gray: NDArray[np.generic], size: tuple[int, int] = (28, 28)) -> Bytes:
    """A picture of one digit (H, W), dark on light or light on dark, as MNIST's: uint8 of `size`.

    `gray` is uint8, uint16, bool, or floating point in 0..1. Raises ImageError where it is not,
    where `size` is empty, or where the picture shows nothing that could be a digit.
    """
    if min(size) < 1:
        raise ImageError(f"a field of {size[0]} × {size[1]} pixels; expected at least 1 × 1")
    plane = _limited(_checked(gray), WORK_SIDE)
    ink = _digit_alone(*_ink(plane))
    return _centred(_thickened(ink, size), size)


def _checked(gray: NDArray[np.generic]) -> Floats:
    if gray.ndim != 2 or gray.size == 0:
        raise ImageError(f"a picture of shape {gray.shape}; expected (H, W), neither of them zero")
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


def _paper(plane: Floats) -> Floats:
    """The brightness of the ground under each pixel, whichever of ink and ground is the darker.

    A local median, because it passes over strokes, follows a gradient and keeps a shadow's edge;
    then another, finer one of the ground without the ink that the first one made out.
    """
    small = _limited(plane, FIT_SIDE)
    reach = max(small.shape) // 4
    rough = _local_median(small, reach)
    apart = np.abs(small - rough)
    bare = np.where(apart > 3 * _spread(apart), rough, small)
    return _resample(_local_median(bare, reach // 2), plane.shape)


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


def _ink(plane: Floats) -> tuple[Floats, float]:
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


def _digit_alone(ink: Floats, noise: float) -> Floats:
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


def _fitted(ink: Floats, inner: tuple[int, int], margin: int) -> Floats:
    """The digit's box at the largest scale that fits `inner`, `margin` pixels of field round it."""
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
    return np.clip(_resample(np.pad(ink, pad), (height, width), region), 0, 1)


def _inner(size: tuple[int, int]) -> tuple[int, int]:
    return max(1, round(size[0] * 20 / 28)), max(1, round(size[1] * 20 / 28))


def _thickened(ink: Floats, size: tuple[int, int]) -> Floats:
    """`ink` itself, or where its strokes would end up too thin to see, drawn with a broader pen."""
    inner = _inner(size)
    fine = _fitted(ink, (inner[0] * OVERSAMPLE, inner[1] * OVERSAMPLE), OVERSAMPLE)
    fine = np.minimum(fine / np.quantile(fine[fine > EDGE * fine.max()], 0.9), 1)
    mask = fine > 0.5
    slopes = np.hypot(np.diff(mask[:-1] * 1.0, axis=1), np.diff(mask[:, :-1] * 1.0, axis=0))
    thickness = 2 * float(mask.sum()) / max(1.0, float(slopes.sum()))
    unit = OVERSAMPLE * min(inner) / 20
    if thickness >= THIN * unit:
        return ink
    return _broadened(fine, (PEN * unit - thickness) / 2)


def _broadened(ink: Floats, by: float) -> Floats:
    """Each pixel the strongest within `by` pixels of it."""
    reach = int(by)
    padded = np.pad(ink, 2 * reach)
    steps = range(-reach, reach + 1)
    disc = [(y, x) for y in steps for x in steps if math.hypot(y, x) <= by]
    return np.asarray(np.max([np.roll(padded, move, (0, 1)) for move in disc], axis=0), np.float32)


def _centred(ink: Floats, size: tuple[int, int]) -> Bytes:
    """The digit's box fitted into 20/28 of `size`, then moved to have its mass in the middle."""
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
    """Where a window of `length` starts so that the mass's centre is half a pixel round its middle.

    Whole pixels only, so that nothing blurs; and the digit's box stays inside.
    """
    centre = float(mass @ np.arange(mass.size) / mass.sum())
    start = math.floor(centre - (length - 1) / 2)
    return min(max(start, mass.size - margin - length), margin)
