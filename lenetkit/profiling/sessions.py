"""Networks at work, a step at a time, with a note of how long each part of a step took."""

from __future__ import annotations

import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from lenetkit.network.plan import LayerPlan, Plan
from lenetkit.profiling.profile import Profile, StepProfile
from lenetkit.profiling.watched import WatchedNetwork
from lenetkit.schedules import Constant
from lenetkit.training import loop
from lenetkit.training.data import TrainingData

_WARM_UP = 3
"""First steps, left out: they make and fill memory, and some kernel sets compile."""
_LEAST, _MOST = 10, 5000
"""Steps where no number is asked for."""


@dataclass(frozen=True, eq=False)
class Workload:
    """What is measured: a network, the kernels that run it by name, on which data."""

    plan: Plan
    kernels: str
    data: TrainingData
    batch_size: int
    threads: int | None
    """None: as many as the kernels find fastest."""


class Session(ABC):
    """Steps of one kind, and what each part of each took, in seconds."""

    trains: ClassVar[bool]

    def __init__(self, work: Workload) -> None:
        self.work = work
        self.network = WatchedNetwork(work.plan, training=self.trains)
        self.rows: list[list[float]] = []

    @abstractmethod
    def advance(self) -> None:
        """Do one step."""

    def run(self, steps: int) -> None:
        """Do some steps and note each."""
        laps = self.network.laps
        with self.network.limited(self.work.threads), np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                laps.clear()
                laps.note()
                self.advance()
                laps.note()
                self.rows.append(np.diff(laps).tolist())

    @property
    def whole(self) -> float:
        """The median of the whole steps so far."""
        return float(np.median([sum(row) for row in self.rows]))

    def profile(self) -> Profile:
        """What the steps so far took. Runs a few more, for the peak of memory."""
        low, high = np.quantile([sum(row) for row in self.rows], (0.25, 0.75)).tolist()
        count = len(self.network.layers)
        batch, *rest = np.median(self.rows, axis=0).tolist()
        backward = rest[-2:count:-1] if self.trains else [None] * count
        with self.network.limited(self.work.threads):
            threads = self.work.plan.spec.kernels.threads()
        return Profile(
            kernels=self.work.kernels,
            batch_size=self.work.batch_size,
            threads=threads,
            count=len(self.rows),
            batch=batch,
            steps=self._steps(rest[:count], backward),
            loss=rest[count] if self.trains else None,
            update=rest[-1] if self.trains else None,
            whole=self.whole,
            quartiles=(low, high),
            peak_bytes=self._peak_bytes(),
        )

    def _steps(
        self, forward: Sequence[float], backward: Sequence[float | None]
    ) -> tuple[StepProfile, ...]:
        plan, batch = self.work.plan, self.work.batch_size
        if self.network.watched is None:
            raise RuntimeError("no step was run")
        found = []
        for index, step in enumerate(self.network.watched.stages):
            layers = plan.layers[step.first : step.first + step.count]
            flops = 2 * batch * sum(layer.cost.macs for layer in layers)
            gradients = _is_trained(layers) + step.call.needs_input_grad
            found.append(
                StepProfile(
                    name=step.name,
                    first=step.first,
                    forward=forward[index],
                    forward_flops=flops,
                    backward=backward[index],
                    backward_flops=flops * gradients if self.trains else 0,
                    scratch_bytes=step.call.scratch_bytes,
                    algorithm=plan.spec.kernels.algorithm(
                        self.network.layers[index], layers[0].in_shape, batch
                    ),
                )
            )
        return tuple(found)

    def _peak_bytes(self) -> int:
        """Most memory that another such session holds, its network included."""
        if tracing := tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        else:
            tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            type(self)(self.work).run(2)
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            if not tracing:
                tracemalloc.stop()


class TrainingSession(Session):
    """Steps of `loop.train`, at a learning rate of 0: the same work, and no loss diverges."""

    trains = True

    def __init__(self, work: Workload) -> None:
        super().__init__(work)
        settings = replace(
            work.plan.spec.train,
            batch_size=work.batch_size,
            optimizer=replace(work.plan.spec.train.optimizer, lr=0.0),
            schedule=Constant(),
        )
        self.trainer = loop.Trainer(
            self.network, work.data, settings, loop.start(self.network, settings)
        )
        self.events = self.trainer.steps()

    def advance(self) -> None:
        """One step. At its end the epoch starts again, because an end would be evaluated."""
        for event in self.events:
            if isinstance(event, loop.StepDone):
                return
        self.trainer.progress.step = 0
        self.events = self.trainer.steps()
        self.advance()


class InferenceSession(Session):
    """Forward passes in inference mode."""

    trains = False

    def __init__(self, work: Workload) -> None:
        super().__init__(work)
        self.workspace = self.network.workspace(training=False)
        self.first = 0

    def advance(self) -> None:
        """One batch; after the last, the first."""
        rows = slice(self.first, self.first + self.work.batch_size)
        self.first = rows.stop % len(self.work.data.train)
        images = self.work.data.pipeline.images(
            self.work.data.train.images[rows], self.network.dtype
        )
        self.network.forward(images, self.workspace)


def alternate(sessions: Sequence[Session], steps: int | None, *, seconds: float = 2.0) -> None:
    """Let the sessions work in turns, a tenth of their steps at a time.

    So whatever else the machine is doing meets all of them alike. Without `steps`, as many as the
    slowest does in about so many seconds.
    """
    for session in sessions:
        session.run(_WARM_UP)
    slowest = max(session.whole for session in sessions)
    count = steps or min(max(round(seconds / slowest), _LEAST), _MOST)
    for session in sessions:
        session.rows.clear()
    edges = np.linspace(0, count, min(10, count) + 1).round().astype(int)
    for share in np.diff(edges).tolist():
        for session in sessions:
            session.run(share)


def _is_trained(layers: Sequence[LayerPlan]) -> bool:
    """Whether any of the layers has a weight that learns."""
    return any(layer.params for layer in layers)
