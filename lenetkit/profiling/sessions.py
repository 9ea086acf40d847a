"""Running a network step by step while noting how long each part of a step takes."""

from __future__ import annotations

import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from lenetkit.network.network import Network
from lenetkit.network.plan import Plan
from lenetkit.network.stage import Stage
from lenetkit.profiling.clock import Clock
from lenetkit.profiling.profile import Profile, StageProfile
from lenetkit.schedules import Constant
from lenetkit.training import loop
from lenetkit.training.data import TrainingData

_WARM_UP = 3
"""Initial steps that do not count: they allocate memory, and some kernel sets compile."""
_MIN_STEPS, _MAX_STEPS = 10, 5000
"""Limits on the number of steps that is chosen when none is given."""


@dataclass(frozen=True, eq=False)
class Workload:
    """What is measured: a network, the name of its kernel set, and the data."""

    plan: Plan
    kernels: str
    data: TrainingData
    batch_size: int
    threads: int | None
    """None: whatever the kernel set finds fastest."""


class Session(ABC):
    """Steps of one kind, and the seconds that each part of each step took."""

    trains: ClassVar[bool]

    def __init__(self, work: Workload) -> None:
        self.work = work
        self.network = Network(work.plan, seed=work.plan.spec.train.seed)
        self.clock = Clock()
        self.rows: list[list[float]] = []

    @abstractmethod
    def advance(self) -> None:
        """Run one step."""

    def run(self, steps: int) -> None:
        """Run some steps and note the times of each."""
        network, clock = self.network, self.clock
        with network.limited(self.work.threads), np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                clock.times.clear()
                clock.note()
                self.advance()
                clock.note()
                self.rows.append(np.diff(clock.times).tolist())

    @property
    def seconds(self) -> list[float]:
        """How long each step took as a whole."""
        return [sum(row) for row in self.rows]

    def profile(self) -> Profile:
        """A summary of the steps so far. Runs a few more to measure peak memory."""
        if not self.rows:
            raise RuntimeError("no step was run")
        stages = self.clock.stages
        low, middle, high = np.quantile(self.seconds, (0.25, 0.5, 0.75)).tolist()
        batch, *rest = np.median(self.rows, axis=0).tolist()
        loss, update = None, None
        backward: list[float | None] = [None] * len(stages)
        if self.trains:
            loss, *learning, update = rest[len(stages) :]
            backward[len(stages) - len(learning) :] = reversed(learning)
        with self.network.limited(self.work.threads):
            threads = self.work.plan.spec.kernels.threads()
        return Profile(
            kernels=self.work.kernels,
            batch_size=self.work.batch_size,
            threads=threads,
            steps=len(self.rows),
            batch_seconds=batch,
            stages=tuple(map(self._stage, stages, rest, backward)),
            loss_seconds=loss,
            update_seconds=update,
            step_seconds=middle,
            step_quartiles=(low, high),
            peak_bytes=self._peak_bytes(),
        )

    def _stage(self, stage: Stage, forward: float, backward: float | None) -> StageProfile:
        plan, batch = self.work.plan, self.work.batch_size
        layers = plan.layers[stage.first : stage.first + stage.count]
        flops = 2 * batch * sum(layer.cost.macs for layer in layers)
        gradients = any(layer.trained for layer in layers) + stage.call.needs_input_grad
        return StageProfile(
            name=stage.name,
            first=stage.first,
            forward_seconds=forward,
            forward_flops=flops,
            backward_seconds=backward,
            backward_flops=flops * gradients if self.trains else 0,
            scratch_bytes=stage.call.scratch_bytes,
            algorithm=plan.spec.kernels.algorithm(stage.layer, stage.in_shape, batch),
        )

    def _peak_bytes(self) -> int:
        """Peak memory of another session like this one, its network included."""
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
    """Steps of the training loop at a learning rate of 0: the same work, but nothing diverges."""

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
            self.network, work.data, settings, loop.start(self.network, settings), self.clock
        )
        self.events = self.trainer.steps()

    def advance(self) -> None:
        """Run one step. An epoch that is over starts again, without being evaluated."""
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
        self.workspace = self.network.workspace(training=False, observer=self.clock)
        self.first = 0

    def advance(self) -> None:
        """Run one batch; the first follows the last."""
        rows = slice(self.first, self.first + self.work.batch_size)
        self.first = rows.stop % len(self.work.data.train)
        images = self.work.data.pipeline.images(
            self.work.data.train.images[rows], self.network.dtype
        )
        self.network.forward(images, self.workspace)


def alternate(sessions: Sequence[Session], steps: int | None, *, seconds: float = 2.0) -> None:
    """Run the sessions in turns, a tenth of their steps at a time.

    Whatever else the machine is doing then affects all of them alike. Without `steps`, as many are
    run as the slowest session completes in about that many `seconds`.
    """
    for session in sessions:
        session.run(_WARM_UP)
    slowest = max(float(np.median(session.seconds)) for session in sessions)
    count = steps or min(max(round(seconds / slowest), _MIN_STEPS), _MAX_STEPS)
    for session in sessions:
        session.rows.clear()
    edges = np.linspace(0, count, min(10, count) + 1).round().astype(int)
    for share in np.diff(edges).tolist():
        for session in sessions:
            session.run(share)
