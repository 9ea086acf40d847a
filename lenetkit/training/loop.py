"""Training as a generator of events, for display, logging and saving.

Every random draw is seeded by (seed, purpose, step), so a resumed run draws what it would have
drawn without the interruption.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array, Views, slices
from lenetkit.data.source import Samples
from lenetkit.errors import memory_for
from lenetkit.losses import SecondOrderLoss
from lenetkit.network.network import Network
from lenetkit.network.observer import Observer
from lenetkit.network.plan import (
    expect_batches,
    expect_no_judgement,
    expect_second_order,
    expect_trainable,
)
from lenetkit.optimizers import SecondOrderOptimizer
from lenetkit.schedules import Moment
from lenetkit.spec.sections import TrainSpec
from lenetkit.training.data import TrainingData
from lenetkit.training.divergence import DivergedError, is_finite, locate, remedy, remedy_at_start
from lenetkit.training.draws import Draws, generator
from lenetkit.training.evaluation import BATCH, SMALLER, Evaluation, Pause, accuracy_of, evaluate


@dataclass(frozen=True)
class EpochBegun:
    """The optimizer prepared an epoch and reports figures."""

    epoch: int
    notes: dict[str, float]
    dataset: str = ""
    """The name of the data set."""


@dataclass(frozen=True)
class StepDone:
    """One training step is done. Steps and epochs count from 1."""

    step: int
    epoch: int
    loss: float
    accuracy: float
    """On this batch, before the step; NaN of real targets."""
    lr: float
    samples: int
    dataset: str = ""
    """The name of the data set."""


@dataclass(frozen=True)
class EpochDone:
    """One pass over the training set is done, and the network was evaluated."""

    epoch: int
    step: int
    lr: float
    train: Evaluation
    """On the whole training set, without augmentation, with the weights at the end of the epoch."""
    test: Evaluation
    validation: Evaluation | None
    seconds: float
    """Training time, without evaluation."""
    dataset: str = ""
    """The name of the data set."""

    @property
    def merit(self) -> float:
        """The higher, the better the epoch: that of held-out samples, else the latest wins."""
        return self.validation.merit if self.validation else float(self.epoch)

    def figures(self) -> dict[str, float]:
        """`epoch`, `lr`, the figures of each set that has samples, `seconds`."""
        return {"epoch": self.epoch, "lr": self.lr, **self.results(), "seconds": self.seconds}

    def results(self) -> dict[str, float]:
        """The figures of each set that has samples: `train_loss`, `train_accuracy`, …."""
        parts = {"train": self.train, "test": self.test, "validation": self.validation}
        return {
            f"{name}_{key}": value
            for name, part in parts.items()
            if part and part.n
            for key, value in part.figures().items()
        }


Event: TypeAlias = EpochBegun | StepDone | EpochDone
E = TypeVar("E", bound=Event)


@dataclass(repr=False)
class Progress:
    """A run's state besides the network's own."""

    slots: Views
    """The optimizer's state vectors."""
    step: int = 0
    """Steps done."""
    epoch: int = 0
    """Epochs done and evaluated."""
    seconds: float = 0.0
    """Training time of the current epoch."""
    validation_losses: list[float] = field(default_factory=list)
    """The loss on the held-out samples after each epoch, if there are any."""
    validation_merits: list[float] = field(default_factory=list)
    """Likewise, the merit: the accuracy, or minus the RMSE."""
    average: Array | None = None
    """The running mean of the weights, in the order of `Network.params`."""
    ahead: int = 0
    """By how many the optimizer has done more steps, in trainings before; see `goes_on`."""

    def goes_on(self, samples: int, settings: TrainSpec) -> Progress:
        """The state before another epoch, on so many samples, with the optimizer as it is now.

        Epochs before may have had another number of steps.
        """
        step = self.epoch * math.ceil(samples / settings.batch_size)
        ahead = self.ahead + self.step - step
        return Progress(self.slots, step, self.epoch, average=self.average, ahead=ahead)

    def is_over(self, settings: TrainSpec) -> bool:
        """Whether all epochs are done, or the last `patience` ones were no better than the best."""
        if self.epoch >= settings.epochs:
            return True
        known = self.validation_merits
        waited = len(known) - 1 - known.index(max(known)) if known else 0
        return settings.patience is not None and waited >= settings.patience

    @contextmanager
    def averaged(self, network: Network) -> Iterator[None]:
        """Inside the block the network has the averaged weights, if there are any."""
        if self.average is None:
            yield
            return
        own = network.params.copy()
        np.copyto(network.params, self.average)
        try:
            yield
        finally:
            np.copyto(network.params, own)

    def __repr__(self) -> str:
        return f"<Progress: {self.step} steps, {self.epoch} epochs>"


def start(network: Network, settings: TrainSpec) -> Progress:
    """The state before the first step."""
    names = settings.optimizer.active_slots()
    with _memory_for_optimizer(network, len(names)):
        average = None if settings.average is None else network.params.copy()
        slots = Views({name: np.zeros_like(network.params) for name in names})
        return Progress(slots, average=average)


def _memory_for_optimizer(network: Network, count: int) -> AbstractContextManager[None]:
    what = f"for the optimizer: {count} × {len(network.params):,} values"
    return memory_for(what, "use smaller layers, or an optimizer that keeps less, such as sgd")


def train(
    network: Network,
    data: TrainingData,
    settings: TrainSpec,
    progress: Progress,
    pause: Pause = lambda: None,
    *,
    sparing: bool = False,
) -> Generator[Event]:
    """Train `network` from where `progress` stands; both are updated in place.

    Between events network and progress agree: a checkpoint may be taken, or the loop left; not
    between an EpochBegun and its epoch's first StepDone, which come together. They also agree where
    `pause` has raised, to leave: it is called after each batch of the evaluation. After the last
    event the network has the averaged weights, if its settings ask for an `average`. With `sparing`
    the training samples are evaluated after the last epoch only.
    Raises DivergedError if the loss or its gradient is not finite, and SpecError for batches that
    are too small for a layer, an optimizer that needs second derivatives which the network does
    not have, or a schedule that judges held-out samples where there are none.
    """
    return computed(_epochs(network, data, settings, progress, pause, sparing), network)


def _epochs(
    network: Network,
    data: TrainingData,
    settings: TrainSpec,
    progress: Progress,
    pause: Pause,
    sparing: bool,
) -> Generator[Event]:
    trainer = Trainer(network, data, settings, progress)
    while not progress.is_over(settings):
        yield from trainer.steps()
        spared = sparing and progress.epoch + 1 < settings.epochs
        yield trainer.finish_epoch(pause, data.train.take(slice(0)) if spared else data.train)
    if progress.average is not None:
        np.copyto(network.params, progress.average)


def computed(events: Generator[E], network: Network, threads: int | None = None) -> Generator[E]:
    """The same events, each computed on `threads` threads, or on as many as are fastest.

    Overflows do not warn: DivergedError reports them. Neither setting reaches the code that takes
    the events.
    """
    try:
        while True:
            with network.limited(threads), np.errstate(over="ignore", invalid="ignore"):
                event = next(events, None)
            if event is None:
                return
            yield event
    finally:
        with network.limited(threads):
            events.close()


def clip(gradient: Array, longest: float) -> None:
    """Scale a gradient down to the norm `longest` if it is longer, in place.

    g · min(1, longest / (‖g‖₂ + 1e-6)), as PyTorch's clip_grad_norm_; the norm in float64.
    Pascanu, Mikolov & Bengio 2013, algorithm 1.
    """
    norm = float(np.linalg.norm(gradient.astype(np.float64)))
    gradient *= gradient.dtype.type(min(1.0, longest / (norm + 1e-6)))


def _memory_for_step(count: int) -> AbstractContextManager[None]:
    if count == 1:
        return memory_for("for a step of 1 image", SMALLER)
    return memory_for(f"for a step of {count:,} images", f"try a smaller batch_size than {count:,}")


class Trainer:
    """The two parts of an epoch: its batches, and the evaluation at its end."""

    def __init__(
        self,
        network: Network,
        data: TrainingData,
        settings: TrainSpec,
        progress: Progress,
        observer: Observer | None = None,
    ) -> None:
        self.network, self.data = network, data
        self.settings, self.progress = settings, progress
        self.steps_per_epoch = math.ceil(len(data.train) / settings.batch_size)
        self._training = network.workspace(training=True, observer=observer)
        self._evaluating = network.workspace(training=False)
        with _memory_for_optimizer(network, len(progress.slots) + 1):
            self._scratch = np.empty_like(network.grads)
        expect_trainable(network.plan)
        expect_batches(network.plan, min(settings.batch_size, len(data.train)))
        if isinstance(settings.optimizer, SecondOrderOptimizer):
            expect_second_order(network.plan)
        if not data.validation:
            expect_no_judgement(settings)

    def steps(self) -> Iterator[EpochBegun | StepDone]:
        """The remaining batches of the current epoch."""
        progress, epoch, batch_size = self.progress, self.progress.epoch, self.settings.batch_size
        clock = time.perf_counter()
        done = progress.step - epoch * self.steps_per_epoch
        notes = self._begin_epoch(epoch) if not done else {}
        order = self._order(epoch)
        for start in range(done * batch_size, len(order), batch_size):
            rows = order[start : start + batch_size]
            with _memory_for_step(len(rows)):
                event = self._step(epoch, rows)
            progress.seconds += time.perf_counter() - clock
            if notes:  # only now: a resumed run must not repeat _begin_epoch
                yield EpochBegun(epoch + 1, notes, self.data.train.dataset)
                notes = {}
            yield event
            clock = time.perf_counter()

    def all_steps(self) -> Generator[StepDone]:
        """The steps of all remaining epochs, which are not evaluated."""
        while not self.progress.is_over(self.settings):
            for event in self.steps():
                if isinstance(event, StepDone):
                    yield event
            self.progress.epoch += 1

    def _order(self, epoch: int) -> NDArray[np.intp]:
        """The training samples' indices in this epoch's order."""
        count = len(self.data.train)
        if not self.settings.shuffle:
            return np.arange(count)
        return self._rng(Draws.SHUFFLE, epoch).permutation(count)

    def _step(self, epoch: int, rows: NDArray[np.intp]) -> StepDone:
        """Train on one batch."""
        network, progress, pipeline = self.network, self.progress, self.data.pipeline
        loss_function, optimizer = network.plan.spec.loss, self.settings.optimizer
        lr = self._rate(progress.step)
        draw = functools.partial(self._rng, Draws.TRANSFORMS, progress.step)
        images = pipeline.images(self.data.train.images[rows], network.dtype, draw)
        labels = self.data.train.labels[rows]
        self._training.reseed(self.settings.seed, Draws.LAYERS, progress.step)
        outputs = network.forward(images, self._training)
        targets = pipeline.labels(labels)
        losses, saved = loss_function.forward(outputs, targets)
        loss = float(losses.mean())
        if not math.isfinite(loss):
            raise self._diverged(f"the loss became {loss}", images, targets, progress.step)
        accuracy = accuracy_of(loss_function, outputs, labels)
        network.backward(loss_function.backward(saved), self._training)
        if not is_finite(network.grads):
            became = "nan" if np.isnan(network.grads).any() else "infinite"
            raise self._diverged(f"the gradient became {became}", images, targets, progress.step)
        progress.step += 1
        np.copyto(self._scratch, network.grads)  # the optimizer may write to it
        if self.settings.clip_norm is not None:
            clip(self._scratch, self.settings.clip_norm)
        steps = progress.ahead + progress.step
        optimizer.step(network.params, self._scratch, progress.slots, lr, steps)
        self._average()
        return StepDone(
            step=progress.step,
            epoch=epoch + 1,
            loss=loss,
            accuracy=accuracy,
            lr=lr,
            samples=len(rows),
            dataset=self.data.train.dataset,
        )

    def _average(self) -> None:
        """Add the weights to their running mean, m ← m + (1 − d)(w − m).

        d grows to the decay that is set, min(decay, (1 + t) / (10 + t)) at step t, so that the
        initial weights are soon forgotten. Polyak & Juditsky 1992; Tan & Le 2019, section 5.1.
        """
        average, decay, t = self.progress.average, self.settings.average, self.progress.step
        if average is not None and decay is not None:
            np.subtract(self.network.params, average, out=self._scratch)
            self._scratch *= average.dtype.type(1 - min(decay, (1 + t) / (10 + t)))
            average += self._scratch

    def finish_epoch(
        self, pause: Pause = lambda: None, training: Samples | None = None
    ) -> EpochDone:
        """Evaluate the network at the end of an epoch; on these training samples, else on all."""
        data, progress = self.data, self.progress
        seen = data.train if training is None else training
        last = progress.step - 1
        with progress.averaged(self.network):
            train, test = self._evaluate(seen, pause), self._evaluate(data.test, pause)
            validation = self._evaluate(data.validation, pause) if data.validation else None
            self._expect_finite(train, seen, "training")
            self._expect_finite(test, data.test, "test")
            if validation and data.validation:
                self._expect_finite(validation, data.validation, "held-out")
        progress.epoch += 1
        if validation:
            progress.validation_losses.append(validation.loss)
            progress.validation_merits.append(validation.merit)
        seconds, progress.seconds = progress.seconds, 0.0
        return EpochDone(
            epoch=progress.epoch,
            step=progress.step,
            lr=self._rate(last),
            train=train,
            test=test,
            validation=validation,
            seconds=seconds,
            dataset=data.train.dataset,
        )

    def _expect_finite(self, found: Evaluation, samples: Samples, name: str) -> None:
        """Raise DivergedError if the loss on samples is not finite."""
        if not found.n or math.isfinite(found.loss):
            return
        first = int((~np.isfinite(found.certainty)).argmax())  # 0 if all are
        rows = slice(first, first + BATCH)
        images = self.data.pipeline.images(samples.images[rows], self.network.dtype)
        targets = self.data.pipeline.labels(samples.labels[rows])
        what = f"after it, the loss on the {name} samples is {found.loss}"
        raise self._diverged(what, images, targets, self.progress.step - 1)

    def _evaluate(self, samples: Samples, pause: Pause) -> Evaluation:
        return evaluate(self.network, samples, self.data.pipeline, self._evaluating, pause)

    def _begin_epoch(self, epoch: int) -> dict[str, float]:
        """Let a second-order optimizer measure second derivatives."""
        optimizer = self.settings.optimizer
        if not isinstance(optimizer, SecondOrderOptimizer):
            return {}
        notes = optimizer.begin_epoch(
            self.progress.slots, lambda count: self._curvature(epoch, count)
        )
        return {name: float(figure) for name, figure in notes.items()}

    def _curvature(self, epoch: int, count: int) -> Array:
        """The mean second derivatives of `count` training samples drawn for this epoch."""
        network, data, loss = self.network, self.data, self.network.plan.spec.loss
        if not isinstance(loss, SecondOrderLoss):
            raise TypeError(f"{type(loss).__name__} has no second_backward")
        rows = self._rng(Draws.CURVATURE, epoch).permutation(len(data.train))[:count]
        workspace = network.workspace(training=False, fused=False)
        total = np.zeros_like(network.params)
        for batch in slices(len(rows), BATCH):
            with memory_for(f"for the second derivatives of {BATCH} images at a time", SMALLER):
                images = data.pipeline.images(data.train.images[rows[batch]], network.dtype)
                targets = data.pipeline.labels(data.train.labels[rows[batch]])
                _, saved = loss.forward(network.forward(images, workspace), targets)
                total += network.second_backward(loss.second_backward(saved), workspace)
        return total / max(len(rows), 1)

    def _rng(self, purpose: int, index: int) -> np.random.Generator:
        return generator(self.settings.seed, purpose, index)

    def _rate(self, step: int) -> float:
        losses = tuple(self.progress.validation_losses[: step // self.steps_per_epoch])
        moment = Moment(step, self.steps_per_epoch, self.settings.epochs, losses)
        return float(self.settings.schedule.rate(self.settings.optimizer.lr, moment))

    def _diverged(
        self, what: str, images: Array, targets: NDArray[Any], step: int
    ) -> DivergedError:
        begun, key = self.progress.step > 0, (self.settings.seed, Draws.LAYERS, step)
        where = locate(self.network, images, targets, key, begun=begun)
        epoch = step // self.steps_per_epoch + 1
        lr, schedule = self.settings.optimizer.lr, self.settings.schedule
        when = f"step {step + 1} (epoch {epoch}, lr {self._rate(step):.3g})"
        return DivergedError(
            f"{when}: {what}; training stopped.\n  It began in {where}. "
            + (remedy(where, lr, schedule) if begun else remedy_at_start(where, self.network))
        )
