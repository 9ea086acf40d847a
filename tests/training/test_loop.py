"""Training as a generator of events, on a small network and random images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import lenetkit
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.base import SecondOrderLayer
from lenetkit.losses import MeanSquaredError, SecondOrderLoss
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan
from lenetkit.operations import blas
from lenetkit.optimizers import SGD, Adam, Optimizer, SecondOrderOptimizer
from lenetkit.schedules import Constant
from lenetkit.training import loop
from lenetkit.training.data import TrainingData, load_training_data
from lenetkit.training.divergence import DivergedError
from lenetkit.training.loop import EpochBegun, EpochDone, StepDone
from tests.support.specs import small_plan


@pytest.fixture
def network() -> Network:
    transforms = "[{type: random_affine, degrees: 10}, scale]"
    return Network(small_plan("layers.pool1=null", f"data.transforms={transforms}"))


@pytest.fixture
def data(network: Network, make_idx: Callable[..., Path]) -> TrainingData:
    return load_training_data(network.plan, make_idx())


def test_events_come_in_order(network: Network, data: TrainingData) -> None:
    events = list(lenetkit.train(network, data))
    kinds = [type(event).__name__ for event in events]
    assert kinds == [*["StepDone"] * 3, "EpochDone"] * 2
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [event.step for event in steps] == [1, 2, 3, 4, 5, 6]
    assert [event.samples for event in steps] == [5, 5, 2] * 2  # the last batch is smaller
    assert [event.epoch for event in steps] == [1, 1, 1, 2, 2, 2]


def test_each_epoch_sees_every_sample_once_in_a_new_order(
    network: Network, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    forward = type(network.plan.spec.loss).forward

    def spy(self: Any, outputs: Any, targets: Any) -> Any:
        seen.append(np.array(targets))
        return forward(self, outputs, targets)

    marked = replace(data.train, labels=np.arange(12) % 3)
    monkeypatch.setattr(type(network.plan.spec.loss), "forward", spy)
    stream = lenetkit.train(network, replace(data, train=marked))
    epochs = []
    for event in stream:
        if isinstance(event, StepDone) and event.step % 3 == 0:
            epochs.append(np.concatenate(seen[-3:]))
    assert all(sorted(epoch) == sorted(marked.labels) for epoch in epochs)
    assert list(epochs[0]) != list(epochs[1])


@pytest.mark.parametrize("stop", range(6))
def test_continuing_after_any_step_gives_the_same_bits(
    network: Network, data: TrainingData, stop: int
) -> None:
    settings = network.plan.spec.train
    whole, parts = Network(network.plan), Network(network.plan)
    list(loop.train(whole, data, settings, loop.start(whole, settings)))
    progress = loop.start(parts, settings)
    for event in loop.train(parts, data, settings, progress):
        if isinstance(event, StepDone) and event.step > stop:
            break
    list(loop.train(parts, data, settings, progress))
    assert parts.params.tobytes() == whole.params.tobytes()


def test_leaving_the_optimizers_state_out_would_show(network: Network, data: TrainingData) -> None:
    settings = network.plan.spec.train
    whole, parts = Network(network.plan), Network(network.plan)
    list(loop.train(whole, data, settings, loop.start(whole, settings)))
    progress = loop.start(parts, settings)
    for _ in zip(range(3), loop.train(parts, data, settings, progress), strict=False):
        pass
    forgotten = replace(progress, slots=loop.start(parts, settings).slots)
    list(loop.train(parts, data, settings, forgotten))
    assert parts.params.tobytes() != whole.params.tobytes()


def test_train_accuracy_is_measured_with_the_epochs_last_weights(
    network: Network, data: TrainingData
) -> None:
    *_, last = lenetkit.train(network, data)
    assert isinstance(last, EpochDone)
    again = lenetkit.evaluate(network, data.train, data.pipeline)
    assert last.train.accuracy == again.accuracy
    assert last.train.loss == again.loss


@dataclass(frozen=True, kw_only=True)
class CurvedError(MeanSquaredError, SecondOrderLoss):
    """Mean squared error with its second derivative, 2 / K."""

    def second_backward(self, saved: Any) -> NDArray[Any]:
        return np.full_like(saved, 2 / saved.shape[1])


@dataclass(frozen=True, kw_only=True)
class ByCurvature(SecondOrderOptimizer):
    """Steps divided by the curvature measured at the start of the epoch."""

    slots: ClassVar[tuple[str, ...]] = ("curvature",)

    def begin_epoch(
        self,
        state: Mapping[str, NDArray[Any]],
        curvature: Callable[[int], NDArray[Any]],
    ) -> dict[str, float]:
        state["curvature"][...] = curvature(7)
        return {"largest curvature": float(state["curvature"].max())}

    def step(
        self,
        params: NDArray[Any],
        grads: NDArray[Any],
        state: Mapping[str, NDArray[Any]],
        lr: float,
        t: int,
    ) -> None:
        params -= lr * grads / (1 + state["curvature"])


def second_order(network: Network) -> Network:
    """The layers that have second derivatives, under a loss that has one."""
    plan = network.plan
    kept = [i for i, p in enumerate(plan.layers) if isinstance(p.layer, SecondOrderLayer)]
    spec = replace(plan.spec, layers=tuple(plan.spec.layers[i] for i in kept), loss=CurvedError())
    return Network(Plan(spec, tuple(plan.layers[i] for i in kept)))


def test_an_optimizer_may_measure_curvature_before_each_epoch(
    network: Network, data: TrainingData
) -> None:
    network = second_order(network)
    events = list(lenetkit.train(network, data, optimizer=ByCurvature(lr=0.1)))
    begun = [event for event in events if isinstance(event, EpochBegun)]
    assert [event.epoch for event in begun] == [1, 2]
    assert all(event.notes["largest curvature"] > 0 for event in begun)
    assert [type(event) for event in events[:2]] == [EpochBegun, StepDone]


@dataclass(frozen=True, kw_only=True)
class Overwriting(Optimizer):
    """Uses the gradients that it is given as scratch."""

    def step(
        self,
        params: NDArray[Any],
        grads: NDArray[Any],
        state: Mapping[str, NDArray[Any]],
        lr: float,
        t: int,
    ) -> None:
        grads *= lr
        params -= grads
        grads[:] = np.nan


@pytest.mark.parametrize(
    "optimizer",
    [
        Overwriting(lr=0.1),
        Adam(lr=0.1, weight_decay=0.1),
        SGD(lr=0.1, weight_decay=0.1),
        SGD(lr=0.1, momentum=0.9, nesterov=True),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_gradients_after_a_step_are_those_of_the_step(
    network: Network, data: TrainingData, optimizer: Optimizer
) -> None:
    untouched = Network(network.plan)
    for _ in zip(range(1), lenetkit.train(untouched, data, optimizer=SGD(lr=0.0)), strict=False):
        pass
    assert isinstance(next(iter(lenetkit.train(network, data, optimizer=optimizer))), StepDone)
    assert network.params.tobytes() != untouched.params.tobytes()
    assert any(gradient.any() for gradient in network.gradients().values())
    for name, gradient in untouched.gradients().items():
        np.testing.assert_array_equal(network.gradients()[name], gradient, err_msg=name)


@dataclass(frozen=True, kw_only=True)
class Counting(SGD):
    """Notes how many threads each step uses."""

    seen: ClassVar[list[int]] = []

    def step(self, *arguments: Any) -> None:
        self.seen.append(blas.threads())
        super().step(*arguments)


def test_training_limits_the_threads_of_its_steps_alone(
    network: Network, data: TrainingData
) -> None:
    Counting.seen.clear()
    with blas.limited(2):
        many = blas.threads()
        events = lenetkit.train(network, data, optimizer=Counting(lr=0.1))
        for _ in events:
            assert blas.threads() == many  # the user's own products keep their threads
        abandoned = lenetkit.train(network, data, optimizer=Counting(lr=0.1))
        next(abandoned)
        assert blas.threads() == many
        del abandoned
        assert blas.threads() == many
    assert set(Counting.seen) == {1}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor")
def test_a_block_of_limited_decides(network: Network, data: TrainingData) -> None:
    Counting.seen.clear()
    plain = replace(network.plan.spec, kernels=Plain())
    network = Network(Plan(plain, network.plan.layers))
    with network.limited(2):
        list(lenetkit.train(network, data, optimizer=Counting(lr=0.1)))
    assert set(Counting.seen) == {2}


class Plain(NumpyKernels):
    """Leaves the threads to BLAS."""

    def limited(self, threads: int) -> Any:
        return blas.limited(threads)


def test_overflow_in_a_step_warns_nobody(network: Network, data: TrainingData) -> None:
    network.params *= 1e38
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DivergedError):
            list(lenetkit.train(network, data))


@given(
    gradient=arrays(
        np.float32, st.integers(1, 40), elements=st.floats(-(2.0**100), 2.0**100, width=32)
    ),
    longest=st.floats(1e-3, 1e3),
)
def test_clip_shortens_what_is_too_long_and_keeps_its_direction(
    gradient: NDArray[Any], longest: float
) -> None:
    clipped = gradient.copy()
    loop.clip(clipped, longest)
    norm = np.linalg.norm(gradient.astype(np.float64))
    scale = min(1.0, longest / (norm + 1e-6))
    np.testing.assert_allclose(clipped, gradient * scale, rtol=1e-5, atol=1e-40)
    if norm + 1e-6 <= longest:
        np.testing.assert_array_equal(clipped, gradient)


def test_the_optimizer_gets_the_clipped_gradient_and_the_network_keeps_its_own(
    data: TrainingData,
) -> None:
    network = Network(small_plan("layers.drop1=null"))
    before = network.params.copy()
    settings = replace(
        network.plan.spec.train, clip_norm=0.01, optimizer=SGD(lr=1.0), schedule=Constant()
    )
    next(loop.train(network, data, settings, loop.start(network, settings)))
    assert np.linalg.norm(network.grads) > 0.1
    expected = network.grads * (0.01 / (np.linalg.norm(network.grads) + 1e-6))
    np.testing.assert_allclose(before - network.params, expected, atol=1e-6)


def test_sparing_evaluates_the_training_samples_after_the_last_epoch_only(
    network: Network, data: TrainingData
) -> None:
    how = network.plan.spec.train
    events = loop.train(network, data, how, loop.start(network, how), sparing=True)
    first, last = (event for event in events if isinstance(event, EpochDone))
    assert (first.train.n, last.train.n) == (0, len(data.train))
    assert "train_loss" not in first.figures()
    weights = network.params.copy()
    network.initialize(0)
    assert list(lenetkit.train(network, data))
    np.testing.assert_array_equal(weights, network.params)


def test_a_training_that_goes_on_on_fewer_samples_keeps_its_optimizer(
    network: Network, data: TrainingData
) -> None:
    how = replace(network.plan.spec.train, optimizer=Adam(lr=0.1), epochs=1)
    progress = loop.start(network, how)
    assert list(loop.train(network, data, how, progress))
    few = replace(data, train=data.train.take(slice(4)))
    then = progress.goes_on(4, how)
    assert (then.epoch, then.step, then.step + then.ahead) == (1, 1, 3)
    assert then.slots is progress.slots
    assert list(loop.train(network, few, replace(how, epochs=2), then))
    again = then.goes_on(12, how)
    assert (again.epoch, again.step, again.step + again.ahead) == (2, 6, 4)
