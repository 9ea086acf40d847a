"""Numbers that stop being finite are noticed, located and explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import lenetkit
from lenetkit.arrays import Array
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.transforms import Scale
from lenetkit.layers.activations import Tanh
from lenetkit.layers.base import Params
from lenetkit.layers.call import Call
from lenetkit.losses import SoftmaxCrossEntropy
from lenetkit.network.network import Network
from lenetkit.schedules import Constant, RangeTest
from lenetkit.training import loop
from lenetkit.training.data import TrainingData, load_training_data
from lenetkit.training.divergence import DivergedError, is_finite, locate, remedy
from lenetkit.training.loop import StepDone
from tests.support.specs import small_plan


@pytest.fixture
def network() -> Network:
    return Network(
        small_plan(
            "layers.norm1={type: batch_norm2d, after: conv1}",
            "layers.tanh1={type: tanh, after: norm1}",
            "layers.relu1=null",
            "layers.pool1=null",
            "train.optimizer={type: sgd, lr: 0.01}",
        )
    )


@pytest.fixture
def data(network: Network, make_idx: Callable[..., Path]) -> TrainingData:
    return load_training_data(network.plan, make_idx())


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_one_bad_value_among_many_is_seen(bad: float) -> None:
    values = np.ones(1001, np.float32)
    for place in (0, 500, 1000):
        assert is_finite(values)
        values[place] = bad
        assert not is_finite(values)
        values[place] = 1


def test_values_whose_squares_overflow_are_finite() -> None:
    assert is_finite(np.full(1001, 3e38, np.float32))


@dataclass(frozen=True, kw_only=True)
class Broken(Tanh):
    """A layer that returns a value that is not finite, forward or backward."""

    forwards: bool = False

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        return (y * np.inf if self.forwards else y), saved

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        dx = super().backward(params, saved, dy, grads, call)
        assert dx is not None
        dx[0] = np.inf
        return dx


def with_layer(network: Network, layer: Any) -> Network:
    """The network with another activation."""
    plan = network.plan
    layers = tuple(
        replace(placed, layer=layer) if placed.name == "tanh1" else placed for placed in plan.layers
    )
    return Network(replace(plan, layers=layers))


def message(network: Network, data: TrainingData) -> str:
    """The error that stops the training of a network."""
    with pytest.raises(DivergedError) as caught, np.errstate(all="ignore"):
        list(lenetkit.train(network, data))
    return str(caught.value)


def test_a_layers_output_is_named(network: Network, data: TrainingData) -> None:
    assert message(with_layer(network, Broken(forwards=True)), data) == (
        "step 1 (epoch 1, lr 0.0004): the loss became nan; training stopped.\n"
        "  It began in layers.tanh1: its output. No step has been taken, so the learning "
        "rate is not at fault, and no initial weight is above 1.15: check layers.tanh1, tanh of "
        f"lenetkit {lenetkit.__version__}, and the layers before it"
    )


def test_a_gradient_is_noticed_before_it_is_used(network: Network, data: TrainingData) -> None:
    broken = with_layer(network, Broken())
    before = broken.params.copy()
    said = message(broken, data)
    assert said.startswith(
        "step 1 (epoch 1, lr 0.0004): the gradient became nan; training stopped.\n"
        "  It began in layers.norm1: the gradient of its output. "
    )
    assert broken.params.tobytes() == before.tobytes()


@pytest.mark.parametrize(("value", "became"), [(np.inf, "infinite"), (np.nan, "nan")])
def test_infinite_and_nan_gradients_are_told_apart(
    network: Network,
    data: TrainingData,
    value: float,
    became: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Network, "backward", lambda self, *_: self.grads.fill(value))
    assert message(network, data).startswith(
        f"step 1 (epoch 1, lr 0.0004): the gradient became {became}; training stopped.\n"
        "  It began in no layer that a second pass over the batch could identify. "
    )


def test_infinite_weights_are_named(network: Network, data: TrainingData) -> None:
    network.tensors()["fc1.weight"][0, 0] = np.inf
    said = message(network, data)
    assert "It began in layers.fc1: its weight, as it is initialized. " in said


@dataclass(frozen=True, kw_only=True)
class Spoiling(Scale):
    """A transform that spoils an image once training has begun."""

    training_only: ClassVar[bool] = True
    begun: ClassVar[bool] = False

    def images(self, images: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        spoiled = super().images(images, rng)
        if self.begun:
            spoiled[0] = np.nan
        return spoiled


def test_images_that_are_not_finite_are_blamed_on_the_data(
    network: Network, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline((*data.pipeline.transforms, Spoiling(high=255.0)), 3)
    changed = replace(data, pipeline=pipeline)
    monkeypatch.setattr(Spoiling, "begun", True)
    said = message(network, changed)
    assert "It began in the images that reach the network. The data or its transforms" in said
    assert "learning rate" not in said


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_loss_is_named(network: Network, direction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(SoftmaxCrossEntropy, direction)

    def infinite(self: Any, *arguments: Any) -> Any:
        result = real(self, *arguments)
        if direction == "forward":
            return result[0] + np.inf, result[1]
        return result + np.inf

    monkeypatch.setattr(SoftmaxCrossEntropy, direction, infinite)
    images = np.zeros((2, 1, 8, 8), np.float32)
    where = locate(network, images, np.array([0, 1]), (0,))
    assert (
        where
        == {
            "forward": "the loss: the outputs are finite, but too large for it",
            "backward": "layers.fc1: the gradient of its output",
        }[direction]
    )


def test_an_unknown_origin_is_reported_as_such(network: Network) -> None:
    images = np.zeros((2, 1, 8, 8), np.float32)
    where = locate(network, images, np.array([0, 1]), (0,))
    assert where == "no layer that a second pass over the batch could identify"
    assert "--set train.optimizer.lr=0.1" in remedy(where, 1.0, Constant())


def test_a_learning_rate_of_0_is_not_to_be_reduced() -> None:
    said = remedy("layers.fc1: its output", 0.0, Constant())
    assert said == "The learning rate is 0, so no step is at fault: check that layer's weights"


def test_a_rate_that_the_schedule_alone_sets_is_blamed_on_the_schedule() -> None:
    said = remedy("layers.fc1: its output", 0.01, RangeTest(low=1.0, high=1e300))
    assert "schedule range_test" in said
    assert "--set train.optimizer.lr" not in said


def test_the_last_step_of_an_epoch_is_noticed_too(network: Network, data: TrainingData) -> None:
    settings = network.plan.spec.train
    stream = loop.train(network, data, settings, loop.start(network, settings))
    for event in stream:
        if isinstance(event, StepDone) and event.step == 3:
            network.params[-1] = np.nan
            break
    progress = loop.start(network, settings)
    progress.step = 3
    with pytest.raises(DivergedError, match=r"^step 3 .*: after it, the loss on the training"):
        list(loop.train(network, data, settings, progress))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "init={type: normal, std: 1e25}",
            "the weight of layers.conv1, from the initializer normal, goes up to "
            "2.44e+25; try --set init=he_normal",
        ),
        (
            "layers.conv1.bias_init={type: constant, value: 3e38}",
            "the bias of layers.conv1, from the initializer constant, goes up to 3e+38; "
            "try --set layers.conv1.bias_init=zeros",
        ),
    ],
)
def test_an_overflow_before_any_step_is_the_initial_weights_fault(
    make_idx: Callable[..., Path], change: str, said: str
) -> None:
    plan = small_plan(change)
    told = message(Network(plan), load_training_data(plan, make_idx()))
    assert told.startswith("step 1 ")
    assert "No step has been taken, so the initial weights are at fault, not the learning" in told
    assert told.endswith(said)
    assert "try a tenth" not in told


def test_weights_that_were_loaded_or_set_are_not_laid_to_the_initializer(
    make_idx: Callable[..., Path],
) -> None:
    plan = small_plan()
    network = Network(plan)
    network.tensors()["conv1.weight"][0] = 3e38
    told = message(network, load_training_data(plan, make_idx()))
    assert told.endswith(
        "the initial weights are at fault, not the learning rate: the weight of layers.conv1, "
        "which was loaded or set, goes up to 3e+38; start from others"
    )


def test_a_test_loss_that_is_not_finite_stops_training(
    network: Network, data: TrainingData
) -> None:
    """Such as of test images on which the network overflows, and training images do not show it."""
    spec = replace(network.plan.spec, loss=_Nan())
    broken = Network(replace(network.plan, spec=spec))
    with pytest.raises(DivergedError, match="after it, the loss on the test samples is nan"):
        list(lenetkit.train(broken, data))


@dataclass(frozen=True, kw_only=True)
class _Nan(SoftmaxCrossEntropy):
    """A loss that is NaN for batches as large as the test set, and finite for others."""

    def forward(self, outputs: Array, targets: Any) -> tuple[Array, Any]:
        losses, saved = super().forward(outputs, targets)
        return (losses * np.nan if len(outputs) == 6 else losses), saved
