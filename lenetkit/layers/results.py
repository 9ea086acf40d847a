"""What a pass may return: a plain array whose memory is nobody else's.

The next pass may write to a gradient in place. Where its memory cannot be written to, holds two
values in one place, or is also a parameter, training would stop, or go wrong without a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from lenetkit.arrays import Array

EXPECTED = "expected a plain array with memory of its own, as np.array(…) makes"


def objection(found: Array, given: Array, others: Iterable[tuple[str, Array]]) -> str:
    """What is wrong with the array that a pass returned; empty if nothing is.

    A pass may return what it was given, or a view of it. `others` are arrays, by name, whose memory
    it may not return.
    """
    if type(found) is not np.ndarray and type(found) is not type(given):
        return f"a {type(found).__name__}"
    flags = found.flags
    if not flags.writeable and given.flags.writeable:
        return "an array that cannot be written to"
    if not flags.forc and overlaps_itself(found) and not overlaps_itself(given):
        return "an array with several values in the same memory"
    owner = _owner(found)
    if owner is not given and owner is not given.base:
        for name, other in others:
            if (owner is other or owner is other.base) and np.may_share_memory(found, other):
                return f"memory of {name}"
    return ""


def overlaps_itself(array: Array) -> bool:
    """Whether places of an array share memory, as after `broadcast_to` or `as_strided`.

    Also true where values lie between one another in memory, as no slicing makes them.
    """
    if array.flags.forc:
        return False
    axes = sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1)
    extent = array.itemsize
    for stride, size in axes:
        if stride < extent:
            return True
        extent += stride * (size - 1)
    return False


def _owner(array: Array) -> Any:
    """The array that a view is of; NumPy keeps no chains of views of plain arrays."""
    return array if array.base is None else array.base
