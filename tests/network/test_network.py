"""Networks: initial values, memory, and passes through all layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lenetkit.layers.activations import Sigmoid
from lenetkit.layers.conv2d import Conv2d
from lenetkit.network.network import Network
from lenetkit.network.plan import load_plan, plan_text
from lenetkit.registry.blame import ContractError
from lenetkit.spec.merge import overrides
from tests.support.gradients import assert_gradient

Array = NDArray[Any]

SPEC = """
lenetkit: 1
name: small
input: [2, 7, 6]
layers:
  conv1: {type: conv2d, out_channels: 3, kernel_size: [3, 2], padding: 1}
  norm1: batch_norm2d
  act1:  tanh
  pool1: {type: max_pool2d, kernel_size: 3, stride: 2}
  conv2: {type: conv2d, out_channels: 4, kernel_size: 2, dilation: 2, bias: false}
  act2:  sigmoid
  drop:  {type: dropout, p: 0.3}
  fc:    {type: linear, out_features: 3}
init: xavier_uniform
"""
CLASSES = np.array([2, 0, 1, 1])


def network(text: str = SPEC, *, seed: int = 0, dtype: Any = np.float64) -> Network:
    return Network(plan_text(text, "test"), seed=seed, dtype=dtype)


def images(count: int = 4, *, seed: int = 0, dtype: Any = np.float64) -> Array:
    return np.random.default_rng(seed).normal(size=(count, 2, 7, 6)).astype(dtype)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_of_the_whole_network(training: bool) -> None:
    net, x, loss = network(), images(), network().plan.spec.loss
    workspace = net.workspace(training=training)
    workspace.reseed(1, 2)
    losses, saved = loss.forward(net.forward(x, workspace), CLASSES)
    net.grads.fill(np.nan)
    net.backward(loss.backward(saved), workspace)

    def mean_loss() -> float:
        return float(loss.forward(net.forward(x, workspace), CLASSES)[0].mean())

    assert losses.shape == (4,)
    assert_gradient(net.grads, mean_loss, net.params)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_precision_throughout(dtype: Any) -> None:
    net = network(dtype=dtype)
    workspace = net.workspace(training=True)
    y = net.forward(images(dtype=dtype), workspace)
    net.backward(np.ones_like(y), workspace)
    pieces = [y, net.params, net.grads, *net.tensors().values(), *net.gradients().values()]
    assert {piece.dtype for piece in pieces} == {np.dtype(dtype)}
    assert y.shape == (4, 3)


def test_an_added_layer_keeps_the_others_initial_values() -> None:
    longer = SPEC.replace(
        "  act1:  tanh", "  conv0: {type: conv2d, out_channels: 3, kernel_size: 1}\n  act1: tanh"
    )
    before, after = network().tensors(), network(longer).tensors()
    assert set(after) - set(before) == {"conv0.weight", "conv0.bias"}
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)


def test_seed_determines_the_initial_values() -> None:
    np.testing.assert_array_equal(network(seed=4).params, network(seed=4).params)
    first, other = network(seed=4).tensors(), network(seed=5).tensors()
    for name in ("conv1.weight", "conv2.weight", "fc.weight"):
        assert (first[name] != other[name]).all()


def test_layers_of_the_same_shape_start_differently() -> None:
    three = "{type: linear, out_features: 3}"
    tensors = network(SPEC.replace("  fc: ", f"  fc1: {three}\n  fc2: {three}\n  fc: ")).tensors()
    assert (tensors["fc2.weight"] != tensors["fc.weight"]).all()


def test_parameters_start_where_their_initializer_says() -> None:
    text = SPEC.replace(
        "out_features: 3}",
        "out_features: 3, weight_init: {type: constant, value: 2}, "
        "bias_init: {type: constant, value: 5}}",
    )
    tensors = network(text).tensors()
    assert (tensors["fc.weight"] == 2).all()
    assert (tensors["fc.bias"] == 5).all()
    assert (tensors["conv1.bias"] == 0).all()
    assert (tensors["norm1.weight"] == 1).all()
    assert (tensors["norm1.running_var"] == 1).all()
    limit = np.sqrt(6 / (2 * 6 + 3 * 6))  # xavier_uniform, the spec's init, of 2×3×2 and 3×3×2
    assert 0.5 * limit < np.abs(tensors["conv1.weight"]).max() <= limit


def test_initial_values_can_be_restored() -> None:
    net = network(seed=3)
    net.params += 1
    net.tensors()["norm1.running_mean"] += 1
    net.initialize(3)
    for name, values in network(seed=3).tensors().items():
        np.testing.assert_array_equal(net.tensors()[name], values, err_msg=name)


def test_flat_vectors_hold_every_trainable_value_once() -> None:
    net = network()
    net.params[:] = np.arange(len(net.params))
    net.grads[:] = np.arange(len(net.grads))
    gradients = net.gradients()
    tensors = {name: net.tensors()[name] for name in gradients}
    for views in (tensors, gradients):
        flat = np.concatenate([values.ravel() for values in views.values()])
        np.testing.assert_array_equal(flat, np.arange(net.plan.count(trainable_only=True)))
    assert set(net.tensors()) - set(gradients) == {"norm1.running_mean", "norm1.running_var"}


def test_tensors_have_the_planned_names_and_shapes() -> None:
    shapes = {name: values.shape for name, values in network().tensors().items()}
    assert shapes == {
        "conv1.weight": (3, 2, 3, 2),
        "conv1.bias": (3,),
        "norm1.weight": (3,),
        "norm1.bias": (3,),
        "norm1.running_mean": (3,),
        "norm1.running_var": (3,),
        "conv2.weight": (4, 3, 2, 2),
        "fc.weight": (3, 4),
        "fc.bias": (3,),
    }


def test_evaluation_does_not_disturb_a_training_pass() -> None:
    x, dy = images(), np.random.default_rng(1).normal(size=(4, 3))
    undisturbed, disturbed = network(), network()
    for net in (undisturbed, disturbed):
        training, evaluation = net.workspace(training=True), net.workspace(training=False)
        training.reseed(7)
        y = net.forward(x, training)
        kept = y.copy()
        if net is disturbed:
            net.forward(images(9, seed=2), evaluation)
        np.testing.assert_array_equal(y, kept)
        net.backward(dy.copy(), training)
    np.testing.assert_array_equal(disturbed.grads, undisturbed.grads)
    for name, values in undisturbed.tensors().items():
        np.testing.assert_array_equal(disturbed.tensors()[name], values, err_msg=name)


def test_evaluation_changes_nothing_and_draws_nothing() -> None:
    net, x = network(), images()
    before = {name: values.copy() for name, values in net.tensors().items()}
    workspace = net.workspace(training=False)
    first = net.forward(x, workspace).copy()
    workspace.reseed(8)
    np.testing.assert_array_equal(net.forward(x, workspace), first)
    for name, values in net.tensors().items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)


def test_key_determines_what_is_dropped() -> None:
    net, x = network(), images()
    workspace = net.workspace(training=True)

    def outputs(*key: int) -> Array:
        workspace.reseed(*key)
        return net.forward(x, workspace).copy()

    first, again, other = outputs(1, 2), outputs(1, 2), outputs(1, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_layers_draw_independently() -> None:
    workspace = network().workspace(training=True)
    workspace.reseed(1, 2)
    assert len({step.call.rng.random() for step in workspace.stages}) == len(workspace.stages)


def test_images_are_not_modified() -> None:
    net, x = network(), images()
    x.flags.writeable = False
    workspace = net.workspace(training=True)
    net.backward(np.ones_like(net.forward(x, workspace)), workspace)


@pytest.mark.parametrize("training", [True, False])
def test_an_empty_batch_is_accepted(training: bool) -> None:
    net = network()
    workspace = net.workspace(training=training)
    y = net.forward(images(0), workspace)
    assert y.shape == (0, 3)
    net.backward(np.ones_like(y), workspace)
    np.testing.assert_array_equal(net.grads, 0)


def test_a_layer_that_gives_no_gradient_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    workspace = net.workspace(training=True)
    y = net.forward(images(), workspace)
    monkeypatch.setattr(Conv2d, "backward", lambda *_: None)
    with pytest.raises(ContractError, match=r"^gave None; expected an array of shape \(4, 3,"):
        net.backward(np.ones_like(y), workspace)


def test_second_backward_draws_what_forward_drew(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(load_plan("lenet5-avgpool", overrides({"layers.relu3": "sigmoid"})))
    drawn = []

    def drawing(method: Any) -> Any:
        def draw(*arguments: Any) -> Any:
            drawn.append(arguments[-1].rng.random())
            return method(*arguments)

        return draw

    for name in ("forward", "second_backward"):
        monkeypatch.setattr(Sigmoid, name, drawing(getattr(Sigmoid, name)))
    workspace = network.workspace(training=False, fused=False)
    outputs = network.forward(np.ones((2, 1, 28, 28), np.float32), workspace)
    network.second_backward(np.ones_like(outputs), workspace)
    assert len(drawn) == 2
    assert drawn[0] == drawn[1]
