"""Losses, optimizers, schedules and initializers with one mistake each.

The `WRONG_…` tables name the check that is meant to catch each.
"""

# ruff: noqa: N818 - these are losses, whose name ends in Error; no exceptions

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.initializers import HeNormal, Normal
from lenetkit.losses import MeanSquaredError, SoftmaxCrossEntropy, Targets
from lenetkit.optimizers import SGD, Adam
from lenetkit.schedules import Cosine, Moment, Step

State = Mapping[str, Array]


class SumInsteadOfMean(MeanSquaredError):
    def backward(self, saved: Any) -> Array:
        return super().backward(saved) * len(saved)


class MeanLoss(MeanSquaredError):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, saved = super().forward(outputs, targets)
        return losses.mean(), saved


class PlainSoftmax(SoftmaxCrossEntropy):
    def probabilities(self, outputs: Array) -> Array:
        with np.errstate(all="ignore"):
            result: Array = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
        return result


class RawProbabilities(MeanSquaredError):
    def probabilities(self, outputs: Array) -> Array:
        return outputs


class SmallestIsTheAnswer(SoftmaxCrossEntropy):
    def probabilities(self, outputs: Array) -> Array:
        return super().probabilities(-outputs)


class UncheckedTargets(MeanSquaredError):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        if targets.ndim == 1:
            targets = np.clip(targets, 0, outputs.shape[1] - 1)
        return super().forward(outputs, targets)


class PromotingLoss(MeanSquaredError):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, saved = super().forward(outputs, targets)
        return losses * np.float64(1), saved


class KeepsItsOutputs(MeanSquaredError):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, saved = super().forward(outputs, targets)
        object.__setattr__(self, "_saved", saved)
        return losses, None

    def backward(self, saved: Any) -> Array:
        return super().backward(vars(self)["_saved"])


WRONG_LOSSES = {
    SumInsteadOfMean(): "gradient_is_right_for_labels",
    MeanLoss(): "one_loss_per_sample",
    PlainSoftmax(): "probabilities_are_probabilities",
    RawProbabilities(): "probabilities_are_probabilities",
    SmallestIsTheAnswer(): "probabilities_keep_the_largest",
    UncheckedTargets(): "wrong_targets_raise_value_error",
    PromotingLoss(): "dtype_is_kept",
    KeepsItsOutputs(): "interleaved_passes_do_not_mix",
}


class Uphill(SGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        super().step(params, -grads, state, lr, t)


class OwnRate(SGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        super().step(params, grads, state, self.lr if lr else 0.0, t)


class DecayWithoutRate(SGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        super().step(params, grads, state, lr, t)
        params *= 0.999


class NewArray(SGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params = params - lr * grads


class OwnCounter(Adam):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        count = vars(self).get("_count", 0) + 1
        object.__setattr__(self, "_count", count)
        super().step(params, grads, state, lr, count)


class UnitGradient(SGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        with np.errstate(all="ignore"):
            super().step(params, grads / np.linalg.norm(grads), state, lr, t)


class IdleSlot(SGD):
    def active_slots(self) -> tuple[str, ...]:
        return ("velocity",)


class UndeclaredSlot(Adam):
    def active_slots(self) -> tuple[str, ...]:
        return ("mean", "square", "largest")


WRONG_OPTIMIZERS = {
    Uphill(): "steps_go_downhill",
    OwnRate(): "the_given_rate_is_used",
    DecayWithoutRate(): "zero_lr_moves_nothing",
    NewArray(): "parameters_move_in_place",
    OwnCounter(): "a_resumed_run_is_the_same",
    UnitGradient(): "zero_gradient_is_accepted",
    IdleSlot(): "active_slots_are_used",
    UndeclaredSlot(): "slots_are_named",
}


class NumpyRate(Cosine):
    def rate(self, lr: float, at: Moment) -> float:
        return np.float64(super().rate(lr, at))


class DividesByStepsLeft(Cosine):
    def rate(self, lr: float, at: Moment) -> float:
        return lr * (1 - at.step / (at.total_steps - 1))


class Negative(Cosine):
    def rate(self, lr: float, at: Moment) -> float:
        return lr * (1 - 2 * at.step / at.total_steps)


class CountsCalls(Step):
    def rate(self, lr: float, at: Moment) -> float:
        count = vars(self).get("_count", 0) + 1
        object.__setattr__(self, "_count", count)
        return lr / count


WRONG_SCHEDULES = {
    NumpyRate(): "rates_are_python_floats",
    DividesByStepsLeft(): "one_step_has_a_rate",
    Negative(): "rates_are_finite_and_not_negative",
    CountsCalls(step_size=1): "order_of_calls_does_not_matter",
}


class Transposed(Normal):
    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> Array:
        return super().sample(rng, shape[::-1], fan_in, fan_out)


class WholeNumbers(Normal):
    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> Array:
        return rng.integers(-1, 2, shape)  # type: ignore[return-value]


class FixedSeed(Normal):
    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> Array:
        return super().sample(np.random.default_rng(0), shape, fan_in, fan_out)


class Unseeded(Normal):
    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> Array:
        return super().sample(np.random.default_rng(), shape, fan_in, fan_out)


class FansFromShape(HeNormal):
    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> Array:
        return super().sample(rng, shape, shape[-1] if shape else 1, fan_out)


class Broadcast(Normal):
    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> Array:
        return np.broadcast_to(rng.normal(), shape)


WRONG_INITIALIZERS = {
    Transposed(): "sample_has_the_given_shape",
    WholeNumbers(): "sample_is_floating_point",
    FixedSeed(): "generator_is_used",
    Unseeded(): "same_seed_gives_the_same_bits",
    FansFromShape(): "spread_comes_from_the_fans",
    Broadcast(): "samples_own_their_memory",
}
