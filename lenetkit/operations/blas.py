"""How many threads NumPy's matrix products use."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from lenetkit.operations.limits import Limit

MAX_THREADS = max(os.cpu_count() or 1, 2)
"""More threads than processors only wait for each other."""
_WORTH_SHARING = 5_000_000
"""Multiply-adds per image from which a second thread saves more than waking it costs."""


def best_threads(macs: int) -> int:
    """One for small networks such as LeNet-5, whose products are too short to share; else all.

    `macs`: multiply-adds per image. All that this process may use: OMP_NUM_THREADS and the like
    say so, which joblib sets in its workers.
    """
    return 1 if macs < _WORTH_SHARING else min(os.cpu_count() or 1, threads())


def limited(threads: int) -> AbstractContextManager[None]:
    """Matrix products use `threads` threads inside the block."""
    return _LIMIT.at([threads] * len(libraries()))


def threads() -> int:
    """How many threads matrix products currently use."""
    return max(_numbers(), default=1)


@functools.cache
def libraries() -> tuple[Any, ...]:
    """threadpoolctl's controllers of NumPy's BLAS, and of no other: OpenCV's wheel brings its own.

    Looking for them takes 30 times as long as setting their numbers of threads.
    """
    import threadpoolctl  # not needed for a plan

    found = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    return numpys(found, Path(np.__file__).resolve().parent)


def numpys(found: Sequence[Any], package: Path) -> tuple[Any, ...]:
    """The libraries in the wheel of the NumPy in `package`; without any, those in no wheel."""
    folders = [Path(library.filepath).resolve().parent for library in found]
    mine = {package.with_name("numpy.libs"), package / ".dylibs"}
    if not mine.intersection(folders):
        mine = {f for f in folders if f.suffix != ".libs" and f.name != ".dylibs"}
    return tuple(lib for lib, folder in zip(found, folders, strict=True) if folder in mine)


def _numbers() -> list[int]:
    return [library.num_threads for library in libraries()]


def _set(numbers: list[int]) -> None:
    for library, number in zip(libraries(), numbers, strict=True):
        library.set_num_threads(number)


_LIMIT = Limit(_numbers, _set)
