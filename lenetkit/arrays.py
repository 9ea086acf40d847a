"""Arrays, their shapes, and shapes in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Shape = tuple[int, ...]
"""Sizes along each axis; the batch is not part of a shape unless a docstring says so."""


def shape_text(shape: Shape) -> str:
    """`6×24×24`."""
    return "×".join(map(str, shape)) or "a scalar"


def slices(count: int, size: int) -> Iterator[slice]:
    """`count` samples in batches of `size`; the last may be smaller."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
