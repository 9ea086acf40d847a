"""IDX files: one whole array or a DataError that names the file."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import math
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.data.idx import MAX_BYTES, read_header, read_idx, write_idx
from lenetkit.errors import DataError

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
SHAPES: list[tuple[int, ...]] = [(), (3,), (2, 3), (2, 1, 4), (1, 2, 3, 2), (2, 2, 1, 2, 3)]
EMPTY: list[tuple[int, ...]] = [(0,), (0, 28, 28), (3, 0, 2)]


def header(code: int, *sizes: int) -> bytes:
    return bytes((0, 0, code, len(sizes))) + struct.pack(f">{len(sizes)}I", *sizes)


def values_of(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, math.prod(shape) * np.dtype(dtype).itemsize, np.uint8)
    if dtype.startswith("f"):
        return rng.standard_normal(shape).astype(dtype)
    return raw.view(dtype).reshape(shape)


def refusal(path: Path) -> str:
    """What read_idx says of a file that it must not accept."""
    with pytest.raises(DataError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


def refusal_and_memory(path: Path) -> tuple[str, int]:
    """The same with the most memory that was taken, in bytes."""
    tracemalloc.start()
    try:
        message = refusal(path)
        return message, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some-idx"


@pytest.mark.parametrize("name", ["some-idx", "some-idx.gz"])
@pytest.mark.parametrize("shape", SHAPES + EMPTY, ids=str)
@pytest.mark.parametrize("dtype", CODES)
def test_round_trip(tmp_path: Path, dtype: str, shape: tuple[int, ...], name: str) -> None:
    values = values_of(dtype, shape)
    write_idx(tmp_path / name, values)
    again = read_idx(tmp_path / name)
    np.testing.assert_array_equal(again, values, strict=True)
    assert again.dtype.isnative


@pytest.mark.parametrize("dtype", CODES)
def test_bytes_are_those_of_the_format(path: Path, dtype: str) -> None:
    values = np.array([[1, 2, 3], [100, 0, 127]], dtype)
    write_idx(path, values)
    letter = {"u1": "B", "i1": "b", "i2": "h", "i4": "i", "f4": "f", "f8": "d"}[dtype]
    numbers = struct.pack(f">6{letter}", *values.reshape(-1).tolist())
    assert path.read_bytes() == header(CODES[dtype], 2, 3) + numbers


def test_gz_name_is_packed_and_other_names_are_not(tmp_path: Path) -> None:
    for name, magic in (("a", b"\0\0"), ("a.gz", b"\x1f\x8b")):
        write_idx(tmp_path / name, np.zeros(3, np.uint8))
        assert (tmp_path / name).read_bytes()[:2] == magic


def test_equal_arrays_give_equal_packed_files(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(50, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_content_tells_gz_and_not_the_name(tmp_path: Path) -> None:
    write_idx(tmp_path / "plain", np.arange(6, dtype=np.int16))
    plain = (tmp_path / "plain").read_bytes()
    (tmp_path / "lies.gz").write_bytes(plain)
    (tmp_path / "lies").write_bytes(gzip.compress(plain))
    for name in ("lies.gz", "lies"):
        np.testing.assert_array_equal(read_idx(tmp_path / name), np.arange(6))


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_layout_in_memory_does_not_matter(tmp_path: Path, name: str) -> None:
    values = values_of("i4", (4, 6))
    for same in (np.asfortranarray(values), values.astype("<i4"), np.repeat(values, 2, 1)[:, ::2]):
        write_idx(tmp_path / name, same)
        np.testing.assert_array_equal(read_idx(tmp_path / name), values)


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_result_may_be_written_to(tmp_path: Path, name: str) -> None:
    write_idx(tmp_path / name, np.zeros(3, np.uint8))
    read_idx(tmp_path / name)[:] = 1


@pytest.mark.parametrize("dtype", ["bool", "uint16", "int64", "float16", "complex64"])
def test_types_that_idx_lacks_are_not_written(path: Path, dtype: str) -> None:
    with pytest.raises(DataError, match=f"no type for {dtype}"):
        write_idx(path, np.zeros(2, dtype))
    assert not path.exists()


@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_every_truncation_is_refused(path: Path, dtype: str) -> None:
    write_idx(path, values_of(dtype, (2, 3)))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refusal(path)


def test_every_truncation_of_a_packed_file_is_refused(path: Path) -> None:
    whole = gzip.compress(header(8, 40) + values_of("u1", (40,)).tobytes())
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refusal(path)


def test_truncation_says_how_much_is_there_and_what_to_do(path: Path) -> None:
    path.write_bytes(header(8, 2, 3) + b"12345")
    assert refusal(path).endswith(
        "truncated: the header says 2×3 (6 bytes), found 5 bytes; get the file again"
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_trailing_bytes_are_refused(path: Path, pack: Callable[[bytes], bytes]) -> None:
    path.write_bytes(pack(header(8, 2) + b"123"))
    assert "followed by other data" in refusal(path)


@pytest.mark.parametrize("trailing", [b"x", b"\x1f\x8b", gzip.compress(b"more", mtime=0)])
def test_bytes_after_the_packed_data_are_refused(path: Path, trailing: bytes) -> None:
    path.write_bytes(gzip.compress(header(8, 2) + b"12") + trailing)
    refusal(path)


def test_empty_files_are_refused(path: Path) -> None:
    for content in (b"", gzip.compress(b"")):
        path.write_bytes(content)
        assert "0 bytes; an IDX file has at least a 4-byte header" in refusal(path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html>", "an HTML page"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x01\0\x08\x01", "of an unknown kind (it starts with 01 00 08 01 00 00 00 00)"),
        (b"\0\x01\x08\x01", "of an unknown kind (it starts with 00 01 08 01 00 00 00 00)"),
    ],
)
def test_other_kinds_of_file_are_refused(path: Path, content: bytes, kind: str) -> None:
    path.write_bytes(content + bytes(16))
    assert f"is {kind}; expected an IDX file, which starts with 00 00" in refusal(path)


def test_unknown_types_of_values_are_refused(path: Path) -> None:
    for code in set(range(256)) - set(CODES.values()):
        path.write_bytes(header(code, 1) + bytes(16))
        assert bytes((0, 0, code, 1)).hex(" ") in refusal(path)


def test_file_packed_twice_is_refused(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.compress(header(8, 1) + b"1")))
    assert "is gzip-packed data; expected an IDX file" in refusal(path)


@pytest.mark.parametrize("part", ["header", "data", "CRC", "length"])
def test_damaged_gz_is_refused(path: Path, part: str) -> None:
    packed = bytearray(gzip.compress(header(8, 300) + values_of("u1", (300,)).tobytes()))
    packed[{"header": 2, "data": 40, "CRC": -8, "length": -1}[part]] ^= 0x10
    path.write_bytes(packed)
    message = refusal(path)
    assert "damaged gzip data" in message
    assert message.endswith("download it again")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("sizes", [(1 << 31,), (1 << 15, 1 << 8, 1 << 8)], ids=str)
def test_claimed_size_takes_no_memory(
    path: Path, sizes: tuple[int, ...], pack: Callable[[bytes], bytes]
) -> None:
    path.write_bytes(pack(header(8, *sizes) + bytes(1000)))
    message, memory = refusal_and_memory(path)
    assert "2,147,483,648 bytes" in message
    assert "truncated" in message or "packed ones; expected at most 100 to 1" in message
    assert memory < 1 << 20


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(
    "sizes", [(1 << 31, 3), (0xFFFFFFFF,) * 8, (0, *(0xFFFFFFFF,) * 3), (1 << 16,) * 3], ids=str
)
def test_claim_beyond_the_limit_is_refused(
    path: Path, sizes: tuple[int, ...], pack: Callable[[bytes], bytes]
) -> None:
    path.write_bytes(pack(header(8, *sizes) + bytes(100)))
    message, memory = refusal_and_memory(path)
    assert f"more than {MAX_BYTES:,} bytes" in message
    assert memory < 1 << 20


@pytest.mark.parametrize("rank", [33, 65, 255])
def test_too_many_dimensions_are_refused(path: Path, rank: int) -> None:
    path.write_bytes(header(8, *(1,) * rank) + b"1")
    assert f"claims {rank} dimensions" in refusal(path)


def test_gz_bomb_is_left_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(header(8, 10))
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    path.write_bytes(packed)
    assert len(packed) < 1 << 17
    unpacked = 0
    read = gzip.GzipFile.read

    def counting_read(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        nonlocal unpacked
        data = read(self, size)
        unpacked += len(data)
        return data

    monkeypatch.setattr(gzip.GzipFile, "read", counting_read)
    message, memory = refusal_and_memory(path)
    assert "followed by other data" in message
    assert unpacked <= 2 << 20
    assert memory < 8 << 20


def test_gz_bomb_that_keeps_its_word_is_left_unread(path: Path) -> None:
    """Two hundred million zeros, as the header says, from two hundred thousand bytes."""
    size = 200_000_000
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(header(8, size))
    packed += b"".join(packer.compress(bytes(size // 100)) for _ in range(100)) + packer.flush()
    path.write_bytes(packed)
    message, memory = refusal_and_memory(path)
    assert f"the header claims 200,000,000 bytes from {len(packed):,} packed ones" in message
    assert message.endswith("expected at most 100 to 1; if that is right, unpack it first")
    assert memory < 1 << 20


def test_blank_images_pack_as_well_as_they_like_up_to_a_size(path: Path) -> None:
    blank = np.zeros((10_000, 28, 28), np.uint8)
    write_idx(path.with_suffix(".gz"), blank)
    assert path.with_suffix(".gz").stat().st_size < blank.nbytes // 500
    np.testing.assert_array_equal(read_idx(path.with_suffix(".gz")), blank)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_header_is_read_without_the_values(path: Path, pack: Callable[[bytes], bytes]) -> None:
    content = header(0x0C, 500, 1000) + bytes(2_000_000)
    path.write_bytes(pack(content))
    tracemalloc.start()
    try:
        found = read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert (found.dtype, found.shape, found.nbytes) == (np.dtype(">i4"), (500, 1000), 2_000_000)
    path.write_bytes(pack(content[:3]))
    with pytest.raises(DataError, match="3 bytes"):
        read_header(path)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_refused_at_once(path: Path, kind: str) -> None:
    if kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("this system has no FIFOs")
        os.mkfifo(path)
    else:
        path = Path(os.devnull)
    assert refusal(path) == f"{path}: is a {kind}; expected an IDX file"


def test_memory_of_a_whole_file_is_that_of_its_values(path: Path) -> None:
    write_idx(path, np.zeros((4 << 20,), np.uint8))
    tracemalloc.start()
    try:
        read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none")
    assert "is a folder; expected an IDX file" in refusal(tmp_path)
    (tmp_path / "file").touch()
    assert "cannot be read" in refusal(tmp_path / "file" / "inside")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file"


def valid_files() -> Iterator[bytes]:
    for dtype, shape in itertools.product(CODES, [(), (5,), (2, 3, 4)]):
        big = values_of(dtype, shape).astype(f">{dtype}")
        data = header(CODES[dtype], *shape) + big.tobytes()
        yield data
        yield gzip.compress(data, mtime=0)


VALID_FILES = list(valid_files())


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(VALID_FILES)))
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["set", "insert", "cut", "double"]))
        if kind == "set" and data:
            data[where] = draw(st.integers(0, 255))
        elif kind == "insert":
            data[where:where] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "cut":
            del data[where : where + draw(st.integers(1, 8))]
        else:
            data += data[where:]
    return bytes(data)


@st.composite
def odd_headers(draw: st.DrawFn) -> bytes:
    size = st.sampled_from([0, 1, 2, 255, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
    sizes = draw(st.lists(size, max_size=draw(st.sampled_from([5, 40, 255]))))
    data = header(draw(st.sampled_from(list(CODES.values()))), *sizes) + draw(st.binary())
    return gzip.compress(data, mtime=0) if draw(st.booleans()) else data


@settings(max_examples=600)
@given(content=st.one_of(damaged_files(), odd_headers(), st.binary(max_size=64)))
def test_any_content_gives_an_array_or_a_data_error(scratch: Path, content: bytes) -> None:
    scratch.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read_idx(scratch).nbytes <= 1 << 16
