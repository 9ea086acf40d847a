"""Runs contenders in turns, and summarizes the times of many rounds."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contenders.base import Contender
from lenetkit.profiling.profile import EPOCH

Work = Callable[[Contender, int], None]
"""The work to measure: `Contender.train` or `Contender.infer`."""


def measure(
    contenders: Sequence[Contender], work: Work, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Seconds per step of each contender by name, one figure per round.

    They run in turns of about `seconds`, and each round starts with a different one. The first
    steps of a turn do not count: they warm the caches, and the previous turn's threads fall asleep.
    """
    counts = {}
    for contender in contenders:
        with contender.limited():
            work(contender, 2)  # allocates memory, compiles
            counts[contender.name] = _count(contender, work, seconds)
    found: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for contender in [*contenders[first:], *contenders[:first]]:
            count = counts[contender.name]
            with contender.limited():
                work(contender, max(count // 10, 1))
                found[contender.name].append(_timed(contender, work, count) / count)
    return found


def _count(contender: Contender, work: Work, seconds: float) -> int:
    """The number of steps that take about this many seconds."""
    count = 1
    while (taken := _timed(contender, work, count)) < seconds / 8:
        count *= 2
    return max(round(count * seconds / taken), 1)


def _timed(contender: Contender, work: Work, steps: int) -> float:
    begun = time.perf_counter()
    work(contender, steps)
    return time.perf_counter() - begun


@dataclass(frozen=True)
class Ratio:
    """The ratio of two contenders' times: median and range over all rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: Sequence[float], reference: Sequence[float]) -> Ratio:
        """Compute the ratio per round, so that a busy minute affects both."""
        ratios = np.divide(seconds, reference)
        return cls(float(np.median(ratios)), float(ratios.min()), float(ratios.max()))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} – {self.high:.2f})"


def epochs(seconds_a_step: Sequence[float], batch: int) -> list[float]:
    """Seconds for 60,000 images, from the seconds per step of each round."""
    return [math.ceil(EPOCH / batch) * seconds for seconds in seconds_a_step]


def machine() -> str:
    """The computer and the versions that figures depend on, in one line."""
    return (
        f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )
