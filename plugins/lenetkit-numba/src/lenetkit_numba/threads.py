"""How many threads passes use. Imports nothing that takes long."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_limit: ContextVar[int | None] = ContextVar("lenetkit_numba_threads", default=None)


@functools.cache
def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """How many threads a pass uses here and now."""
    return _limit.get() or processors()


@contextmanager
def limited(count: int) -> Iterator[None]:
    """Passes inside the block use at most `count` threads."""
    token = _limit.set(count)
    try:
        yield
    finally:
        _limit.reset(token)
