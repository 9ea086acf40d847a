"""Reading weights that other programs saved, safetensors and NumPy archives; runs no code."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from lenetkit.arrays import shape_text
from lenetkit.errors import DataError, ModelFileError, OutOfMemoryError
from lenetkit.files import tensorfile
from lenetkit.files.archive import members, open_member
from lenetkit.files.opening import file_kind
from lenetkit.files.tensorfile import MAX_BYTES, Tensors, expect_memory, opened
from lenetkit.text import printable

_FROM_PYTORCH = (
    "can run code when it is read; expected a model file, safetensors or .npz; in PyTorch:\n"
    "  import torch, safetensors.torch\n"
    '  safetensors.torch.save_file(torch.load("{name}", weights_only=True), "{stem}.safetensors")'
)
_FROM_KERAS = (
    "is not read; expected a model file, safetensors or .npz; in Keras:\n"
    '  numpy.savez("{stem}.npz", **{{v.path: v.numpy() for v in model.weights}})'
)
_ONE_ARRAY = (
    "is a single NumPy array; expected a model file, safetensors or .npz:\n"
    '  numpy.savez("{stem}.npz", **{{"fc1.weight": weight, "fc1.bias": bias}})'
)
_MAX_ARRAYS = 500
_DAMAGED = (
    *(EOFError, MemoryError, OverflowError, RecursionError, SyntaxError, TypeError, ValueError),
    *(TokenError, zlib.error),
)
"""What NumPy and `zipfile` raise for damaged arrays."""


def read(path: Path) -> tuple[Tensors, dict[str, str]]:
    """The tensors and the metadata of a file, lenetkit's own or not; archives have no metadata.

    Raises ModelFileError if it is missing, damaged or of another kind; the message says how
    PyTorch's and Keras' own files are converted.
    """
    with opened(path) as file:
        kind = file_kind(file.read(64))
    match kind:
        case "a ZIP archive":
            return _read_archive(path), {}
        case "an HDF5 file":
            raise _refused(path, f"is {kind}, which {_FROM_KERAS}")
        case "a Python pickle":
            raise _refused(path, f"is {kind}, which {_FROM_PYTORCH}")
        case "a NumPy array":
            raise _refused(path, _ONE_ARRAY)
    return tensorfile.read_any(path)


def _refused(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"{path}: {why.format(name=path.name, stem=path.stem)}")


def _read_archive(path: Path) -> Tensors:
    """The arrays of an `.npz` file, in its order."""
    try:
        inside = members(path)
    except DataError as error:
        raise ModelFileError(str(error)) from None
    names = [member.name for member in inside]
    if any(name.endswith("data.pkl") for name in names):
        raise _refused(path, f"is PyTorch's own format, a pickle, which {_FROM_PYTORCH}")
    if any(name.endswith(".h5") for name in names):
        raise _refused(path, f"is Keras' own format, HDF5, which {_FROM_KERAS}")
    if not any(name.endswith(".npy") for name in names):
        raise ModelFileError(
            f"{path}: is a ZIP archive without arrays; expected a model file, safetensors or .npz"
        )
    arrays = [member for member in inside if member.name.endswith(".npy")]
    if len(arrays) > _MAX_ARRAYS:
        raise ModelFileError(f"{path}: {len(arrays):,} arrays; expected at most {_MAX_ARRAYS}")
    left = MAX_BYTES
    tensors = {}
    for member in arrays:
        try:
            with open_member(member) as (file, _, size):
                if (left := left - size) < 0:
                    raise DataError(f"with others it has more than {MAX_BYTES:,} bytes")
                expect_memory("read", size)
                tensors[member.name.removesuffix(".npy")] = _array(file)
        except OutOfMemoryError:
            raise
        except (*_DAMAGED, DataError) as error:
            raise ModelFileError(
                f"{path}: {printable(member.name)}: {error}; expected an array of numbers, as "
                "numpy.savez(FILE, *arrays) writes"
            ) from None
    return tensors


def _array(file: IO[bytes]) -> NDArray[Any]:
    """An array in NumPy's format."""
    match npy.read_magic(file):
        case (1, 0):
            shape, is_fortran, dtype = npy.read_array_header_1_0(file)
        case (2, 0):
            shape, is_fortran, dtype = npy.read_array_header_2_0(file)
        case version:
            raise DataError(f"has version {version} of NumPy's format")
    if dtype.hasobject:
        raise DataError("has Python objects, which can run code when they are read")
    data = file.read()
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise DataError(f"has {len(data):,} bytes for {shape_text(shape)} of {dtype}")
    return np.ndarray(shape, dtype, data, order="F" if is_fortran else "C")
