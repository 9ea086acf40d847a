"""Frozen layers (`trainable: false`): training leaves them alone and spends nothing on them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lenetkit.cli.summary import facts
from lenetkit.errors import SpecError
from lenetkit.layers.base import Layer
from lenetkit.layers.conv2d import Conv2d
from lenetkit.model.model import Model, load
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, plan_text
from lenetkit.optimizers import SGD
from lenetkit.spec.merge import Override
from lenetkit.training import loop
from lenetkit.training.data import TrainingData, load_training_data
from tests.support.gradients import assert_gradient
from tests.support.specs import SMALL, small_plan

SECOND = "layers.conv2={type: conv2d, out_channels: 2, kernel_size: 2, after: relu1}"
NORM = "layers.norm1={type: batch_norm2d, after: conv1, trainable: false}"


def frozen(*names: str) -> list[str]:
    return [f"layers.{name}.trainable=false" for name in names]


@pytest.fixture
def data(make_idx: Callable[..., Path]) -> TrainingData:
    return load_training_data(small_plan(), make_idx())


def train(network: Network, data: TrainingData, **settings: Any) -> None:
    how = replace(network.plan.spec.train, **settings)
    list(loop.train(network, data, how, loop.start(network, how)))


def test_training_leaves_frozen_parameters_alone_and_trains_the_others(data: TrainingData) -> None:
    plan = small_plan(SECOND, *frozen("conv2"), "train.optimizer.weight_decay=0.1")
    network = Network(plan)
    before = {name: values.copy() for name, values in network.tensors().items()}
    train(network, data)
    moved = {name for name, v in network.tensors().items() if not np.array_equal(v, before[name])}
    assert moved == {"conv1.weight", "conv1.bias", "fc1.weight", "fc1.bias"}


@pytest.mark.parametrize("name", ["conv1", "conv2", "fc1"])
def test_the_others_move_as_if_the_gradient_there_were_zero(name: str, data: TrainingData) -> None:
    """By SGD, which moves each parameter by its own gradient alone."""
    whole = Network(small_plan(SECOND))
    part = Network(small_plan(SECOND, *frozen(name)))
    train(whole, data, optimizer=SGD(lr=0.1), epochs=1, batch_size=12)  # a single step
    train(part, data, optimizer=SGD(lr=0.1), epochs=1, batch_size=12)
    expected = whole.tensors()
    for tensor, values in part.tensors().items():
        if not tensor.startswith(f"{name}."):
            np.testing.assert_array_equal(values, expected[tensor])


def test_the_gradient_of_what_is_trained_is_right() -> None:
    net = Network(small_plan(SECOND, *frozen("conv2", "fc1")), dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(4, 1, 8, 8))
    targets, loss = np.array([0, 2, 1, 1]), net.plan.spec.loss
    workspace = net.workspace(training=True)
    workspace.reseed(1)
    losses, saved = loss.forward(net.forward(x, workspace), targets)
    net.backward(loss.backward(saved), workspace)
    assert losses.shape == (4,)
    assert list(net.gradients()) == ["conv1.weight", "conv1.bias"]
    assert net.params.size == net.grads.size == 2 * 9 + 2

    def mean_loss() -> float:
        return float(loss.forward(net.forward(x, workspace), targets)[0].mean())

    assert_gradient(net.grads, mean_loss, net.params)


def test_no_pass_goes_back_beyond_the_first_layer_that_is_trained(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(small_plan(SECOND, *frozen("conv1")))
    wanted: list[bool] = []
    backward = Conv2d.backward

    def spy(self: Layer, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        wanted.append(call.needs_input_grad)
        return backward(self, params, saved, dy, grads, call)  # type: ignore[arg-type]

    monkeypatch.setattr(Conv2d, "backward", spy)
    workspace = network.workspace(training=True, fused=False)
    workspace.reseed(0)
    network.backward(np.ones_like(network.forward(data.test.images / 255.0, workspace)), workspace)
    assert wanted == [False]  # conv2 alone, whose input's gradient nobody needs


def test_frozen_statistics_stay_and_are_used(data: TrainingData) -> None:
    network = Network(small_plan(NORM))
    network.tensors()["norm1.running_mean"][...] = 0.25
    x = data.train.images.astype(np.float32) / 255

    def normalized(training: bool) -> Any:
        conv, norm, *_ = network.workspace(training=training).stages
        return norm.forward(conv.forward(x)).copy()

    np.testing.assert_array_equal(normalized(training=True), normalized(training=False))
    train(network, data)
    assert (network.tensors()["norm1.running_mean"] == 0.25).all()


def test_copies_and_model_files_keep_frozen_layers_frozen(
    data: TrainingData, tmp_path: Path
) -> None:
    network = Model(small_plan(SECOND, *frozen("conv1")))
    network.learns_from(data)
    network.tensors()["conv1.weight"][...] = 0.5
    network.save(tmp_path / "m.safetensors")
    copies = [copy.deepcopy(network), pickle.loads(pickle.dumps(network))]
    copies.append(load(tmp_path / "m.safetensors"))
    train(network, data)
    for twin in copies:
        train(twin, data)
        assert (twin.tensors()["conv1.weight"] == 0.5).all()
        np.testing.assert_array_equal(twin.params, network.params)


def test_summary_counts_them_as_not_trained() -> None:
    found = facts(small_plan(*frozen("conv1")))
    conv1, *_, fc1 = found["layers"]
    assert (conv1["params"], conv1["trainable_params"]) == (20, 0)
    assert fc1["params"] == fc1["trainable_params"] == found["trainable_params"]
    assert found["total_params"] == 20 + fc1["params"]


def test_second_derivatives_are_those_of_what_is_trained() -> None:
    changes = (SECOND, "layers.pool1=null", "layers.drop1=null", "layers.relu1=tanh")
    whole, part = (
        Network(small_plan(*changes, *more), dtype=np.float64) for more in ([], frozen("conv2"))
    )
    x = np.random.default_rng(0).normal(size=(3, 1, 8, 8))
    results = []
    for net in (whole, part):
        workspace = net.workspace(training=False, fused=False)
        results.append(net.second_backward(np.ones_like(net.forward(x, workspace)), workspace))
    first, second = (
        whole.tensors()["conv1.weight"].size + 2,
        whole.tensors()["conv2.weight"].size + 2,
    )
    np.testing.assert_array_equal(results[1], np.delete(results[0], range(first, first + second)))


def round_trip(plan: Plan) -> Plan:
    return plan_text(plan.to_yaml(), "again")


def test_the_spec_says_so_and_only_where_it_is_so() -> None:
    plan = small_plan(*frozen("conv1", "relu1"))
    assert plan.to_yaml().count("trainable: false") == 2
    assert round_trip(plan).spec == plan.spec
    assert "trainable" not in small_plan().to_yaml()


def test_another_type_is_trained_again() -> None:
    """Its weights are new, so there is nothing worth keeping."""
    change = Override.from_text("layers.conv1.type=batch_norm2d")
    text = SMALL.replace("kernel_size: 3}", "kernel_size: 3, trainable: false}")
    assert not plan_text(text, "frozen").layers[0].trainable
    assert plan_text(text, "frozen", [change]).layers[0].trainable


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["layers.conv1.trainable=maybe"], r"layers\.conv1\.trainable: expected true or false"),
        (["layers.conv1.trainabel=false"], r"no option 'trainabel'; did you mean 'trainable'\?"),
    ],
)
def test_mistakes_have_their_place(changes: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        small_plan(*changes)


def test_a_network_that_is_frozen_as_a_whole_is_not_trained(data: TrainingData) -> None:
    network = Network(small_plan(*frozen("conv1", "fc1")))
    message = r"layers\.fc1\.trainable: nothing is left to train: .* expected at least one without"
    with pytest.raises(SpecError, match=message):
        train(network, data)
