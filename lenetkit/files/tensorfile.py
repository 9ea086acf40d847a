"""Safetensors files with a digest: named arrays and text.

safetensors itself stores no digest, so a flipped bit would load as another number. Here one
digest covers the tensors (`digest`) and one everything else (`metadata_digest`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from lenetkit.errors import MissingFileError, ModelFileError, UnreadableFileError, memory_for
from lenetkit.files.atomic import write_bytes
from lenetkit.files.opening import (
    KNOWN_KINDS,
    NotRegularError,
    file_kind,
    open_regular,
    refusal,
)

Tensors = dict[str, NDArray[Any]]
MAX_BYTES = 2 << 30
MAX_HEADER = 4 << 20
EXPECTED = "a model file, such as runs/NAME/001/model.safetensors"
_COPIES = 3
"""Copies of a file's tensors in memory while it is read or written."""
_DIGESTS = ("digest", "metadata_digest")
_DTYPES = {
    "BOOL": "?",
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    "C64": "<c8",
}
"""NumPy's types of safetensors' numbers."""


def tensor_digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over name, dtype, shape and little-endian bytes of every tensor, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = np.asarray(tensors[name], order="C")
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name} {little.dtype.str} {list(little.shape)}\n".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def write(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write a file atomically, digests added.

    Raises ModelFileError if it is so large that `read` would refuse it.
    """
    data = pack(tensors, metadata)
    header, size = int.from_bytes(data[:8], "little"), len(data)
    if header > MAX_HEADER or size > MAX_BYTES:
        raise ModelFileError(
            f"{path}: {size:,} bytes with a header of {header:,}; expected at most {MAX_BYTES:,} "
            f"and {MAX_HEADER:,}, or it could not be read back"
        )
    write_bytes(path, data)


def pack(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a file, digests added."""
    texts = dict(metadata)
    texts["digest"] = tensor_digest(tensors)
    texts["metadata_digest"] = _metadata_digest(texts)
    contiguous = {name: np.asarray(values, order="C") for name, values in tensors.items()}
    expect_memory("written", sum(values.nbytes for values in contiguous.values()))
    return _sorted_header(safetensors.numpy.save(contiguous, texts))


def expect_memory(done: str, size: int) -> None:
    """Raise OutOfMemoryError if there is too little: safetensors would end the process."""
    with memory_for(f"for {size:,} bytes to be {done}", "close other programs"):
        np.empty(_COPIES * size, np.uint8)


def read(path: Path) -> tuple[Tensors, dict[str, str]]:
    """The tensors and the metadata of a file that `write` made.

    Raises ModelFileError if it is damaged or another kind of file: UnreadableFileError if it cannot
    be read now, and MissingFileError if there is none.
    """
    tensors, metadata = _read(path)
    _check_digests(path, tensors, metadata)
    return tensors, metadata


def read_any(path: Path) -> tuple[Tensors, dict[str, str]]:
    """As `read`, but other programs' files, which have no digests, are read too.

    What they hold as bfloat16 is float32 here.
    """
    tensors, metadata = _read(path)
    if is_own(metadata):
        _check_digests(path, tensors, metadata)
    return tensors, metadata


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata alone, from the file's first bytes; the tensors are neither read nor checked.

    Raises ModelFileError as `read` does.
    """
    with opened(path) as file:
        metadata = _read_header(file, path).get("__metadata__") or {}
    if "metadata_digest" not in metadata or metadata["metadata_digest"] != _metadata_digest(
        metadata
    ):
        raise ModelFileError(
            f"{path}: is damaged: its metadata do not match their digest; use another copy"
        )
    return dict(metadata)


def is_own(metadata: Mapping[str, str]) -> bool:
    """Whether a file with this metadata was written here."""
    return any(name in metadata for name in ("lenetkit", *_DIGESTS))


def _read(path: Path) -> tuple[Tensors, dict[str, str]]:
    with opened(path) as file:
        header = _read_header(file, path)
        expect_memory("read", file.seek(0, 2))
        file.seek(0)
        data = file.read()
    try:
        tensors = {name: _array(entry) for name, entry in safetensors.deserialize(data)}  # type: ignore[no-untyped-call]
        metadata: dict[str, str] = header.get("__metadata__") or {}
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, str(error)) from None
    return tensors, metadata


def _array(entry: Mapping[str, Any]) -> NDArray[Any]:
    kind, data = entry["dtype"], entry["data"]
    if kind == "BF16":  # the upper half of a float32
        values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif kind not in _DTYPES:
        raise ValueError(f"numbers of the type {kind}; expected F16, BF16, F32 or F64")
    else:
        values = np.frombuffer(data, _DTYPES[kind])
    return values.reshape(entry["shape"])


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to read. Raises ModelFileError if it is missing, not regular or unreadable."""
    try:
        with open_regular(path) as file:
            yield file
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: {refusal(error, EXPECTED)}") from None
    except OSError as error:
        kind = ModelFileError if isinstance(error, NotRegularError) else UnreadableFileError
        raise kind(f"{path}: {refusal(error, EXPECTED)}") from None


def _read_header(file: BinaryIO, path: Path) -> dict[str, Any]:
    """The header, read and checked against the file's size before the rest is read."""
    size = file.seek(0, 2)
    if size > MAX_BYTES:
        raise ModelFileError(f"{path}: {size:,} bytes; a model has at most {MAX_BYTES:,}")
    file.seek(0)
    start = file.read(64)
    kind = file_kind(start)
    if kind == "a text file" or kind in KNOWN_KINDS - {"a safetensors file", "an empty file"}:
        raise ModelFileError(f"{path}: is {kind}; expected {EXPECTED}")
    length = int.from_bytes(start[:8], "little")
    if len(start) < 8 or length > size - 8:
        raise _damaged(
            path, f"it is {kind}" if length > MAX_HEADER or not start else "it ends in its header"
        )
    if length > MAX_HEADER:
        raise _damaged(path, f"a header of {length:,} bytes; expected at most {MAX_HEADER:,}")
    file.seek(8)
    try:
        header = json.loads(file.read(length))
        ends = [e["data_offsets"][1] for name, e in header.items() if name != "__metadata__"]
        end = max(ends, default=0)
        held = size - 8 - length
        if end != held:
            raise ValueError(f"the header declares {end:,} bytes of weights, the file has {held:,}")
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from None
    return header


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"{path}: is damaged or not a safetensors file ({why}); use another copy")


def _check_digests(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    if any(name not in metadata for name in _DIGESTS):
        raise ModelFileError(
            f"{path}: holds no digest: it is not a lenetkit model file, or it is damaged"
        )
    if metadata["digest"] != tensor_digest(tensors):
        what = "weights"
    elif metadata["metadata_digest"] != _metadata_digest(metadata):
        what = "metadata"
    else:
        return
    raise ModelFileError(
        f"{path}: is damaged: its {what} do not match their digest; use another copy"
    )


def _metadata_digest(metadata: Mapping[str, str]) -> str:
    others = {key: text for key, text in metadata.items() if key != "metadata_digest"}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _sorted_header(data: bytes) -> bytes:
    """The same file with its header's keys in order, so that equal models are equal files."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]
