"""How many threads NumPy's matrix products use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

MAX_THREADS = max(os.cpu_count() or 1, 2)
"""More threads than processors only wait for each other."""
_WORTH_SHARING = 5_000_000
"""Multiply-adds per image from which a second thread saves more than waking it costs."""


def best_threads(macs: int) -> int:
    """One for small networks such as LeNet-5, whose products are too short to share; else all.

    `macs`: multiply-adds per image.
    """
    return 1 if macs < _WORTH_SHARING else os.cpu_count() or 1


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Matrix products use `threads` threads inside the block."""
    import threadpoolctl  # not needed for a plan

    with threadpoolctl.threadpool_limits(threads, user_api="blas"):
        yield


def threads() -> int:
    """How many threads matrix products currently use."""
    import threadpoolctl

    pools = [p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    return max(pools, default=1)
