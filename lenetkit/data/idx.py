"""IDX, the format of MNIST's files: a header of sizes, then the values, big-endian.

Bytes 0–1 are zero, byte 2 the type of the values, byte 3 the number of dimensions; then one
4-byte size a dimension. For MNIST's images that makes 16 bytes, for its labels 8.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.errors import DataError
from lenetkit.files import replacing

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


def read_idx(path: Path) -> NDArray[Any]:
    """The array in an IDX file, plain or gzip-packed (told by its content, not its name).

    Values come in the machine's byte order. Memory is taken only as data really arrives. Raises
    DataError, naming the file and what is wrong with it, for anything but one whole array.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                return _read_plain(raw, path)
            with gzip.open(raw) as unpacked:
                return _read_stream(unpacked, path)  # type: ignore[arg-type]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip data ({error}); download it again") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; expected an IDX file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


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


def _read_header(file: IO[bytes], path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    start = file.read(4)
    if len(start) < 4:
        raise DataError(f"{path}: {len(start)} bytes; an IDX file has at least a 4-byte header")
    if start[:2] != b"\0\0" or start[2] not in _TYPES:
        raise DataError(
            f"{path}: starts with {start.hex(' ')}; an IDX file starts with 00 00, then a type "
            "code 08 … 0e and the number of dimensions; is it another kind of file?"
        )
    if start[3] > _MAX_DIMENSIONS:
        raise DataError(
            f"{path}: the header claims {start[3]} dimensions; expected at most {_MAX_DIMENSIONS}"
        )
    sizes = file.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise DataError(f"{path}: ends within its header of {start[3]} dimensions")
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    dtype = _TYPES[start[2]]
    if math.prod(size or 1 for size in shape) * dtype.itemsize > MAX_BYTES:
        text = "×".join(map(str, shape))
        raise DataError(f"{path}: the header claims {text} values, more than {MAX_BYTES:,} bytes")
    return dtype, shape


def _read_plain(file: IO[bytes], path: Path) -> NDArray[Any]:
    """Compare the file's size with its header before any memory is taken."""
    dtype, shape = _read_header(file, path)
    start = file.tell()
    found = file.seek(0, 2) - start
    file.seek(start)
    if found != math.prod(shape) * dtype.itemsize:
        raise _wrong_size(path, shape, math.prod(shape) * dtype.itemsize, found)
    values = np.empty(shape, dtype)
    file.readinto(values.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
    return _native(values)


def _read_stream(file: IO[bytes], path: Path) -> NDArray[Any]:
    """A packed file says its size only by being read: grow with what arrives, then stop."""
    dtype, shape = _read_header(file, path)
    expected = math.prod(shape) * dtype.itemsize
    data = bytearray()
    while len(data) <= expected and (chunk := file.read(_CHUNK)):
        data += chunk
    if len(data) != expected:
        raise _wrong_size(path, shape, expected, len(data))
    return _native(np.frombuffer(data, dtype).reshape(shape))


def _wrong_size(path: Path, shape: tuple[int, ...], expected: int, found: int) -> DataError:
    what = "truncated" if found < expected else "followed by other data"
    text = "×".join(map(str, shape))
    at_least = "" if found < expected else "at least "
    return DataError(
        f"{path}: {what}: the header says {text} ({expected:,} bytes), "
        f"found {at_least}{found:,} bytes; get the file again"
    )


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(values.dtype.newbyteorder("="), copy=False)
