"""Extreme values, for every loss and layer, forward and backward: nothing overflows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lenetkit
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from lenetkit.layers.base import Layer
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.call import Call
from lenetkit.layers.dropout import Dropout
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.losses import Loss
from lenetkit.network.network import Network
from lenetkit.registry.catalog import installed
from lenetkit.training.loop import EpochDone, StepDone
from tests.support.specs import small_plan

Array = NDArray[Any]
LAYERS: list[Layer] = [
    ReLU(),
    LeakyReLU(),
    Sigmoid(),
    Tanh(),
    Dropout(p=0.5),
    MaxPool2d(kernel_size=2),
    AvgPool2d(kernel_size=2),
    BatchNorm2d(),
]
ACTIVATIONS = LAYERS[:4]
VALUES: dict[str, Callable[[int], Array]] = {
    "zeros": lambda n: np.zeros(n),
    "constant": lambda n: np.full(n, 3.7),
    "large constant": lambda n: np.full(n, -1e4),
    "±1e4": lambda n: np.where(np.arange(n) % 3, 1e4, -1e4),
    "one large": lambda n: np.where(np.arange(n) == 2, 1e4, 0.0),
    "tiny": lambda n: np.full(n, 1e-38),
}
BATCHES = [1, 2, 5]


def careful() -> Any:
    """Overflow, division by zero and invalid operations raise; underflow is fine."""
    return np.errstate(over="raise", divide="raise", invalid="raise", under="ignore")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [4, 2])
@pytest.mark.parametrize("N", BATCHES)
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_layers_stay_finite(layer: Layer, values: str, N: int, size: int, training: bool) -> None:
    shape = (N, 2, size, size)
    x = VALUES[values](int(np.prod(shape))).reshape(shape).astype(np.float32)
    rng = np.random.default_rng(0)
    params, state = (
        {
            name: spec.init.sample(rng, spec.shape, *spec.fans()).astype(np.float32)
            for name, spec in specs.items()
            if spec.init
        }
        for specs in (layer.param_specs(shape[1:]), layer.state_specs(shape[1:]))
    )
    assert set(params) == set(layer.param_specs(shape[1:]))
    grads = {name: np.empty_like(values) for name, values in params.items()}
    call = Call(operations=NumpyKernels(), training=training, state=state)
    with careful():
        y, saved = layer.forward(params, x.copy(), call)
        assert np.isfinite(y).all()
        dx = layer.backward(params, saved, np.full_like(y, 1e4), grads, call)
    assert dx is not None
    for result in (dx, *state.values(), *grads.values()):
        assert np.isfinite(result).all()


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
def test_activations_of_the_largest_numbers(layer: Layer) -> None:
    x = np.array([[3e38, -3e38, 1e-45, -1e-45, 0.0]], np.float32)
    with careful():
        y, saved = layer.forward({}, x, Call(operations=NumpyKernels()))
        dx = layer.backward({}, saved, np.ones_like(y), {}, Call(operations=NumpyKernels()))
    assert dx is not None
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


def without_options() -> list[str]:
    """The registered losses without required options."""
    losses = installed().registry(Loss)
    found = []
    for name in losses.names():
        try:
            losses.get(name)()
        except TypeError:
            continue
        found.append(name)
    return found


@pytest.mark.parametrize("N", BATCHES)
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("name", without_options())
def test_losses_stay_finite(name: str, values: str, N: int) -> None:
    loss = installed().registry(Loss).get(name)()
    outputs = VALUES[values](N * 4).reshape(N, 4).astype(np.float32)
    with careful():
        losses, saved = loss.forward(outputs, np.arange(N) % 4)
        gradient, probabilities = loss.backward(saved), loss.probabilities(outputs)
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("K", [2, 10, 1000])
def test_cross_entropy_of_large_logits_agrees_with_double_precision(K: int) -> None:
    rng = np.random.default_rng(1)
    z = rng.uniform(-1e4, 1e4, (50, K)).astype(np.float32)
    t = rng.integers(0, K, 50)
    wide = z.astype(np.longdouble)
    top = wide.max(axis=1, keepdims=True)
    exact = (top + np.log(np.exp(wide - top).sum(axis=1, keepdims=True)))[:, 0]
    exact -= wide[np.arange(50), t]
    losses, _ = installed().registry(Loss).get("softmax_cross_entropy")().forward(z, t)
    np.testing.assert_allclose(losses, exact.astype(np.float64), rtol=1e-6, atol=1e-6)


def test_batch_norm_of_a_constant_is_its_bias() -> None:
    """The variance is 0 up to rounding; eps keeps the result finite."""
    layer = BatchNorm2d()
    for value in (0.0, 1.0, 255.0, -1e4):
        x = np.full((3, 2, 4, 4), value, np.float32)
        params = {
            "weight": np.array([2, 3], np.float32),
            "bias": np.array([5, -6], np.float32),
        }
        state = {
            "running_mean": np.zeros(2, np.float32),
            "running_var": np.ones(2, np.float32),
        }
        y, _ = layer.forward(params, x, Call(NumpyKernels(), training=True, state=state))
        np.testing.assert_allclose(y[:, 0], 5, atol=1e-2)
        np.testing.assert_allclose(y[:, 1], -6, atol=1e-2)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("batch", [1, 5, 11, 12])
@pytest.mark.parametrize("name", without_options())
def test_a_network_stays_finite(
    make_idx: Callable[..., Path], name: str, batch: int, constant: bool
) -> None:
    """Batches of one, a short last batch of 1 or 2 samples, 1 × 1 images, and empty pictures.

    Batch normalization of 1 × 1 images refuses batches of one, unless it is the last.
    """
    single = [] if batch == 1 else ["layers.norm2={type: batch_norm2d, after: pool1}"]
    network = Network(
        small_plan(
            "layers.norm1={type: batch_norm2d, after: conv1}",
            "layers.pool1.kernel_size=6",
            *single,
            "layers.drop1=null",
            f"loss={name}",
            "data.transforms=[standardize]",
            f"train.batch_size={batch}",
        )
    )
    data = make_idx()
    if constant:
        images = data / "train-images-idx3-ubyte"
        content = images.read_bytes()
        images.write_bytes(content[:16] + bytes(len(content) - 16))
    with careful():
        events = list(lenetkit.train(network, data_dir=data))
    steps = [event for event in events if isinstance(event, StepDone)]
    assert len(steps) == 2 * -(-12 // batch)
    assert all(np.isfinite(view).all() for view in network.tensors().values())
    assert all(np.isfinite(e.test.loss) for e in events if isinstance(e, EpochDone))
