"""Contenders at work in turns, and what the times of many rounds come to."""

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
"""What is measured: `Contender.train` or `Contender.infer`."""


def measure(
    contenders: Sequence[Contender], work: Work, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Seconds a step of each contender by name, a figure a round.

    They work in turns of about `seconds`, every round beginning with another one. A turn's first
    steps are not counted: caches are then its own, and the threads of the turn before asleep.
    """
    counts = {}
    for contender in contenders:
        with contender.limited():
            work(contender, 2)  # makes memory, compiles
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
    """How many steps take about so many seconds."""
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
    """How much longer one takes than another: the median of all rounds, and their range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: Sequence[float], reference: Sequence[float]) -> Ratio:
        """Round by round, so that a busy minute weighs on both."""
        ratios = np.divide(seconds, reference)
        return cls(float(np.median(ratios)), float(ratios.min()), float(ratios.max()))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} – {self.high:.2f})"


def epochs(seconds_a_step: Sequence[float], batch: int) -> list[float]:
    """Seconds for 60,000 images, from those of each round's step."""
    return [math.ceil(EPOCH / batch) * seconds for seconds in seconds_a_step]


def machine() -> str:
    """The computer and the versions that figures depend on, in a line."""
    return (
        f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )
