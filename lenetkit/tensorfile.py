"""Safetensors files with a digest: named arrays and text, whole or refused.

safetensors itself stores no digest, so a flipped bit would load as another number. Here one
digest covers the tensors (`digest`) and one everything else (`metadata_digest`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from lenetkit.errors import ModelFileError
from lenetkit.files import replacing

Tensors = dict[str, NDArray[Any]]
MAX_BYTES = 2 << 30
_DIGESTS = ("digest", "metadata_digest")


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
    """Write a whole file at once, digests added."""
    texts = dict(metadata)
    texts["digest"] = tensor_digest(tensors)
    texts["metadata_digest"] = _metadata_digest(texts)
    contiguous = {name: np.asarray(values, order="C") for name, values in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(_sorted_header(safetensors.numpy.save(contiguous, texts)))


def read(path: Path) -> tuple[Tensors, dict[str, str]]:
    """The tensors and the metadata of a file that `write` made.

    Raises ModelFileError where it is missing, damaged or no such file.
    """
    try:
        size = path.stat().st_size
        if path.is_file() and size > MAX_BYTES:
            raise ModelFileError(f"{path}: {size:,} bytes; a model has at most {MAX_BYTES:,}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ModelFileError(f"{path}: is a folder; expected a model file") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        tensors = safetensors.numpy.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata: dict[str, str] = header.get("__metadata__") or {}
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path}: is damaged or not a safetensors file ({error}); use another copy"
        ) from None
    _check_digests(path, tensors, metadata)
    return tensors, metadata


def _check_digests(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    if any(name not in metadata for name in _DIGESTS):
        raise ModelFileError(
            f"{path}: holds no digest, so it is not a model file of lenetkit, or is damaged"
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
