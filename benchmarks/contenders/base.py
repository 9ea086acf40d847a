"""The task that contenders are compared on, and the base of all contenders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.kernels.base import Kernels
from lenetkit.losses import SoftmaxCrossEntropy
from lenetkit.network.plan import Plan, load_plan
from lenetkit.optimizers import Adam
from lenetkit.profiling.random_data import random_data
from lenetkit.registry.catalog import installed
from lenetkit.schedules import Constant
from lenetkit.training.data import TrainingData

LEARNING_RATE = 1e-3
"""Of everyone's Adam, which has no weight decay and no schedule."""


class AbsentError(Exception):
    """A contender cannot take part; the message says what is missing."""


@dataclass(frozen=True, eq=False)
class Task:
    """One network, with the same random images and number of threads for all."""

    plan: Plan
    data: TrainingData
    batch: int
    threads: int

    @classmethod
    def of(cls, spec: str | Path, batch: int, threads: int) -> Task:
        """The task for a spec, with cross-entropy and Adam at a constant rate, whatever it says.

        Raises InputError if the spec is wrong, or no image shape fits its transforms.
        """
        plan = load_plan(spec)
        how = replace(
            plan.spec.train,
            batch_size=batch,
            optimizer=Adam(lr=LEARNING_RATE),
            schedule=Constant(),
        )
        plan = replace(plan, spec=replace(plan.spec, train=how, loss=SoftmaxCrossEntropy()))
        return cls(plan, random_data(plan, batch), batch, threads)

    def with_kernels(self, name: str) -> Task:
        """The same task with another kernel set. Raises AbsentError if it is not installed."""
        registry = installed().registry(Kernels)
        if name not in registry.names():
            raise AbsentError(f"no kernel set '{name}' is installed; plugins/ may have it")
        spec = replace(self.plan.spec, kernels=registry.get(name)())
        return replace(self, plan=replace(self.plan, spec=spec))

    def floats(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """All images as the network's inputs, and their labels."""
        images = self.data.pipeline.images(self.data.train.images, np.float32)
        return images, self.data.train.labels


class Contender(ABC):
    """Trains and infers; selects batches the way its users do."""

    name: ClassVar[str]
    what: ClassVar[str]
    """A short description of its setup."""

    @abstractmethod
    def __init__(self, task: Task) -> None:
        """Set up the network. Raises AbsentError if that is impossible."""

    @abstractmethod
    def train(self, steps: int) -> None:
        """Train on this many shuffled batches."""

    @abstractmethod
    def infer(self, steps: int) -> None:
        """Compute the outputs of this many batches."""

    def limited(self) -> AbstractContextManager[Any]:
        """Inside the block it uses the task's number of threads."""
        return nullcontext()


class Batches:
    """The rows of shuffled batches, epoch after epoch."""

    def __init__(self, count: int, batch: int) -> None:
        self.count, self.batch, self.first = count, batch, count
        self.rng = np.random.default_rng(0)
        self.order: NDArray[np.int64] = np.arange(count)

    def next(self) -> NDArray[np.int64]:
        """The next batch's rows, in a new order for each epoch."""
        if self.first + self.batch > self.count:
            self.order, self.first = self.rng.permutation(self.count), 0
        rows = self.order[self.first : self.first + self.batch]
        self.first += self.batch
        return rows
