"""IDX, the format of MNIST's files: a header with the shape, then the values, big-endian.

Bytes 0–1 are zero, byte 2 is the data type, byte 3 the number of dimensions; a 4-byte size for each
dimension follows. The header of MNIST's images has 16 bytes, that of its labels 8. Some programs
write the numbers little-endian; such files are recognized, and read if that is said.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lenetkit.errors import DataError, memory_for
from lenetkit.files.archive import Member, open_member
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
ByteOrder = Literal["big", "little"]
DataFile: TypeAlias = Path | Member
MAX_BYTES = 4 << 30
_MAX_DIMENSIONS = 32
_MAX_RATIO = 100
_MAX_UNPACKED = 64 << 20
"""A packed file may unpack to `_MAX_RATIO` times its size, or this many bytes if that is more."""
_CHUNK = 1 << 20


class StorageError(DataError):
    """A file is stored in a way that has to be said first, by an option of `data`."""

    def __init__(self, message: str, option: str, value: Any) -> None:
        self.remedy = {option: value}
        word = str(value).lower()
        self.setting = f"--set data.{option}={word}"
        super().__init__(f"{message}: data.{option}: {word} ({self.setting})")


@dataclass(frozen=True)
class Header:
    """What an IDX file claims to hold."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: ByteOrder = "big"
    """The byte order of its sizes."""

    @property
    def nbytes(self) -> int:
        """The size of the values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return "×".join(map(str, self.shape)) or "one value"


def read_header(file: DataFile, order: ByteOrder = "big") -> Header:
    """The header alone, checked as `read_idx` checks it. Raises DataError."""
    with _opened(file, order) as (_, header, _):
        return header


def read_idx(file: DataFile, order: ByteOrder = "big") -> NDArray[Any]:
    """The array in an IDX file, in native byte order; gzip is recognized by the content.

    With `order="little"` the values are little-endian, and the header may be. Memory is allocated
    only for data that is really there. Raises DataError, naming the file and the defect, unless it
    holds exactly one complete array, and StorageError if that is in the other order.
    """
    with _opened(file, order) as (content, header, packed):
        what = f"for {file}, {header} values in {header.nbytes:,} bytes"
        with memory_for(what, "store fewer samples in the file"):
            values = _read_packed(content, header) if packed else _read_plain(content, header)
            return values.astype(values.dtype.newbyteorder("="), copy=False)


def write_idx(path: Path, values: NDArray[Any]) -> None:
    """Write an array as an IDX file, gzip-packed if the name ends in `.gz`."""
    big = np.dtype(values.dtype).newbyteorder(">")
    codes = {dtype.str: code for code, dtype in _TYPES.items()}
    if big.str not in codes:
        raise DataError(f"{path}: IDX has no type for {values.dtype}")
    header = bytes((0, 0, codes[big.str], values.ndim)) + np.array(values.shape, ">u4").tobytes()
    with replacing(path) as file:
        if path.suffix == ".gz":
            file.write(gzip.compress(header + values.astype(big).tobytes(), 6, mtime=0))
        else:
            file.write(header)
            file.write(np.ascontiguousarray(values, big).data)


@contextmanager
def _opened(path: DataFile, order: ByteOrder) -> Iterator[tuple[IO[bytes], Header, bool]]:
    """The unpacked bytes after the header, the header, and whether the file is packed.

    The header is compared with the file's size; errors are given the file's name.
    """
    try:
        with _stored(path) as (raw, size, total):
            packed = raw.read(2) == b"\x1f\x8b"
            if packed and total <= max(_MAX_UNPACKED, _MAX_RATIO * size):
                raw.seek(-4, 2)
                total = int.from_bytes(raw.read(4), "little")  # as gzip claims
            raw.seek(0)
            file: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            packed = packed or isinstance(path, Member)
            header = _read_header(file, total)
            if packed:
                _check_ratio(header, size)
            elif size - file.tell() != header.nbytes:
                raise _wrong_size(header, size - file.tell())
            if header.order == "little" != order:
                raise StorageError(
                    f"{path}: is in the wrong byte order: its numbers are little-endian, and IDX's "
                    "are big-endian; to read it as it is",
                    "byte_order",
                    "little",
                )
            yield file, replace(header, dtype=header.dtype.newbyteorder(order)), packed
    except StorageError:
        raise
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip data ({error}); download it again") from None
    except OSError as error:
        raise DataError(f"{path}: {refusal(error, 'an IDX file')}") from None


@contextmanager
def _stored(file: DataFile) -> Iterator[tuple[IO[bytes], int, int]]:
    """The bytes as stored, how many these are on disk, and how many when read."""
    if isinstance(file, Member):
        with open_member(file) as found:
            yield found
    else:
        with open_regular(file) as raw:
            size = raw.seek(0, 2)
            raw.seek(0)
            yield raw, size, size


def _check_ratio(header: Header, size: int) -> None:
    if header.nbytes > max(_MAX_UNPACKED, _MAX_RATIO * size):
        raise DataError(
            f"the header claims {header.nbytes:,} bytes from {size:,} packed ones; "
            f"expected at most {_MAX_RATIO} to 1; if that is right, unpack it first"
        )


def _read_header(file: IO[bytes], total: int) -> Header:
    """The header of a file that has `total` bytes, as far as is known."""
    start = file.read(64)
    if len(start) < 4:
        raise DataError(f"{len(start)} bytes; an IDX file has at least a 4-byte header")
    order: ByteOrder = "little" if start[2:4] == b"\0\0" and start[1] in _TYPES else "big"
    zeros, (code, rank) = (
        (start[2:4], start[1::-1]) if order == "little" else (start[:2], start[2:4])
    )
    if zeros != b"\0\0" or code not in _TYPES:
        raise DataError(
            f"is {file_kind(start)}; expected an IDX file, which starts with 00 00, a type code "
            "08 … 0e and the number of dimensions"
        )
    if rank > _MAX_DIMENSIONS:
        raise DataError(f"the header claims {rank} dimensions; expected at most {_MAX_DIMENSIONS}")
    file.seek(4)
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(f"ends within its header of {rank} dimensions")
    little = Header(_TYPES[code], tuple(np.frombuffer(sizes, "<u4").tolist()), "little")
    header = Header(_TYPES[code], tuple(np.frombuffer(sizes, ">u4").tolist()))
    found = total - file.tell()
    if order == "little" or header.nbytes != found == little.nbytes:
        header = little
    # A size of 0 must not hide absurd ones beside it.
    if math.prod(size or 1 for size in header.shape) * header.dtype.itemsize > MAX_BYTES:
        raise DataError(f"the header claims {header} values, more than {MAX_BYTES:,} bytes")
    return header


def _read_plain(file: Any, header: Header) -> NDArray[Any]:
    values = np.empty(header.shape, header.dtype)
    found = file.readinto(values.reshape(-1).view(np.uint8).data)
    if found != header.nbytes:  # it was shortened meanwhile
        raise _wrong_size(header, found)
    return values


def _read_packed(file: IO[bytes], header: Header) -> NDArray[Any]:
    """Only reading shows how much there is, so the buffer grows with what arrives."""
    data = bytearray()
    while len(data) <= header.nbytes and (chunk := file.read(_CHUNK)):
        data += chunk
    if len(data) != header.nbytes:
        raise _wrong_size(header, len(data))
    return np.frombuffer(data, header.dtype).reshape(header.shape)


def _wrong_size(header: Header, found: int) -> DataError:
    short = found < header.nbytes
    what, at_least = ("truncated", "") if short else ("followed by other data", "at least ")
    return DataError(
        f"{what}: the header says {header} ({header.nbytes:,} bytes), "
        f"found {at_least}{found:,} bytes; get the file again"
    )
