"""What is measured, how a step is divided and what is counted; never how long it took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from lenetkit.errors import InputError
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.base import Layer
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, load_plan
from lenetkit.profiling.profile import Profile, StageProfile, common_groups
from lenetkit.profiling.random_data import random_data
from lenetkit.profiling.sessions import (
    InferenceSession,
    Session,
    TrainingSession,
    Workload,
    alternate,
)
from tests.support.specs import small_plan


def session(kind: type[Session], plan: Plan, batch_size: int = 4) -> Session:
    return kind(Workload(plan, "numpy", random_data(plan, batch_size), batch_size, 1))


def profiled(kind: type[Session], plan: Plan, batch_size: int = 4) -> Profile:
    one = session(kind, plan, batch_size)
    one.run(3)
    return one.profile()


def test_a_step_is_divided_into_parts_that_leave_nothing_out() -> None:
    """All parts of the loop are noted, whatever the kernels fuse."""
    one = session(TrainingSession, small_plan())
    one.run(5)
    profile = one.profile()
    assert [stage.name for stage in profile.stages] == ["conv1+relu1+pool1", "drop1", "fc1"]
    assert [len(row) for row in one.rows] == [1 + 3 + 1 + 3 + 1] * 5
    assert all(seconds > 0 for row in one.rows for seconds in row)
    shares = [stage.seconds / profile.parts_seconds for stage in profile.stages]
    assert profile.loss_seconds is not None
    assert profile.update_seconds is not None
    rest = profile.batch_seconds + profile.loss_seconds + profile.update_seconds
    assert sum(shares) + rest / profile.parts_seconds == pytest.approx(1)


def test_each_time_belongs_to_its_own_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pass advances the clock by its own amount, so that medians identify the part."""
    now = [0.0]
    monkeypatch.setattr("lenetkit.profiling.clock.time.perf_counter", lambda: now[0])
    seconds = {"conv1": 1.0, "relu1": 2.0, "pool1": 4.0, "drop1": 8.0, "fc1": 16.0}
    plan = small_plan()
    slowed = tuple(
        replace(p, layer=Slow(layer=p.layer, seconds=seconds[p.name], now=Now(now)))
        for p in plan.layers
    )
    slow = replace(plan, layers=slowed)
    profile = profiled(TrainingSession, slow)
    assert {stage.name: stage.forward_seconds for stage in profile.stages} == seconds
    assert {stage.name: stage.backward_seconds for stage in profile.stages} == {
        name: 100 * each for name, each in seconds.items()
    }
    assert profile.step_seconds == sum(seconds.values()) * 101
    assert profile.batch_seconds == profile.loss_seconds == profile.update_seconds == 0
    inferred = profiled(InferenceSession, slow)
    assert {stage.name: stage.forward_seconds for stage in inferred.stages} == seconds
    assert {stage.backward_seconds for stage in inferred.stages} == {None}


class Now(list[list[float]]):
    """A clock that a layer can advance."""

    def __init__(self, hand: list[float]) -> None:
        super().__init__([hand])

    def pass_by(self, seconds: float) -> None:
        self[0][0] += seconds


@dataclass(frozen=True, kw_only=True)
class Slow(Layer):
    """Advances the clock by `seconds` forward, and a hundred times that backward."""

    layer: Layer
    seconds: float
    now: Now

    def output_shape(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.layer.output_shape(in_shape)

    def forward(self, params: Any, x: Any, call: Any) -> tuple[Any, Any]:
        self.now.pass_by(self.seconds)
        return self.layer.forward(params, x, call)

    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        self.now.pass_by(100 * self.seconds)
        return self.layer.backward(params, saved, dy, grads, call)


def test_flops_are_two_per_multiply_add_and_the_first_layer_needs_no_input_gradient() -> None:
    plan = load_plan("lenet5")
    profile = profiled(TrainingSession, plan, 3)
    macs = {layer.name: layer.cost.macs for layer in plan.layers}
    flops = {stage.name: (stage.forward_flops, stage.backward_flops) for stage in profile.stages}
    conv1, conv2 = 6 * macs["conv1"], 6 * macs["conv2"]
    assert flops["conv1+relu1+pool1"] == (conv1, conv1)
    assert flops["conv2+relu2+pool2"] == (conv2, 2 * conv2)
    assert flops["fc3"] == (6 * 840, 2 * 6 * 840)
    assert flops["relu3"] == (0, 0)
    assert sum(forward for forward, _ in flops.values()) == 6 * plan.cost.macs


def test_the_real_loop_runs_on_and_learns_nothing() -> None:
    """The learning rate is 0, and an epoch that ends starts again: nothing is evaluated."""
    one = session(TrainingSession, small_plan(), 4)
    assert isinstance(one, TrainingSession)
    one.work.data.train.images.flags.writeable = False
    before = one.network.params.copy()
    one.trainer.progress.step = len(one.work.data.train) // 4 - 2
    one.run(4)
    assert one.trainer.progress.step == 2
    assert one.trainer.progress.epoch == 0
    assert one.trainer.progress.slots.keys() == set(
        one.work.plan.spec.train.optimizer.active_slots()
    )
    np.testing.assert_array_equal(one.network.params, before)
    assert np.count_nonzero(one.trainer.progress.slots["square"])  # it did go backward


def test_a_rate_that_would_diverge_does_not() -> None:
    wild = small_plan("train.optimizer={type: sgd, lr: 1e30}", "train.schedule=constant")
    profiled(TrainingSession, wild)


@pytest.mark.parametrize("kind", [TrainingSession, InferenceSession])
def test_a_watched_network_computes_the_same(kind: type[Session]) -> None:
    plan = small_plan()
    one = session(kind, plan)
    x = np.random.default_rng(0).random((4, 1, 8, 8), np.float32)
    plain = Network(plan, seed=plan.spec.train.seed)
    watched, expected = (
        network.forward(x, network.workspace(training=False)).copy()
        for network in (one.network, plain)
    )
    np.testing.assert_array_equal(watched, expected)


def test_inference_runs_in_inference_mode() -> None:
    """Dropout passes its input on, so its scratch stays empty; nothing runs backward."""
    one = session(InferenceSession, small_plan())
    one.run(2)
    profile = one.profile()
    assert (profile.loss_seconds, profile.update_seconds) == (None, None)
    assert {stage.backward_seconds for stage in profile.stages} == {None}
    assert {stage.backward_flops for stage in profile.stages} == {0}
    assert not any(stage.call.training for stage in one.clock.stages)


def test_scratch_is_what_the_layer_holds() -> None:
    one = session(TrainingSession, small_plan())
    one.run(2)
    held = [stage.call.scratch_bytes for stage in one.clock.stages]
    assert [stage.scratch_bytes for stage in one.profile().stages] == held
    assert held[0] > 4 * 2 * 3 * 3 * 4  # the convolution's pooled output alone


def test_the_peak_holds_the_network_and_grows_with_the_batch() -> None:
    plan = load_plan("lenet5")
    few, many = (profiled(TrainingSession, plan, size).peak_bytes for size in (2, 64))
    vectors = 4 * plan.count() * 4  # weights, gradients and Adam's two, in float32
    assert vectors < few < many
    assert many > 2 << 20


def test_sessions_work_in_turns() -> None:
    turns: list[tuple[str, int]] = []

    class Noted(InferenceSession):
        def run(self, steps: int) -> None:
            turns.append((self.work.kernels, steps))
            super().run(steps)

    plan = small_plan()
    data = random_data(plan, 2)
    both = [Noted(Workload(plan, name, data, 2, 1)) for name in ("one", "other")]
    alternate(both, 25)
    names, counts = zip(*turns, strict=True)
    assert list(names) == ["one", "other"] * 11
    assert turns[0][1] == 3  # the warm-up, which is not counted
    assert [len(session.rows) for session in both] == [25, 25]
    assert set(counts[2:]) == {2, 3}


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_few_steps_are_run_too(steps: int) -> None:
    one = session(InferenceSession, small_plan())
    alternate([one], steps)
    assert len(one.rows) == steps


def test_random_images_pass_the_spec_s_transforms() -> None:
    plan = load_plan("lenet5-32x32")
    data = random_data(plan, 64)
    assert data.train.images.shape == (59_968, 1, 28, 28)
    assert data.train.images.dtype == np.uint8
    assert data.pipeline.images(data.train.images[:2], np.float32).shape == (2, 1, 32, 32)
    assert len(random_data(plan, 70_000).train) == 70_000


def test_transforms_that_suit_no_image_are_an_error() -> None:
    plan = small_plan("data={type: idx, transforms: [{type: pad, padding: 4}, scale]}")
    message = (
        r"^data\.transforms: these turn 1×8×8 into 1×16×16, and no image shape was found that "
        r"they turn into the spec's input 1×8×8; leave out those that change the shape: "
        r"--set 'data\.transforms=\[scale\]'$"
    )
    with pytest.raises(InputError, match=message):
        random_data(plan, 2)


@pytest.mark.parametrize(("seconds", "disturbed"), [(4.9, False), (5.1, True)])
def test_steps_much_longer_than_their_parts_were_disturbed(seconds: float, disturbed: bool) -> None:
    stage = StageProfile("a", 0, 1.0, 0, 1.0, 0, 0, "")
    profile = Profile("any", 1, 1, 1, 0.5, (stage,), 1.0, 0.5, seconds, (1.0, 9.0), 0)
    assert profile.disturbed == disturbed


def test_kernels_that_fuse_differently_meet_in_common_groups() -> None:
    def profile(*steps: tuple[int, str]) -> Profile:
        found = tuple(StageProfile(name, first, 1.0, 0, 1.0, 0, 0, "") for first, name in steps)
        return Profile("any", 1, 1, 1, 0.0, found, 0.0, 0.0, 1.0, (1.0, 1.0), 0)

    one = profile((0, "a+b"), (2, "c"), (3, "d"))
    other = profile((0, "a"), (1, "b+c"), (3, "d"))
    names = [[[s.name for s in steps] for steps in group] for group in common_groups([one, other])]
    assert names == [[["a+b", "c"], ["a", "b+c"]], [["d"], ["d"]]]


@dataclass(frozen=True, kw_only=True)
class TalkativeKernels(NumpyKernels):
    """Repeats its arguments."""

    def algorithm(self, layer: Layer, in_shape: tuple[int, ...], batch: int) -> str:
        return f"{type(layer).__name__} of {batch} images {in_shape}"


def test_kernels_name_their_algorithm_for_the_layers_they_run() -> None:
    plan = small_plan()
    told = replace(plan, spec=replace(plan.spec, kernels=TalkativeKernels()))
    algorithms = [stage.algorithm for stage in profiled(TrainingSession, told, 4).stages]
    assert algorithms == [
        "ConvMaxPool2d of 4 images (1, 8, 8)",
        "Dropout of 4 images (2, 3, 3)",
        "Linear of 4 images (2, 3, 3)",
    ]
