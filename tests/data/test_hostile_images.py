"""Pictures made to exhaust memory, or broken: read within bounds, or refused in words."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lenetkit.data.images import load_resized, read_image
from lenetkit.errors import ImageError


def refusal(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *extra: bytes, data: bytes = b"") -> bytes:
    """A grey PNG that claims a size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = b"".join(extra) + chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"),
    [(10_001, 10_000), (50_000, 50_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)],
)
def test_claimed_size_takes_no_memory(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(width, height))
    tracemalloc.start()
    try:
        said = refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert "expected at most 100,000,000" in said


BOMB = zlib.compress(bytes(200 << 20), 9)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"Comment\0\0" + BOMB),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + BOMB),
        chunk(b"iCCP", b"Profile\0\0" + BOMB),
    ],
    ids=["zTXt", "iTXt", "iCCP"],
)
def test_packed_notes_are_not_unpacked_without_bound(tmp_path: Path, extra: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(4, 4, extra, data=bytes(20)))
    tracemalloc.start()
    try:
        with contextlib.suppress(ImageError):
            assert read_image(path).shape == (1, 4, 4)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_pixels_beyond_those_claimed_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(4, 4, data=bytes(50 << 20)))
    tracemalloc.start()
    try:
        assert read_image(path).shape == (1, 4, 4)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def saved(kind: str, mode: str = "L") -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (12, 11), np.uint8)
    Image.fromarray(noise).convert(mode).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "PPM", "TIFF", "TGA"])
def test_every_truncation_is_refused_or_has_lost_no_pixel(tmp_path: Path, kind: str) -> None:
    whole, path = saved(kind), tmp_path / f"a.{kind.lower()}"
    path.write_bytes(whole)
    pixels = read_image(path)
    refused = 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(read_image(path), pixels)
        except ImageError:
            refused += 1
    assert refused > 0.7 * len(whole)


MEASURED = """
import resource, sys
from pathlib import Path
from lenetkit.data.images import read_image
read_image(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(read_image(Path(sys.argv[2])).shape)
scale = 1 if sys.platform == "darwin" else 1024
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * scale)
"""


@pytest.mark.parametrize("depth", [1, 8, 16])
def test_a_hundred_million_pixels_are_read_in_bounded_memory(tmp_path: Path, depth: int) -> None:
    pytest.importorskip("resource")
    Image.new("L", (9, 9)).save(tmp_path / "small.png")
    side = 10_000
    mode, paper = {1: ("1", 1), 8: ("L", 200), 16: ("I;16", 40_000)}[depth]
    Image.new(mode, (side, side), paper).save(tmp_path / "large.png", compress_level=1)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path / "small.png", tmp_path / "large.png"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    shape, memory = done.stdout.splitlines()
    assert shape == "(1, 2000, 2000)"
    assert int(memory) < 600 << 20


@pytest.mark.parametrize("strip", [1, 7, 64, 10_000])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "I;16", "F"])
def test_strips_do_not_show(tmp_path: Path, mode: str, strip: int) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (301, 70, 4), np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(noise).convert("RGBA" if mode == "RGBA" else "L").convert(mode)
    picture.save(tmp_path / "a.tif")
    whole = read_image(tmp_path / "a.tif", max_side=100)
    assert whole.shape[1:] == (76, 18)
    in_strips = read_image(tmp_path / "a.tif", max_side=100, strip=strip)
    np.testing.assert_array_equal(in_strips, whole)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_a_single_pixel(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new(mode, (1, 1)).save(path)
    assert read_image(path).shape[1:] == (1, 1)
    assert load_resized(path, (1, 3, 3)).shape == (1, 3, 3)


def test_what_would_be_run_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n")
    assert "is a PostScript document; expected a PNG, JPEG or similar" in refusal(path)
