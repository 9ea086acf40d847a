"""Schedules: the learning rate of each step."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from lenetkit.errors import OptionError
from lenetkit.options import Configurable, option


@dataclass(frozen=True)
class Moment:
    """The position of a step in a training run; step and epoch count from 0."""

    step: int
    steps_per_epoch: int
    epochs: int
    validation_losses: tuple[float, ...] = ()
    """The loss on the held-out samples after each epoch before this one, if there are any."""

    @property
    def epoch(self) -> int:
        """The pass over the training set that this step belongs to."""
        return self.step // self.steps_per_epoch

    @property
    def total_steps(self) -> int:
        """Steps in the whole run."""
        return self.steps_per_epoch * self.epochs

    def after(self, epochs: int) -> Moment:
        """This moment in the run that is left after its first epochs."""
        step = self.step - epochs * self.steps_per_epoch
        left = max(self.epochs - epochs, 0)
        return Moment(step, self.steps_per_epoch, left, self.validation_losses[epochs:])


class Schedule(Configurable):
    """Base of all schedules."""

    group: ClassVar[str] = "lenetkit.schedules"
    kind: ClassVar[str] = "schedule"

    @property
    def judges_validation(self) -> bool:
        """Whether rates depend on `Moment.validation_losses`, so that samples must be held out."""
        return False

    @abstractmethod
    def rate(self, lr: float, at: Moment) -> float:
        """The learning rate at a moment; `lr` is the optimizer's."""


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The optimizer's lr throughout."""

    def rate(self, lr: float, at: Moment) -> float:
        return lr


@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """lr · gamma^⌊epoch / step_size⌋."""

    step_size: int = option(minimum=1, doc="Epochs between two drops.")
    gamma: float = option(0.1, above=0, doc="Factor of each drop.")

    def rate(self, lr: float, at: Moment) -> float:
        return float(lr * self.gamma ** (at.epoch // self.step_size))


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """From lr down to min_lr along half a cosine, step by step. Loshchilov & Hutter 2017, eq. 5."""

    min_lr: float = option(0.0, minimum=0, doc="Learning rate at the end.")

    def rate(self, lr: float, at: Moment) -> float:
        return anneal(lr, self.min_lr, at.step / max(at.total_steps, 1))


@dataclass(frozen=True, kw_only=True)
class CosineWarmRestarts(Schedule):
    """From lr down to min_lr along half a cosine, again and again, step by step.

    The first cycle takes `t_0` epochs, each later one `t_mult` times as many as the one before.
    Loshchilov & Hutter 2017 (SGDR), section 3; options as PyTorch's CosineAnnealingWarmRestarts.
    """

    t_0: int = option(minimum=1, doc="Epochs of the first cycle.")
    t_mult: int = option(1, minimum=1, doc="Factor from one cycle's epochs to the next one's.")
    min_lr: float = option(0.0, minimum=0, doc="Learning rate at the end of each cycle.")

    def rate(self, lr: float, at: Moment) -> float:
        done, steps = at.step, self.t_0 * at.steps_per_epoch
        while done >= steps:
            done -= steps
            steps *= self.t_mult
        return anneal(lr, self.min_lr, done / steps)


@dataclass(frozen=True, kw_only=True)
class Warmup(Schedule):
    """In a straight line, step by step, up to the first rate of another schedule; then that one.

    `{type: warmup, epochs: 2, then: cosine}` is PyTorch's LinearLR followed by CosineAnnealingLR:
    the schedule that follows spans the epochs that are left. Goyal et al. 2017, section 2.2.
    """

    epochs: int = option(1, minimum=1, doc="Epochs until the other schedule begins.")
    start_factor: float = option(
        1 / 3, above=0, maximum=1, doc="The first rate, as a share of that at the end."
    )
    then: Schedule = option(Constant(), doc="The schedule of the other epochs.")

    @property
    def judges_validation(self) -> bool:
        return self.then.judges_validation

    def rate(self, lr: float, at: Moment) -> float:
        steps = self.epochs * at.steps_per_epoch
        if at.step >= steps:
            return self.then.rate(lr, at.after(self.epochs))
        first = self.then.rate(lr, Moment(0, at.steps_per_epoch, max(at.epochs - self.epochs, 1)))
        return first * (self.start_factor + (1 - self.start_factor) * at.step / steps)


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Schedule):
    """lr, times `factor` whenever the loss on held-out samples has stopped falling.

    An epoch counts as better if its loss is below (1 − threshold) times the best so far. After
    more than `patience` epochs in a row that are not better the rate falls, and for `cooldown`
    epochs none is counted. Needs `data.validation`. As PyTorch's ReduceLROnPlateau with eps=0.
    """

    factor: float = option(0.1, above=0, below=1, doc="Factor of each reduction.")
    patience: int = option(10, minimum=0, doc="Epochs without improvement that are accepted.")
    threshold: float = option(1e-4, minimum=0, doc="Least improvement, as a share of the best.")
    cooldown: int = option(0, minimum=0, doc="Epochs after a reduction that are not counted.")
    min_lr: float = option(0.0, minimum=0, doc="Lowest learning rate.")

    @property
    def judges_validation(self) -> bool:
        return True

    def rate(self, lr: float, at: Moment) -> float:
        best, waited, resting = math.inf, 0, 0
        for loss in at.validation_losses:
            if loss < best * (1 - self.threshold):
                best, waited = loss, 0
            else:
                waited += 1
            if resting:
                resting, waited = resting - 1, 0
            if waited > self.patience:
                lr = min(lr, max(lr * self.factor, self.min_lr))
                waited, resting = 0, self.cooldown
        return lr


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up from lr / div_factor to lr, then down to lr / (div_factor · final_div_factor), each along
    half a cosine. Smith & Topin 2018; options and defaults as PyTorch's OneCycleLR.
    """

    pct_start: float = option(0.3, above=0, below=1, doc="Share of the steps spent going up.")
    div_factor: float = option(25.0, minimum=1, doc="Peak over initial learning rate.")
    final_div_factor: float = option(1e4, minimum=1, doc="Initial over final learning rate.")

    def rate(self, lr: float, at: Moment) -> float:
        start, last = lr / self.div_factor, max(at.total_steps - 1, 1)
        peak = max(self.pct_start * at.total_steps - 1, 0)
        if at.step < peak:
            return anneal(start, lr, at.step / peak)
        share = (at.step - peak) / (last - peak) if last > peak else 1
        return anneal(lr, start / self.final_div_factor, share)


@dataclass(frozen=True, kw_only=True)
class Piecewise(Schedule):
    """One learning rate until each boundary, in epochs: `boundaries: [2, 5], values: [5e-4, 2e-4,
    1e-4]` is 5e-4 for two epochs, 2e-4 for three, then 1e-4. The optimizer's lr is not used.
    """

    boundaries: tuple[int, ...] = option(minimum=1, doc="Epochs at which the next value begins.")
    values: tuple[float, ...] = option(minimum=0, doc="Learning rates, one more than boundaries.")

    @classmethod
    def examples(cls) -> Sequence[Self]:
        return (cls(boundaries=(1, 3), values=(0.1, 0.03, 0.01)),)

    def validate(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            raise OptionError(
                "values",
                f"expected one more than boundaries ({len(self.boundaries) + 1}), "
                f"found {len(self.values)}",
            )
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise OptionError("boundaries", f"must be increasing, found {list(self.boundaries)}")

    def rate(self, lr: float, at: Moment) -> float:
        return self.values[sum(at.epoch >= boundary for boundary in self.boundaries)]


@dataclass(frozen=True, kw_only=True)
class RangeTest(Schedule):
    """low · (high / low)^(step / last step): a learning-rate range test, which shows what rates are
    good ones: those at which the loss falls. The optimizer's lr is not used. Smith 2017, section
    3.3.
    """

    low: float = option(1e-6, above=0, doc="Learning rate of the first step.")
    high: float = option(1.0, above=0, doc="Learning rate of the last step.")

    def validate(self) -> None:
        if self.high <= self.low:
            raise OptionError("high", f"expected more than low ({self.low}), found {self.high}")

    def rate(self, lr: float, at: Moment) -> float:
        share = at.step / max(at.total_steps - 1, 1)
        return float(math.exp(math.log(self.low) * (1 - share) + math.log(self.high) * share))


def uses_lr(schedule: Schedule) -> bool:
    """Whether the optimizer's lr makes a difference to a schedule."""
    moments = [Moment(step, steps_per_epoch=2, epochs=5) for step in range(10)]
    return any(schedule.rate(1.0, at) != schedule.rate(2.0, at) for at in moments)


def anneal(start: float, end: float, share: float) -> float:
    """From `start` (share 0) to `end` (share 1) along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
