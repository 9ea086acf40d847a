"""IDX, the format of MNIST's files: a header of sizes, then the values, big-endian.

Bytes 0–1 are zero, byte 2 the type of the values, byte 3 the number of dimensions; then one
4-byte size a dimension. For MNIST's images that makes 16 bytes, for its labels 8.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.errors import DataError
from lenetkit.files.atomic import replacing
from lenetkit.files.opening import file_kind, open_regular, refusal

_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CHUNK = 1 << 20
MAX_BYTES = 4 << 30
_MAX_DIMENSIONS = 32
_MOST_UNPACKED = 64 << 20
_MOST_RATIO = 100
"""A packed file may unpack to so many bytes, or to so many times its own size."""


@dataclass(frozen=True)
class Header:
    """What an IDX file says that it holds."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """The size of the values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def claim(self) -> str:
        """The shape in words."""
        return "×".join(map(str, self.shape)) or "one value"


def read_header(path: Path) -> Header:
    """What an IDX file claims, without its values; checked as `read_idx` does before reading them.

    Raises DataError, as `read_idx`.
    """
    with _opened(path) as (file, size):
        return _checked_header(file, path, size)


def read_idx(path: Path) -> NDArray[Any]:
    """The array in an IDX file, plain or gzip-packed (told by its content, not its name).

    Values come in the machine's byte order. Memory is taken only as data really arrives. Raises
    DataError, naming the file and what is wrong with it, for anything but one whole array.
    """
    with _opened(path) as (file, size):
        header = _checked_header(file, path, size)
        plain = size is not None
        values = (_read_plain if plain else _read_stream)(file, header, path)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def write_idx(path: Path, values: NDArray[Any]) -> None:
    """Write an array as an IDX file; gzip-packed where the name ends in `.gz`."""
    big = np.dtype(values.dtype).newbyteorder(">")
    codes = {dtype.str: code for code, dtype in _TYPES.items()}
    if big.str not in codes:
        raise DataError(f"{path}: IDX has no type for {values.dtype}")
    header = bytes((0, 0, codes[big.str], values.ndim))
    header += b"".join(size.to_bytes(4, "big") for size in values.shape)
    with replacing(path) as temporary, temporary.open("wb") as file:
        if path.suffix == ".gz":
            file.write(gzip.compress(header + values.astype(big).tobytes(), 6, mtime=0))
        else:
            file.write(header)
            file.write(np.ascontiguousarray(values, big).data)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], int | None]]:
    """The bytes of a file, unpacked, and how many there are; None where only reading would tell."""
    try:
        with open_regular(path) as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            size = raw.seek(0, 2)
            raw.seek(0)
            if not packed:
                yield raw, size
                return
            with gzip.open(raw) as unpacked:
                _expect_no_bomb(unpacked, path, size)  # type: ignore[arg-type]
                yield unpacked, None  # type: ignore[misc]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip data ({error}); download it again") from None
    except OSError as error:
        raise DataError(f"{path}: {refusal(error, 'an IDX file')}") from None


def _expect_no_bomb(file: IO[bytes], path: Path, packed: int) -> None:
    """Refuse a claim that no real data of that packed size makes good."""
    claimed = _read_header(file, path).nbytes
    if claimed > max(_MOST_UNPACKED, _MOST_RATIO * packed):
        raise DataError(
            f"{path}: the header claims {claimed:,} bytes from {packed:,} packed ones; "
            f"expected at most {_MOST_RATIO} to 1; unpack it first if it is right"
        )
    file.seek(0)


def _checked_header(file: IO[bytes], path: Path, size: int | None) -> Header:
    """The header; where the file's size is known, compared with it before memory is taken."""
    header = _read_header(file, path)
    if size is not None and (found := size - file.tell()) != header.nbytes:
        raise _wrong_size(path, header, found)
    return header


def _read_header(file: IO[bytes], path: Path) -> Header:
    start = file.read(64)
    if len(start) < 4:
        raise DataError(f"{path}: {len(start)} bytes; an IDX file has at least a 4-byte header")
    if start[:2] != b"\0\0" or start[2] not in _TYPES:
        raise DataError(
            f"{path}: is {file_kind(start)}; expected an IDX file, which starts with 00 00, a type "
            "code 08 … 0e and the number of dimensions"
        )
    rank = start[3]
    if rank > _MAX_DIMENSIONS:
        raise DataError(
            f"{path}: the header claims {rank} dimensions; expected at most {_MAX_DIMENSIONS}"
        )
    file.seek(4)
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(f"{path}: ends within its header of {rank} dimensions")
    header = Header(_TYPES[start[2]], tuple(np.frombuffer(sizes, ">u4").tolist()))
    if math.prod(size or 1 for size in header.shape) * header.dtype.itemsize > MAX_BYTES:
        raise DataError(
            f"{path}: the header claims {header.claim} values, more than {MAX_BYTES:,} bytes"
        )
    return header


def _read_plain(file: IO[bytes], header: Header, path: Path) -> NDArray[Any]:
    values = np.empty(header.shape, header.dtype)
    found = file.readinto(values.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
    if found != header.nbytes:  # somebody shortens it meanwhile
        raise _wrong_size(path, header, found)
    return values


def _read_stream(file: IO[bytes], header: Header, path: Path) -> NDArray[Any]:
    """A packed file says its size only by being read: grow with what arrives, then stop."""
    data = bytearray()
    while len(data) <= header.nbytes and (chunk := file.read(_CHUNK)):
        data += chunk
    if len(data) != header.nbytes:
        raise _wrong_size(path, header, len(data))
    return np.frombuffer(data, header.dtype).reshape(header.shape)


def _wrong_size(path: Path, header: Header, found: int) -> DataError:
    short = found < header.nbytes
    what, at_least = ("truncated", "") if short else ("followed by other data", "at least ")
    return DataError(
        f"{path}: {what}: the header says {header.claim} ({header.nbytes:,} bytes), "
        f"found {at_least}{found:,} bytes; get the file again"
    )
