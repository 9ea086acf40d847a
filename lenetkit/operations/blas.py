"""How many threads NumPy's matrix products use."""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager
from typing import Any

from lenetkit.operations.limits import Limit

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
    return _LIMIT.at([threads] * len(_libraries()))


def threads() -> int:
    """How many threads matrix products currently use."""
    return max(_numbers(), default=1)


@functools.cache
def _libraries() -> list[Any]:
    """NumPy's. Looking for them takes 30 times as long as setting their numbers."""
    import threadpoolctl  # not needed for a plan

    found = threadpoolctl.ThreadpoolController().select(user_api="blas")
    return list(found.lib_controllers)


def _numbers() -> list[int]:
    return [library.num_threads for library in _libraries()]


def _set(numbers: list[int]) -> None:
    for library, number in zip(_libraries(), numbers, strict=True):
        library.set_num_threads(number)


_LIMIT = Limit(_numbers, _set)
