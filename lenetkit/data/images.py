"""Reading image files of any format, depth and size as plain arrays.

`load_resized` prepares images for a data set of photos; `digits` prepares them as MNIST's.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lenetkit.data.layout import Box
from lenetkit.errors import ImageError
from lenetkit.files.opening import file_kind, natural, open_regular, refusal
from lenetkit.text import printable

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

MAX_PIXELS = 100_000_000
MAX_SIDE = 2048
"""Larger pictures are shrunk; a digit a fiftieth as long as its page still has 40 pixels."""
STRIP = 256
"""Rows converted at a time, to save memory."""
IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
"""The formats that Pillow may recognize; EPS, for one, would be executed."""
_NAMED = 8
"""Files that are named in a message; more are counted."""
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_MAX_LEVEL = np.float32(2**32)
"""No sensor counts further, and numbers of this size can still be subtracted."""


def find_images(
    paths: Iterable[Path], report: Callable[[str], None] = lambda message: None
) -> list[Path]:
    """The files among `paths`, and the picture files directly in the folders, `9` before `10`.

    In folders the suffix decides and hidden files are skipped; other files are taken whatever their
    names. What is left out is counted and named in a message to `report`. Raises ImageError if a
    path does not exist or a folder holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += _images_in(path, report)
        elif path.exists():
            found.append(path)
        else:
            raise ImageError(
                f"{printable(path)}: no such file or folder; expected a picture or a folder of them"
            )
    return found


def _images_in(folder: Path, report: Callable[[str], None]) -> list[Path]:
    with naming(folder):
        try:
            entries = [entry for entry in folder.iterdir() if entry.name[0] != "."]
            files = [entry for entry in entries if entry.is_file()]
        except OSError as error:
            raise ImageError(f"cannot list this folder: {error.strerror}") from error
        images = [f for f in files if f.suffix.lower() in IMAGE_SUFFIXES]
        if not images:
            raise ImageError(
                f"no pictures among the {len(files)} files directly in this folder; "
                f"expected names ending in {', '.join(sorted(IMAGE_SUFFIXES))}"
            )
    left_out = sorted(
        f"{printable(entry.name)}/" if entry.is_dir() else printable(entry.name)
        for entry in set(entries).difference(images)
    )
    if left_out:
        names = ", ".join(left_out[:_NAMED]) + (", …" if len(left_out) > _NAMED else "")
        report(
            f"note: {printable(folder)}: left out {len(left_out)} that are no picture files by "
            f"their names: {names}"
        )
    return sorted(images, key=natural)


def load_resized(path: Path, shape: tuple[int, int, int]) -> Bytes:
    """A picture file resized to `shape`, uint8 (C, H, W). Raises ImageError that names the file."""
    image = read_image(path)
    with naming(path):
        return resize(image, shape)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Prefixes the messages of ImageErrors with a file's name."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{printable(path)}: {error}") from error


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture file's pixels, upright, and its own size."""

    pixels: Floats
    """(C, H, W) in 0..1; large pictures are shrunk."""
    width: int
    height: int

    def scaled(self, box: Box) -> Box:
        """A box in fractions of the picture, in its own pixels."""
        left, top, right, bottom = box
        w, h = self.width, self.height
        return round(left * w, 1), round(top * h, 1), round(right * w, 1), round(bottom * h, 1)


def read_image(
    path: Path, *, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE, strip: int = STRIP
) -> Floats:
    """The pixels of `read_picture`."""
    return read_picture(path, max_pixels=max_pixels, max_side=max_side, strip=strip).pixels


def read_picture(
    path: Path, *, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE, strip: int = STRIP
) -> Picture:
    """A picture file as float32 (C, H, W) in 0..1, C being 1 for grey and 3 for RGB.

    It is turned upright as its EXIF data says, placed on an opaque background if it has any
    transparency, and shrunk by an integer factor if a side is longer than `max_side`. Only the
    first frame or page is read. `strip` rows are converted at a time. Raises ImageError.
    """
    with naming(path):
        try:
            file = open_regular(path)
        except OSError as error:
            raise ImageError(refusal(error, "a picture")) from error
        with file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata, and Pillow's limit, which is lower
            return _read(file, max_pixels, max_side, strip)


def _read(file: BinaryIO, max_pixels: int, max_side: int, strip: int) -> Picture:
    try:
        start = file.read(64)
        file.seek(0)
        with Image.open(file, formats=_formats()) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError(
                    f"{width:,} × {height:,} pixels; expected at most {max_pixels:,} in all"
                )
            pixels = _pixels(image, max_side, strip)
            turned = (pixels.shape[2] > pixels.shape[1]) != (width > height) and width != height
            return Picture(pixels, *((height, width) if turned else (width, height)))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"too large ({error}); expected at most {max_pixels:,} pixels") from error
    except UnidentifiedImageError as error:
        kind = file_kind(start)
        hint = "; save it as JPEG first" if kind == "a HEIC photo" else ""
        raise ImageError(f"is {kind}; expected a PNG, JPEG or similar{hint}") from error
    except Exception as error:  # Pillow's decoders raise almost anything for damaged files
        raise ImageError(
            f"cannot be read ({type(error).__name__}: {error}); expected a complete picture"
        ) from error


@functools.cache
def _formats() -> list[str]:
    """Those of the formats that this Pillow was built with."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _pixels(image: Image.Image, max_side: int, strip: int) -> Floats:
    image.draft(None, (max_side, max_side))  # decodes large JPEGs at a half, quarter or eighth
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    factor = math.ceil(max(image.size) / max_side)
    rows = factor * math.ceil(strip / factor)

    def shrunk(convert: Callable[[Image.Image], Image.Image]) -> NDArray[Any]:
        converted = (convert(part) for part in _strips(image, rows))
        return np.concatenate([np.asarray(part.reduce(factor)) for part in converted])

    if image.mode.startswith(("I", "F")):  # I, I;16, I;16B, F
        low, full = _depth(image, rows)
        plane = shrunk(lambda part: Image.fromarray((_levels(part) - low) / full))
        return np.clip(plane, 0, 1)[None]  # rounding and shrinking overshoot
    gray = image.mode in ("1", "L", "LA", "La")
    # The transparent colour of a picture without a palette is its background, and stays as it is.
    clear = image.mode[-1] in "Aa" or (image.mode == "P" and "transparency" in image.info)
    mode = "RGBA" if clear else "L" if gray else "RGB"
    levels = shrunk(lambda part: part.convert(mode)).astype(np.float32) / np.float32(255)
    channels = np.atleast_3d(levels).transpose(2, 0, 1)
    if clear:
        channels = _filled(channels)
    return np.ascontiguousarray(channels[:1] if gray else channels)


def _strips(image: Image.Image, rows: int) -> Iterator[Image.Image]:
    width, height = image.size
    for top in range(0, height, rows):
        yield image.crop((0, top, width, min(top + rows, height)))


def _levels(image: Image.Image) -> Floats:
    levels = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0, neginf=0)
    return np.clip(levels, -_MAX_LEVEL, _MAX_LEVEL)


def _depth(image: Image.Image, rows: int) -> tuple[np.float32, np.float32]:
    """The lowest level and the range in use: a 12-bit sensor fills a sixteenth of 16 bits."""
    ranges = [(float(v.min()), float(v.max())) for v in map(_levels, _strips(image, rows))]
    low = min(0.0, *(lowest for lowest, _ in ranges))
    top = max(highest for _, highest in ranges) - low
    full = next((float(2**bits - 1) for bits in (8, 10, 12, 14, 16) if top < 2**bits), top)
    return np.float32(low), np.float32(1 if top <= 1 else full)


def _filled(rgba: Floats) -> Floats:
    """RGBA (4, H, W) on an opaque background: a cut-out's own paper, else one unlike the ink."""
    colour, alpha = rgba[:3], rgba[3]
    solid = colour[:, alpha > 0.5]
    background: Floats = np.ones(3, np.float32)
    if solid.size:
        brightness = _LUMINANCE @ solid
        if alpha.mean() > 0.5 and brightness.std() > 0.02:
            background = np.median(solid, axis=1)
        elif np.median(brightness) > 0.5:
            background = np.zeros(3, np.float32)
    return np.asarray(colour * alpha + background[:, None, None] * (1 - alpha), np.float32)


def resize(image: Floats, shape: tuple[int, int, int]) -> Bytes:
    """A picture (C, H, W) in 0..1 as uint8 of `shape`, anti-aliased, stretched to fit.

    Grey is repeated for three channels, colour becomes luminance for one. Raises ImageError unless
    both have one or three channels, and pixels.
    """
    channels, height, width = shape
    if image.ndim != 3 or {image.shape[0], channels} - {1, 3} or min(image.shape + shape) < 1:
        raise ImageError(
            f"cannot resize shape {image.shape} to {shape}; expected (1 or 3, H, W) for both"
        )
    if channels < len(image):
        image = np.tensordot(_LUMINANCE, image, 1)[None]
    planes = [resample(plane, (height, width)) for plane in image]
    pixels = np.clip(np.rint(np.stack(planes) * 255), 0, 255).astype(np.uint8)
    return np.repeat(pixels, channels // len(pixels), axis=0)


def resample(
    plane: Floats, size: tuple[int, int], region: tuple[float, float, float, float] | None = None
) -> Floats:
    """(H, W) to `size`, anti-aliased; from `region` (left, top, right, bottom) if given."""
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC, region), np.float32)
