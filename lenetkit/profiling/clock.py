"""The times at which the parts of a step end."""

from __future__ import annotations

import time

from lenetkit.arrays import Array
from lenetkit.network.observer import Observer
from lenetkit.network.stage import Stage


class Clock(Observer):
    """Notes when what comes before a pass ends, and when each stage of it does."""

    def __init__(self) -> None:
        self.times: list[float] = []
        """In seconds, one for the end of each part."""
        self.stages: list[Stage] = []
        """Those of the last pass."""

    def note(self) -> None:
        """Note that a part has ended."""
        self.times.append(time.perf_counter())

    def forward_begins(self, x: Array) -> None:
        self.note()
        self.stages.clear()

    def forward_done(self, stage: Stage, y: Array) -> None:
        self.note()
        self.stages.append(stage)

    def backward_begins(self, dy: Array) -> None:
        self.note()

    def backward_done(self, stage: Stage, dx: Array | None) -> None:
        self.note()
