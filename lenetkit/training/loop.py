"""Training as a generator of events. Whoever wants to show, log or save, consumes them.

Every random draw is determined by (seed, what it is for, step), so a run that goes on from a
checkpoint draws what it would have drawn without the break.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array, slices
from lenetkit.network.network import Network
from lenetkit.schedules import Moment
from lenetkit.spec.sections import TrainSpec
from lenetkit.training.data import TrainingData
from lenetkit.training.divergence import DivergedError, is_finite, locate, remedy
from lenetkit.training.evaluation import BATCH, Evaluation, evaluate

_SHUFFLE, _TRANSFORMS, _LAYERS, _CURVATURE = 1, 2, 3, 4  # what a random stream is for


@dataclass(frozen=True)
class EpochBegun:
    """The optimizer prepared an epoch and has figures to tell."""

    epoch: int
    notes: dict[str, float]


@dataclass(frozen=True)
class StepDone:
    """One batch was learned from. Steps count from 1, epochs too."""

    step: int
    epoch: int
    loss: float
    accuracy: float
    """On this batch, before the step."""
    lr: float
    samples: int


@dataclass(frozen=True)
class EpochDone:
    """One pass over the training set is over, and the network was evaluated."""

    epoch: int
    step: int
    lr: float
    train: Evaluation
    """On the whole training set, without augmentation, with the weights that the epoch ended on."""
    test: Evaluation
    validation: Evaluation | None
    seconds: float
    """Time spent training, evaluation left out."""


Event: TypeAlias = EpochBegun | StepDone | EpochDone


@dataclass
class Progress:
    """All of a run's state but the network's own: what a checkpoint must hold."""

    slots: dict[str, Array]
    """The optimizer's state vectors."""
    step: int = 0
    """Steps done."""
    epoch: int = 0
    """Epochs done and evaluated."""
    seconds: float = 0.0
    """Training time of the epoch under way."""


def start(network: Network, settings: TrainSpec) -> Progress:
    """The state of a run that has not begun."""
    names = settings.optimizer.active_slots()
    return Progress({name: np.zeros_like(network.params) for name in names})


def train(
    network: Network, data: TrainingData, settings: TrainSpec, progress: Progress
) -> Iterator[Event]:
    """Train `network` from where `progress` stands; both are updated in place.

    Between two events network and progress agree: a checkpoint may be taken, or the loop left. An
    EpochBegun comes together with its epoch's first StepDone, so not between these two.
    Raises DivergedError when the loss or its gradient stops being finite.
    """
    loss_function, pipeline = network.plan.spec.loss, data.pipeline
    steps_per_epoch = math.ceil(len(data.train) / settings.batch_size)
    training, evaluating = network.workspace(training=True), network.workspace(training=False)
    order, ordered_for = np.arange(len(data.train)), -1
    notes: dict[str, float] = {}
    while progress.epoch < settings.epochs:
        clock = time.perf_counter()
        moment = Moment(progress.step, steps_per_epoch, settings.epochs)
        if moment.epoch == progress.epoch:
            if settings.shuffle and ordered_for != moment.epoch:
                order = _rng(settings, _SHUFFLE, moment.epoch).permutation(len(order))
                ordered_for = moment.epoch
            if progress.step % steps_per_epoch == 0:
                measure = _curvature(network, data, settings, moment.epoch)
                notes = settings.optimizer.begin_epoch(progress.slots, measure)
            first = progress.step % steps_per_epoch * settings.batch_size
            rows = order[first : first + settings.batch_size]
            lr = settings.schedule.rate(settings.optimizer.lr, moment)
            draw = functools.partial(_rng, settings, _TRANSFORMS, progress.step)
            images = pipeline.images(data.train.images[rows], network.dtype, draw)
            labels = data.train.labels[rows]
            training.reseed(settings.seed, _LAYERS, progress.step)
            outputs = network.forward(images, training)
            targets = pipeline.labels(labels)
            losses, saved = loss_function.forward(outputs, targets)
            loss = float(losses.mean())
            if not math.isfinite(loss):
                raise _diverged(
                    f"the loss became {loss}", network, images, targets, settings, moment
                )
            answers = loss_function.probabilities(outputs).argmax(axis=1)
            network.backward(loss_function.backward(saved), training)
            if not is_finite(network.grads):
                became = "nan" if np.isnan(network.grads).any() else "infinite"
                raise _diverged(
                    f"the gradient became {became}", network, images, targets, settings, moment
                )
            progress.step += 1
            settings.optimizer.step(
                network.params, network.grads, progress.slots, lr, progress.step
            )
            progress.seconds += time.perf_counter() - clock
            if notes:  # only now: what begin_epoch did must not be done again after a break
                yield EpochBegun(moment.epoch + 1, notes)
                notes = {}
            yield StepDone(
                step=progress.step,
                epoch=moment.epoch + 1,
                loss=loss,
                accuracy=int(np.count_nonzero(answers == labels)) / len(rows),
                lr=lr,
                samples=len(rows),
            )
        else:
            done = EpochDone(
                epoch=progress.epoch + 1,
                step=progress.step,
                lr=settings.schedule.rate(
                    settings.optimizer.lr, replace(moment, step=moment.step - 1)
                ),
                train=evaluate(network, data.train, pipeline, evaluating),
                test=evaluate(network, data.test, pipeline, evaluating),
                validation=evaluate(network, data.validation, pipeline, evaluating)
                if data.validation
                else None,
                seconds=progress.seconds,
            )
            if not math.isfinite(done.train.loss):
                images = pipeline.images(data.train.images[:BATCH], network.dtype)
                targets = pipeline.labels(data.train.labels[:BATCH])
                what = f"after it, the training set's loss is {done.train.loss}"
                last = replace(moment, step=moment.step - 1)
                raise _diverged(what, network, images, targets, settings, last)
            progress.epoch += 1
            progress.seconds = 0.0
            yield done


def _curvature(
    network: Network, data: TrainingData, settings: TrainSpec, epoch: int
) -> Callable[[int], Array]:
    """What `Optimizer.begin_epoch` calls to measure second derivatives on some samples."""

    def measure(count: int) -> Array:
        rng = _rng(settings, _CURVATURE, epoch)
        rows = rng.permutation(len(data.train))[:count]
        workspace = network.workspace(training=False, fused=False)
        total = np.zeros_like(network.params)
        for batch in slices(len(rows), BATCH):
            picked = rows[batch]
            images = data.pipeline.images(data.train.images[picked], network.dtype)
            targets = data.pipeline.labels(data.train.labels[picked])
            outputs = network.forward(images, workspace)
            _, saved = network.plan.spec.loss.forward(outputs, targets)
            d2y = network.plan.spec.loss.second_backward(saved)
            total += network.second_backward(d2y, workspace)
        return total / max(len(rows), 1)

    return measure


def _rng(settings: TrainSpec, purpose: int, index: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, purpose, index])


def _diverged(
    what: str,
    network: Network,
    images: Array,
    targets: NDArray[Any],
    settings: TrainSpec,
    moment: Moment,
) -> DivergedError:
    where = locate(network, images, targets, (settings.seed, _LAYERS, moment.step))
    lr = settings.schedule.rate(settings.optimizer.lr, moment)
    when = f"step {moment.step + 1} (epoch {moment.epoch + 1}, lr {lr:.3g})"
    return DivergedError(
        f"{when}: {what}; training stopped.\n  It began in {where}. "
        + remedy(where, settings.optimizer.lr)
    )
