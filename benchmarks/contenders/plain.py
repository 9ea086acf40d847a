"""Plain NumPy, as taught in courses."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

from contenders.base import Batches, Contender, Task
from contenders.plain_numpy import PlainAdam, PlainNetwork
from lenetkit.losses import SoftmaxCrossEntropy
from lenetkit.network.network import Network
from lenetkit.operations import blas


class PlainContender(Contender):
    """The plain network, trained in a plain loop over float32 images in memory."""

    name: ClassVar[str] = "plain NumPy"
    what: ClassVar[str] = "im2col, a new array for every result"

    def __init__(self, task: Task) -> None:
        self.task = task
        self.source = Network(task.plan)
        self.network = PlainNetwork(self.source)
        self.adam = PlainAdam(self.network)
        self.loss = SoftmaxCrossEntropy()
        self.images, self.labels = task.floats()
        self.batches = Batches(len(self.images), task.batch)

    def train(self, steps: int) -> None:
        for _ in range(steps):
            rows = self.batches.next()
            outputs = self.network.forward(self.images[rows])
            _, saved = self.loss.forward(outputs, self.labels[rows])
            self.network.backward(self.loss.backward(saved))
            self.adam.step()

    def infer(self, steps: int) -> None:
        for _ in range(steps):
            self.network.forward(self.images[: self.task.batch])

    def limited(self) -> AbstractContextManager[None]:
        return blas.limited(self.task.threads)
