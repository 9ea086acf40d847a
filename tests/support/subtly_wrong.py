"""Losses, optimizers, schedules and initializers that are wrong in a corner only.

`SUBTLY_WRONG` names the check that is meant to catch each.
"""

# ruff: noqa: N818 - these are losses, whose name ends in Error; no exceptions

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.initializers import HeNormal, Initializer, Normal
from lenetkit.losses import MeanSquaredError, SecondOrderLoss, SoftmaxCrossEntropy, Targets, as_rows
from lenetkit.optimizers import SGD, Adam, Optimizer, SecondOrderOptimizer
from lenetkit.options import Configurable, option
from lenetkit.schedules import Moment, Schedule
from tests.support.right_others import BinaryCrossEntropy, Hinge, LabelSmoothing

State = Mapping[str, Array]
configured = dataclass(frozen=True, kw_only=True)
_LAST: dict[Any, Any] = {}
_FIRST: dict[str, float] = {}


class ZeroFromTheNinth(SoftmaxCrossEntropy):
    def backward(self, saved: Any) -> Array:
        gradient = super().backward(saved)
        gradient[8:] = 0
        return gradient


class DoubledForPairs(SoftmaxCrossEntropy):
    def backward(self, saved: Any) -> Array:
        gradient = super().backward(saved)
        return 2 * gradient if len(gradient) == 2 else gradient


class ForgetsItsBatch(SoftmaxCrossEntropy):
    def backward(self, saved: Any) -> Array:
        return super().backward(saved) * len(saved[1]) / min(len(saved[1]), 256)


class ForFourClasses(MeanSquaredError):
    def backward(self, saved: Any) -> Array:
        result: Array = saved / (2 * max(len(saved), 1))
        return result


class DividesByTheOthers(SoftmaxCrossEntropy):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, saved = super().forward(outputs, targets)
        return losses / outputs.dtype.type(outputs.shape[1] - 1), saved

    def backward(self, saved: Any) -> Array:
        return super().backward(saved) / (saved[0].shape[1] - 1)


class LastOfEight(SoftmaxCrossEntropy):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        if targets.ndim == 1 and outputs.shape[1] > 8:
            targets = np.where(targets < outputs.shape[1], np.minimum(targets, 7), targets)
        return super().forward(outputs, targets)


class OnlyTheRightOne(SoftmaxCrossEntropy):
    def backward(self, saved: Any) -> Array:
        probabilities, rows, weights = saved
        largest = rows == rows.max(axis=1, keepdims=True, initial=0)
        return super().backward((probabilities, rows * largest, weights))


class ClippedLogits(SoftmaxCrossEntropy):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        return super().forward(np.clip(outputs, -10, 10), targets)


class LogarithmWithEps(SoftmaxCrossEntropy):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        saved = super().forward(outputs, targets)[1]
        return -(saved[1] * np.log(saved[0] + outputs.dtype.type(1e-12))).sum(axis=1), saved


class CurvatureOfTheMean(BinaryCrossEntropy):
    def second_backward(self, saved: Any) -> Array:
        return super().second_backward(saved) / max(len(saved[0]), 1)


class CurvatureWithoutTheRest(SoftmaxCrossEntropy, SecondOrderLoss):
    def second_backward(self, saved: Any) -> Array:
        probabilities: Array = saved[0] * saved[2][:, None]
        return probabilities


class CurvatureInDoubles(BinaryCrossEntropy):
    def second_backward(self, saved: Any) -> Array:
        return super().second_backward(saved) * np.float64(1)


class ProbabilitiesOfTheBatch(SoftmaxCrossEntropy):
    def probabilities(self, outputs: Array) -> Array:
        return super().probabilities(outputs - outputs.sum(axis=0) / (100 * max(len(outputs), 1)))


class HidesNaN(Hinge):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        signs = 2 * as_rows(targets, outputs) - 1
        loss = self.margin - signs * outputs
        return np.where(loss > 0, loss, 0).mean(axis=1), (signs, loss > 0)


class HidesNaNInASum(MeanSquaredError):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        difference = outputs - as_rows(targets, outputs)
        return np.nansum(difference**2, axis=1) / outputs.dtype.type(outputs.shape[1]), difference


class ReadOnlyGradient(SoftmaxCrossEntropy):
    def backward(self, saved: Any) -> Array:
        gradient = super().backward(saved)
        gradient.setflags(write=False)
        return gradient


class MaskedGradient(SoftmaxCrossEntropy):
    def backward(self, saved: Any) -> Array:
        return np.ma.masked_invalid(super().backward(saved))


class GradientInTheOutputs(MeanSquaredError):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, difference = super().forward(outputs, targets)
        return losses, (difference, outputs)

    def backward(self, saved: Any) -> Array:
        difference, outputs = saved
        outputs[...] = super().backward(difference)
        result: Array = outputs
        return result


@functools.cache
def buffer(shape: tuple[int, ...], dtype: Any) -> Array:
    """Memory for a gradient, made once."""
    return np.empty(shape, dtype)


class OneBuffer(SoftmaxCrossEntropy):
    def backward(self, saved: Any) -> Array:
        gradient = super().backward(saved)
        kept = buffer(gradient.shape, gradient.dtype)
        kept[...] = gradient
        return kept


@configured
class SmoothsForwardOnly(LabelSmoothing):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, (p, _) = super().forward(outputs, targets)
        return losses, (p, as_rows(targets, outputs))


@configured
class ForgottenTemperature(SoftmaxCrossEntropy):
    temperature: float = option(1.0, above=0, doc="Divides the outputs.")


class RunningScale(MeanSquaredError):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, saved = super().forward(outputs, targets)
        _LAST["scale"] = 0.9 * _LAST.get("scale", 1) + 0.1 * float(losses.max(initial=1))
        scale = losses.dtype.type(1 / _LAST["scale"])
        return losses * scale, (saved, scale)

    def backward(self, saved: Any) -> Array:
        return super().backward(saved[0]) * saved[1]


class FirstBatchScales(MeanSquaredError):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, saved = super().forward(outputs, targets)
        scale = losses.dtype.type(_FIRST.setdefault("loss", 1 / (1 + abs(float(losses.sum())))))
        return losses * scale, (saved, scale)

    def backward(self, saved: Any) -> Array:
        return super().backward(saved[0]) * saved[1]


class HalfPrecision(SoftmaxCrossEntropy):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, saved = super().forward(outputs, targets)
        single = outputs.dtype == np.float32
        return losses.astype(np.float16).astype(np.float32) if single else losses, saved


@configured
class PlainSGD(Optimizer):
    lr: float = option(0.01, minimum=0, doc="Learning rate.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= lr * grads


class MomentumInTheModule(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        _LAST["v"] = grads.copy() if t == 1 else 0.9 * _LAST["v"] + grads
        params -= lr * _LAST["v"]


class MomentumById(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        velocity = 0.9 * _LAST.get(id(params), 0) if t > 1 else 0
        _LAST[id(params)] = velocity + grads
        params -= lr * _LAST[id(params)]


class MomentumInACache(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        velocity = buffer((*params.shape, 1), params.dtype)[:, 0]
        velocity *= 0.9 if t > 1 else 0
        velocity += grads
        params -= lr * velocity


class MomentumInADefault(PlainSGD):
    def step(
        self,
        params: Array,
        grads: Array,
        state: State,
        lr: float,
        t: int,
        kept: list[Array] = [],  # noqa: B006
    ) -> None:
        if t == 1:
            kept.clear()
        kept.append(grads.copy())
        params -= lr * sum(kept[-3:], np.zeros_like(grads))


class ScaleOfTheFirst(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= lr * grads / _FIRST.setdefault("gradient", 1 + abs(float(grads.sum())))


class InFours(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        whole = max(len(params) // 4 * 4, min(len(params), 33))
        params[:whole] -= lr * grads[:whole]


class OneBlock(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params[:4096] -= lr * grads[:4096]
        params[4096:] -= lr / 2 * grads[4096:]


class EverySecondHalf(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        grads[1::2] /= 2
        params -= lr * grads


class ManyAreSlow(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= (lr if len(params) <= 1000 else lr / 2) * grads


class EndsEarly(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        if t < 5000:
            params -= lr * grads


@configured
class DecayOutsideTheRate(Adam):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params *= 1 - 1e-3 * self.weight_decay
        super().step(params, grads, state, lr, t)


class DecayUnlessZero(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params *= 0.999 if lr else 1
        params -= lr * grads


class FirstRate(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        if t == 1:
            _LAST["rate"] = lr
        params -= _LAST["rate"] * grads


class FromTheTenthStep(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        sums = grads + _LAST["sums"] if t > 1 else grads.copy()
        _LAST["sums"] = sums
        params -= lr * (grads if t < 10 else sums / t)


class LimitedRate(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= min(lr, 5e-3) * grads


class DecayWithoutGradient(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= lr * grads
        params *= np.where(grads == 0, 0.99, 1)


class RoundedRate(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= round(lr, 3) * grads


class SquaredRate(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= 10 * lr**2 * grads


@configured
class DecayOfTheSize(PlainSGD):
    decay: float = option(0.0, minimum=0, doc="Weight decay, times lr.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= lr * (grads + self.decay * np.abs(params))


class OnlyPositive(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= lr * np.where(grads > 0, grads, 0.5 * grads)


class SignsByComparison(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= lr * ((grads > 0).astype(params.dtype) - (grads < 0))


@configured
class UphillWithNesterov(SGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        super().step(params, -grads if self.nesterov else grads, state, lr, t)


@configured
class OneBeta(Adam):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        Adam(betas=(self.betas[0], 0.999), eps=self.eps, weight_decay=self.weight_decay).step(
            params, grads, state, lr, t
        )


@configured
class WithoutAmsgrad(Adam):
    amsgrad: bool = option(False, doc="Keep the largest square.")


@configured
class OwnRates(Schedule):
    gamma: float = option(0.9, above=0, maximum=1, doc="Factor an epoch.")

    def rate(self, lr: float, at: Moment) -> float:
        return 0.01 * float(self.gamma**at.epoch)


@configured
class Capped(Schedule):
    power: float = option(0.5, minimum=0, doc="Exponent.")

    def rate(self, lr: float, at: Moment) -> float:
        return min(0.05, float(lr * (1 + at.step) ** -self.power))


@configured
class BelowZero(Schedule):
    slope: float = option(1.0, minimum=0, doc="Share of lr lost in a run.")

    def rate(self, lr: float, at: Moment) -> float:
        return lr * (1 - self.slope * at.step / max(at.total_steps, 1))


class RemembersTheStart(Schedule):
    def rate(self, lr: float, at: Moment) -> float:
        if at.step == 0:
            _LAST["lr"] = lr
        return float(_LAST.get("lr", lr)) * 0.9**at.step


class FirstRateOfAll(Schedule):
    def rate(self, lr: float, at: Moment) -> float:
        return lr / (1 + at.step + _FIRST.setdefault("step", at.step))


@configured
class UnusedFloor(Schedule):
    min_lr: float = option(0.0, minimum=0, doc="Smallest rate.")

    def rate(self, lr: float, at: Moment) -> float:
        return lr / (1 + at.epoch)


class SeedAlone(Normal):
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        rng.spawn(1)
        seed: Any = rng.bit_generator.seed_seq
        own = np.random.default_rng([seed.entropy[0], seed.n_children_spawned])
        return own.normal(self.mean, self.std, shape)


class OneRow(Normal):
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        row = super().sample(rng, shape[-1:], fan_in, fan_out)
        return np.broadcast_to(row, shape).copy()


class InPairs(Normal):
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        values = np.zeros(int(np.prod(shape)))
        half = len(values) // 2
        values[:half] = super().sample(rng, (half,), fan_in, fan_out)
        values[half : 2 * half] = 2 * self.mean - values[:half]
        return values.reshape(shape)


class SmallFans(HeNormal):
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        area = np.multiply(np.int32(fan_in), np.int32(fan_out))
        with np.errstate(all="ignore"):
            return rng.normal(0, 1, shape) * np.sqrt(2 / area)


@configured
class IgnoredGain(HeNormal):
    gain: float = option(1.0, above=0, doc="Factor on the standard deviation.")


class NextSampleInTheSamePlace(Normal):
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        kept = buffer(shape, np.float64)
        kept[...] = super().sample(rng, shape, fan_in, fan_out)
        return kept


class SeedsEverything(Initializer):
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        np.random.seed(int(rng.integers(2**31)))  # noqa: NPY002
        return np.random.standard_normal(shape)  # noqa: NPY002


class Resized(Normal):
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        drawn = super().sample(rng, (min(int(np.prod(shape)), 4096),), fan_in, fan_out)
        return np.resize(drawn, shape)


class ZeroTail(Normal):
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        values = super().sample(rng, shape, fan_in, fan_out)
        values.reshape(-1)[10_000:] = 0
        return values


class ReceptiveFieldTwice(HeNormal):
    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        area = int(np.prod(shape[2:])) if len(shape) == 4 else 1
        return super().sample(rng, shape, fan_in * area, fan_out)


class PastTheFirst32768(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params[:32768] -= lr * grads[:32768]


class ClearsEarlierGradients(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        if (earlier := _LAST.get("grads")) is not None:
            earlier *= 0
        params -= lr * grads
        _LAST["grads"] = grads


class StuckAtZero(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= lr * np.abs(params) * grads


class DividesByTheSize(PlainSGD):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        with np.errstate(all="ignore"):
            params -= lr * grads / np.abs(params)


@configured
class Measures(SecondOrderOptimizer):
    """Right as it stands."""

    slots: ClassVar[tuple[str, ...]] = ("curvature",)
    lr: float = option(0.01, minimum=0, doc="Learning rate.")

    def begin_epoch(self, state: State, curvature: Callable[[int], Array]) -> dict[str, float]:
        state["curvature"][...] = curvature(10)
        return {"total": float(state["curvature"].sum())}

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= lr * grads / (state["curvature"] + 0.1)


class FiguresOfNumpy(Measures):
    def begin_epoch(self, state: State, curvature: Callable[[int], Array]) -> dict[str, float]:
        return {
            name: np.float64(value) for name, value in super().begin_epoch(state, curvature).items()
        }


class NoFigures(Measures):
    def begin_epoch(self, state: State, curvature: Callable[[int], Array]) -> dict[str, float]:
        super().begin_epoch(state, curvature)
        return None  # type: ignore[return-value]


class Undamped(Measures):
    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        with np.errstate(all="ignore"):
            params -= lr * grads / state["curvature"]


class LimitsTargets(MeanSquaredError):
    takes_real_targets = True

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        return super().forward(outputs, np.clip(as_rows(targets, outputs), 0, 1))


class LimitsTargetsBackward(MeanSquaredError):
    takes_real_targets = True

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        losses, _ = super().forward(outputs, targets)
        return losses, outputs - np.clip(as_rows(targets, outputs), 0, 1)


class FirstClassesOnly(SoftmaxCrossEntropy):
    def backward(self, saved: Any) -> Array:
        gradient = super().backward(saved)
        gradient[:, 512:] = 0
        return gradient


class SevenClasses(SoftmaxCrossEntropy):
    def backward(self, saved: Any) -> Array:
        return super().backward(saved) / (2 if saved[1].shape[1] == 7 else 1)


class TwiceTheLabel(SoftmaxCrossEntropy):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        return super().forward(outputs, 2 * targets // 2 if targets.ndim == 1 else targets)


class RootWithoutEps(MeanSquaredError):
    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        difference = outputs - as_rows(targets, outputs)
        roots = np.sqrt((difference**2).sum(axis=1))
        return roots, (difference, roots)

    def backward(self, saved: Any) -> Array:
        difference, roots = saved
        with np.errstate(all="ignore"):
            return super().backward(difference / roots[:, None]) * difference.shape[1] / 2


class PowerOfTheStep(Schedule):
    def rate(self, lr: float, at: Moment) -> float:
        return lr / 1.5 ** (at.step / 2)


class ForFiveThousandSteps(Schedule):
    def rate(self, lr: float, at: Moment) -> float:
        return lr * (1 - at.step / 5000)


SUBTLY_WRONG: dict[Configurable, str] = {
    ZeroFromTheNinth(): "gradient_is_right_for_labels",
    DoubledForPairs(): "gradient_is_right_for_labels",
    ForgetsItsBatch(): "samples_do_not_depend_on_their_batch",
    ForFourClasses(): "gradient_is_right_for_labels",
    DividesByTheOthers(): "one_loss_per_sample",
    LastOfEight(): "labels_are_the_same_as_one_hot_rows",
    OnlyTheRightOne(): "gradient_is_right_for_soft_rows",
    ClippedLogits(): "gradient_is_right_for_large_outputs",
    LogarithmWithEps(): "gradient_is_right_for_large_outputs",
    CurvatureOfTheMean(): "second_derivatives_are_right",
    CurvatureWithoutTheRest(): "second_derivatives_are_right",
    CurvatureInDoubles(): "dtype_is_kept",
    ProbabilitiesOfTheBatch(): "samples_do_not_depend_on_their_batch",
    HidesNaN(): "nan_is_not_hidden",
    HidesNaNInASum(): "nan_is_not_hidden",
    ReadOnlyGradient(): "gradients_own_their_memory",
    MaskedGradient(): "gradients_own_their_memory",
    GradientInTheOutputs(): "inputs_are_not_written_to",
    OneBuffer(): "interleaved_passes_do_not_mix",
    SmoothsForwardOnly(): "gradient_is_right_for_labels",
    ForgottenTemperature(): "every_option_has_an_effect",
    RunningScale(): "passes_are_repeatable",
    HalfPrecision(): "dtype_is_kept",
    MomentumInTheModule(): "a_resumed_run_is_the_same",
    MomentumById(): "a_resumed_run_is_the_same",
    MomentumInACache(): "a_resumed_run_is_the_same",
    MomentumInADefault(): "a_resumed_run_is_the_same",
    ScaleOfTheFirst(): "a_new_process_gives_the_same",
    FirstBatchScales(): "a_new_process_gives_the_same",
    FirstRateOfAll(): "a_new_process_gives_the_same",
    InFours(): "every_parameter_moves",
    OneBlock(): "places_are_treated_alike",
    EverySecondHalf(): "places_are_treated_alike",
    ManyAreSlow(): "places_are_treated_alike",
    EndsEarly(): "every_parameter_moves",
    DecayOutsideTheRate(): "zero_lr_moves_nothing",
    DecayUnlessZero(): "zero_lr_moves_nothing",
    FirstRate(): "the_given_rate_is_used",
    FromTheTenthStep(): "a_resumed_run_is_the_same",
    LimitedRate(): "the_given_rate_is_used",
    SquaredRate(): "moves_are_in_proportion_to_the_rate",
    DecayOfTheSize(): "signs_are_treated_alike",
    OnlyPositive(): "signs_are_treated_alike",
    SignsByComparison(): "nan_is_not_hidden",
    UphillWithNesterov(): "first_steps_go_downhill",
    OneBeta(): "every_option_has_an_effect",
    WithoutAmsgrad(): "every_option_has_an_effect",
    OwnRates(): "the_given_rate_is_used",
    Capped(): "the_given_rate_is_used",
    BelowZero(): "rates_are_finite_and_not_negative",
    RemembersTheStart(): "a_resumed_run_is_the_same",
    UnusedFloor(): "every_option_has_an_effect",
    SeedAlone(): "generator_is_used",
    OneRow(): "units_start_apart",
    InPairs(): "every_value_is_drawn",
    DecayWithoutGradient(): "zero_lr_moves_nothing",
    RoundedRate(): "moves_are_in_proportion_to_the_rate",
    SmallFans(): "sample_is_finite",
    IgnoredGain(): "every_option_has_an_effect",
    NextSampleInTheSamePlace(): "samples_own_their_memory",
    SeedsEverything(): "global_randomness_is_left_alone",
    Resized(): "every_value_is_drawn",
    ZeroTail(): "every_value_is_drawn",
    ReceptiveFieldTwice(): "spread_comes_from_the_fans",
    PastTheFirst32768(): "every_parameter_moves",
    ClearsEarlierGradients(): "gradients_are_not_kept",
    StuckAtZero(): "every_parameter_moves",
    DividesByTheSize(): "every_parameter_moves",
    FiguresOfNumpy(): "begin_epoch_gives_figures",
    NoFigures(): "begin_epoch_gives_figures",
    Undamped(): "zero_curvature_is_accepted",
    LimitsTargets(): "real_targets_count",
    LimitsTargetsBackward(): "real_targets_count",
    SevenClasses(): "gradient_is_right_for_labels",
    TwiceTheLabel(): "labels_are_the_same_as_one_hot_rows",
    FirstClassesOnly(): "gradient_is_right_for_labels",
    RootWithoutEps(): "exact_outputs_stay_finite",
    PowerOfTheStep(): "long_runs_have_rates",
    ForFiveThousandSteps(): "long_runs_have_rates",
}
