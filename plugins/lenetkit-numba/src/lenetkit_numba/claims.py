"""Counts of the blocks taken and done in a pass, updated by several threads at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from lenetkit_numba.compiling import compiled
from lenetkit_numba.writer import Writer, vectorized

Claims = np.ndarray[tuple[int], np.dtype[np.int64]]
_TAKEN, _DONE, _BLOCKS = 0, 8, 16  # each in its own cache line
_PATIENCE = 20_000


def claims_on(blocks: int) -> Claims:
    """Claims on this many blocks, none taken yet."""
    claims = np.zeros(24, np.int64)
    claims[_BLOCKS] = blocks
    return claims


@vectorized(returns=True)
def _add_one(w: Writer, counts: Any, place: Any) -> Any:
    """Add one atomically; returns the previous value."""
    one = w.index(1)
    return w.builder.atomic_rmw("add", w.at(counts, place), one, "acq_rel")


@vectorized(returns=True)
def _read(w: Writer, counts: Any, place: Any) -> Any:
    """Read a count atomically."""
    return w.builder.load_atomic(w.at(counts, place), "acquire", 8)


@compiled
def claim(claims: Any) -> int:
    """Take a free block; -1 if none is left."""
    block = _add_one(claims, _TAKEN)
    return block if block < claims[_BLOCKS] else -1


@compiled
def finish(claims: Any) -> None:
    """Count a claimed block as done."""
    _add_one(claims, _DONE)


@compiled
def finished(claims: Any) -> bool:
    """Whether all blocks are done, after waiting briefly."""
    patience = _PATIENCE
    while _read(claims, _DONE) < claims[_BLOCKS] and patience:
        patience -= 1
    return patience > 0
