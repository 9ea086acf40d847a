"""lenetkit itself, with each of its kernel sets, in its own training loop."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

from contenders.base import Contender, Task
from lenetkit.network.network import Network
from lenetkit.training import loop


class LenetkitContender(Contender):
    """The training loop on uint8 images in memory."""

    name: ClassVar[str] = "lenetkit numpy"
    what: ClassVar[str] = "uint8 images, loop.Trainer"
    kernels: ClassVar[str] = "numpy"

    def __init__(self, task: Task) -> None:
        self.task = task = task.with_kernels(self.kernels)
        self.network = Network(task.plan)
        settings = task.plan.spec.train
        self.progress = loop.start(self.network, settings)
        self.trainer = loop.Trainer(self.network, task.data, settings, self.progress)
        self.events = self.trainer.steps()
        self.inferring = self.network.workspace(training=False)

    def train(self, steps: int) -> None:
        for _ in range(steps):
            if next(self.events, None) is None:
                self.progress.step = 0  # start over without an evaluation; Adam counts from 1 again
                self.events = self.trainer.steps()
                next(self.events)

    def infer(self, steps: int) -> None:
        images, pipeline = self.task.data.train.images[: self.task.batch], self.task.data.pipeline
        for _ in range(steps):
            self.network.forward(pipeline.images(images, self.network.dtype), self.inferring)

    def limited(self) -> AbstractContextManager[None]:
        return self.network.limited(self.task.threads)


class NumbaContender(LenetkitContender):
    """The same with the compiled kernels of the plugin lenetkit-numba."""

    name: ClassVar[str] = "lenetkit numba"
    kernels: ClassVar[str] = "numba"
