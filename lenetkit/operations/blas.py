"""How many threads NumPy's matrix products use."""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager
from typing import Any

MAX_THREADS = max(os.cpu_count() or 1, 2)
"""More threads than processors only wait for each other."""
_WORTH_SHARING = 5_000_000
"""Multiply-adds per image from which a second thread saves more than waking it costs."""


def best_threads(macs: int) -> int:
    """One for small networks such as LeNet-5, whose products are too short to share; else all.

    `macs`: multiply-adds per image.
    """
    return 1 if macs < _WORTH_SHARING else os.cpu_count() or 1


def limited(threads: int) -> AbstractContextManager[None]:
    """Matrix products use `threads` threads inside the block."""
    return _controller().limit(limits=threads, user_api="blas")


def threads() -> int:
    """How many threads matrix products currently use."""
    pools = [p["num_threads"] for p in _controller().info() if p["user_api"] == "blas"]
    return max(pools, default=1)


@functools.cache
def _controller() -> Any:
    """Of NumPy's libraries. Looking for them takes 30 times as long as setting a number."""
    import threadpoolctl  # not needed for a plan

    return threadpoolctl.ThreadpoolController()
