"""The number of threads that passes use. Imports nothing slow."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_limit: ContextVar[int | None] = ContextVar("lenetkit_numba_threads", default=None)


@functools.cache
def processors() -> int:
    """The number of processors that this process may use.

    NUMBA_NUM_THREADS, else OMP_NUM_THREADS, allows fewer: joblib sets both in its workers.
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    allowed = os.environ.get("NUMBA_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS", "")
    first = allowed.partition(",")[0].strip()  # OpenMP's may be a list: one for each level
    return min(there, int(first)) if first.isdecimal() and int(first) else there


def threads() -> int:
    """The number of threads that a pass in this context uses."""
    return _limit.get() or processors()


@contextmanager
def limited(count: int) -> Iterator[None]:
    """Passes inside the block use at most `count` threads."""
    token = _limit.set(count)
    try:
        yield
    finally:
        _limit.reset(token)
