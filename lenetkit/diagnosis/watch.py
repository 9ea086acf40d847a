"""A short training that is watched: the loss of each step, and every layer at some of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np

from lenetkit.arrays import Array
from lenetkit.diagnosis.microscope import LayerLook, Microscope
from lenetkit.diagnosis.skill import Judge
from lenetkit.diagnosis.subject import Subject
from lenetkit.network.network import Network
from lenetkit.options import option
from lenetkit.schedules import Moment, Schedule
from lenetkit.training import loop
from lenetkit.training.divergence import DivergedError

LONG = 938
"""Steps of a long watch, at least: a pass over MNIST in batches of 64."""


HURRY = 150
"""Steps of a test of the rates to come."""


@dataclass(frozen=True, kw_only=True)
class Ramp(Schedule):
    """From `low` to `high`, factor by factor, and on at `high`, whatever the optimizer's lr is."""

    first: int = option(doc="The step at which it begins.")
    steps: int = option(doc="How many steps it is for; two thirds of them rise.")
    low: float = option(doc="Rate at the beginning.")
    high: float = option(doc="Rate at the end.")

    def rate(self, lr: float, at: Moment) -> float:
        share = min(max((at.step - self.first) / (self.steps * 2 / 3), 0.0), 1.0)
        return self.high if self.low <= 0 else self.low * (self.high / self.low) ** share


@dataclass(frozen=True)
class Look:
    """All layers after `step` steps."""

    step: int
    layers: dict[str, LayerLook]


@dataclass(eq=False)
class Watch:
    """The training of a subject, as its spec says, from the spec's own start.

    `run` takes it on, and `hurry` to the highest rate of its schedule. With a microscope, layers
    are looked at before the first step and whenever the number of steps has grown fourfold.
    """

    subject: Subject
    judge: Judge
    microscope: Microscope | None = None
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    hurried: int = 0
    """The steps after which it went on with `hurry`; 0 if it did not."""
    diverged: str = ""
    """Why the training stopped: the loss, or its gradient, was no longer finite."""

    def __post_init__(self) -> None:
        plan = self.subject.plan
        settings = replace(plan.spec.train, patience=None, average=None)
        schedule, lr = settings.schedule, float(getattr(settings.optimizer, "lr", 0.0))
        self.network = Network(plan, seed=settings.seed)
        progress = loop.start(self.network, settings)
        self._trainer = trainer = loop.Trainer(self.network, self.subject.data, settings, progress)
        self.steps_per_epoch = trainer.steps_per_epoch
        self.total = trainer.steps_per_epoch * settings.epochs
        points = np.linspace(0, self.total - 1, 101).astype(int).tolist()
        moments = (Moment(t, trainer.steps_per_epoch, settings.epochs) for t in points)
        self.peak = max(float(schedule.rate(lr, at)) for at in moments)
        self._events = loop.computed(trainer.all_steps(), self.network)
        self._workspace = self.network.workspace(training=False)
        self._look()
        self.start = self.end = self.settled = self.judge.judge(self.network, self._workspace)
        self.initial = self.network.params.copy()
        self._begun = {name: view.copy() for name, view in self.network.tensors().items()}

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.losses)

    @property
    def learned(self) -> bool:
        """Whether the network has learned something since its start.

        After a long time less will do: a plateau that is being left leads somewhere.
        """
        least = 1.0 if self.steps < LONG else 0.4
        return not self.diverged and self.end.has_learned(self.start, least=least)

    def run(self, steps: int) -> Watch:
        """Train up to so many steps in all, or to the end of the training; then judge."""
        try:
            with self.network.limited():
                self._train(self._events, min(steps, self.total))
        except DivergedError as error:
            self.diverged = str(error).partition("\n")[0]
        self.end = self.judge.judge(self.network, self._workspace)
        return self

    @property
    def is_warming_up(self) -> bool:
        """Whether the schedule's highest rate is far above those so far."""
        return not self.diverged and self.peak > 1.5 * max(self.rates, default=math.inf)

    def hurry(self, steps: int) -> Watch:
        """Train so many steps while the rate rises to the highest that the schedule will have.

        It is a test of the rates to come: two thirds of the steps rise, and the rest stay there.
        """
        settings = self._trainer.settings
        ramp = Ramp(first=self.steps, steps=steps, low=self.rates[-1], high=self.peak)
        self._trainer.settings = replace(settings, schedule=ramp)
        self.hurried, self.settled = self.steps, self.end
        return self.run(self.steps + steps)

    def _train(self, events: Generator[loop.StepDone], until: int) -> None:
        while self.steps < until:
            looking = self._is_looked_at(self.steps + 1, until)
            before = self.network.params.copy() if looking else None
            event = next(events, None)
            if event is None:
                return
            self.losses.append(event.loss)
            self.rates.append(event.lr)
            if looking:
                self._look(before)

    def _is_looked_at(self, step: int, until: int) -> bool:
        if self.microscope is None:
            return False
        return step == until or step >= 4 * self.looks[-1].step

    def _look(self, before: Array | None = None) -> None:
        if self.microscope is not None:
            self.looks.append(Look(self.steps, self.microscope.look(self.network, before)))

    def initial_tensors(self) -> dict[str, Array]:
        """`LAYER.NAME` → its values before the first step."""
        return self._begun

    def loss_depends_on(self, layer: str) -> bool:
        """Whether other weights in a layer give other losses, in a copy of the network."""
        other = copy.deepcopy(self.network)
        rng = np.random.default_rng(0)
        for name, view in other.tensors().items():
            if name.startswith(f"{layer}.") and name in other.gradients():
                view += rng.normal(0, 0.1 * float(view.std()) + 1e-3, view.shape)
        return self.judge.judge(other).loss != self.end.loss

    def moved(self) -> dict[str, float]:
        """‖w − w₀‖ of each layer that is trained: how far its weights are from the start."""
        change = np.abs(self.network.params - self.initial).astype(np.float64)
        moved, begin = {}, 0
        for layer in self.subject.plan.layers:
            size = layer.count(trainable_only=True)
            if size:
                moved[layer.name] = float(np.linalg.norm(change[begin : begin + size]))
                begin += size
        return moved
