"""Reading image files: any format, depth and size, as plain arrays.

`load_resized` makes what a data set of photos needs; `digits` makes what MNIST needs.
"""

from __future__ import annotations

import functools
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lenetkit.errors import ImageError
from lenetkit.files.opening import file_kind, open_regular, printable, refusal

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
"""What Pillow may take a file for, whatever its name: EPS, for one, it would have run."""
MAX_PIXELS = 100_000_000
_STRIP = 256  # rows that are converted at once
READ_SIDE = 2048  # a digit a fiftieth as long as the page still has 40 pixels

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
                f"{printable(path)}: no such file or folder; expected a picture or a folder of them"
            )
    return found


def _images_in(folder: Path) -> list[Path]:
    try:
        files = [entry for entry in folder.iterdir() if entry.is_file()]
    except OSError as error:
        raise ImageError(
            f"{printable(folder)}: cannot list this folder: {error.strerror}"
        ) from error
    images = [
        file
        for file in files
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    ]
    if not images:
        raise ImageError(
            f"{printable(folder)}: no pictures among the {len(files)} files right in this folder; "
            f"expected names that end in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return sorted(images, key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], path.name


def load_resized(path: Path, shape: tuple[int, int, int]) -> Bytes:
    """`resize` of a file's picture: uint8 (C, H, W); raises ImageError that names the file."""
    return named(path, lambda image: resize(image, shape))


def named(path: Path, prepare: Callable[[Floats], Bytes]) -> Bytes:
    """A prepared picture; what is wrong with it is said with the name of its file."""
    image = read_image(path)
    try:
        return prepare(image)
    except ImageError as error:
        raise ImageError(f"{printable(path)}: {error}") from error


def read_image(path: Path) -> Floats:
    """A picture file as float32 (C, H, W) in 0..1: C is 1 for grey, 3 for colour (RGB).

    Turned upright by its EXIF note, transparency filled in with what sets the ink off, sides above
    2,048 pixels shrunk by a whole factor, the first frame or page only. Raises ImageError.
    """
    try:
        with open_regular(path) as file:
            return _read(path, file)
    except OSError as error:
        raise ImageError(f"{printable(path)}: {refusal(error, 'a picture')}") from error


def _read(path: Path, file: BinaryIO) -> Floats:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata, and Pillow's limit, which is below ours
            with Image.open(file, formats=_formats()) as image:
                return _decoded(path, image)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{printable(path)}: too large ({error}); expected at most {MAX_PIXELS:,} pixels"
        ) from error
    except UnidentifiedImageError as error:
        file.seek(0)
        kind = file_kind(file.read(64))
        hint = "; save it as JPEG first" if kind == "a HEIC photo" else ""
        raise ImageError(
            f"{printable(path)}: is {kind}; expected a PNG, JPEG or the like{hint}"
        ) from error
    except Exception as error:  # Pillow's decoders raise almost anything on a damaged file
        raise ImageError(
            f"{printable(path)}: cannot be read ({type(error).__name__}: {error}); "
            "expected a whole picture"
        ) from error


@functools.cache
def _formats() -> list[str]:
    """Those of the formats that this Pillow was built with."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _decoded(path: Path, image: Image.Image) -> Floats:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{printable(path)}: {width:,} × {height:,} pixels; "
            f"expected at most {MAX_PIXELS:,} in all"
        )
    image.draft(None, (READ_SIDE, READ_SIDE))  # a large JPEG is decoded at a half, quarter, eighth
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    gray = image.mode in _GRAY_MODES
    # A transparent colour of a picture without a palette is its ground, and stays as it is.
    clear = image.mode[-1] in "Aa" or (image.mode == "P" and "transparency" in image.info)
    if image.mode.startswith(_DEEP_MODES):
        low, full = _depth(image)
        plane = _shrunk(image, lambda strip: Image.fromarray((_levels(strip) - low) / full))
        return np.clip(plane, 0, 1)[None]  # what rounding or shrinking overshot
    mode = "RGBA" if clear else "L" if gray else "RGB"
    plain = _shrunk(image, lambda strip: strip.convert(mode))
    channels = np.atleast_3d(plain.astype(np.float32)).transpose(2, 0, 1) / np.float32(255)
    if clear:
        channels = _filled(channels)
    return np.ascontiguousarray(channels[:1] if gray else channels)


def _shrunk(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> NDArray[Any]:
    """The converted picture, sides above `READ_SIDE` shrunk; strip by strip, to save memory."""
    factor = math.ceil(max(image.size) / READ_SIDE)
    converted = (convert(strip) for strip in _strips(image, factor))
    return np.concatenate([np.asarray(s.reduce(factor)) for s in converted])


def _strips(image: Image.Image, multiple: int = 1) -> Iterator[Image.Image]:
    """The picture from top to bottom, in strips whose heights are multiples of a number."""
    width, height = image.size
    rows = multiple * math.ceil(_STRIP / multiple)
    for top in range(0, height, rows):
        yield image.crop((0, top, width, min(top + rows, height)))


_DEEPEST = np.float32(2**32)
"""No sensor counts further; two numbers of this size can still be subtracted."""


def _levels(image: Image.Image) -> Floats:
    levels = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0, neginf=0)
    return np.clip(levels, -_DEEPEST, _DEEPEST)


def _depth(image: Image.Image) -> tuple[np.float32, np.float32]:
    """The lowest level and the range in use: a 12-bit sensor fills a sixteenth of 16 bits."""
    ranges = [(float(v.min()), float(v.max())) for v in map(_levels, _strips(image))]
    low = min(0.0, *(lowest for lowest, _ in ranges))
    top = max(highest for _, highest in ranges) - low
    full = next((float(2**bits - 1) for bits in (8, 10, 12, 14, 16) if top < 2**bits), top)
    return np.float32(low), np.float32(1 if top <= 1 else full)


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
    planes = [resample(plane, (height, width)) for plane in image]
    pixels = np.clip(np.rint(np.stack(planes) * 255), 0, 255).astype(np.uint8)
    return np.repeat(pixels, channels // len(pixels), axis=0)


def resample(
    plane: Floats, size: tuple[int, int], region: tuple[float, float, float, float] | None = None
) -> Floats:
    """(H, W) to `size`, anti-aliased; from `region` (left, top, right, bottom) where given."""
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC, region), np.float32)
