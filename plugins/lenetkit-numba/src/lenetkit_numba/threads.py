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
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
