"""The gradient of the answer by the input, against central differences and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit.errors import ArrayError

LAYERS: dict[str, Any] = {
    "conv1": {"type": "conv2d", "out_channels": 3, "kernel_size": 3, "trainable": False},
    "norm1": "batch_norm2d",
    "act1": "tanh",
    "pool1": {"type": "max_pool2d", "kernel_size": 2},
    "drop1": "dropout",
    "fc1": {"type": "linear", "out_features": 4},
}


def network(**changes: Any) -> lenetkit.Model:
    spec = {"lenetkit": 1, "name": "n", "input": [1, 8, 8], "layers": LAYERS | changes}
    model = lenetkit.build(spec, dtype=np.float64)
    for name, values in model.tensors().items():
        rng = np.random.default_rng(len(name))
        values[...] = rng.uniform(0.2, 1, values.shape) * rng.choice([-1, 1], values.shape)
        if name.endswith("var"):
            np.abs(values, out=values)
    return model


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 255, (3, 8, 8))


def outputs(model: lenetkit.Model, images: np.ndarray) -> np.ndarray:
    """The outputs for images as they are stored."""
    return model.forward(model.pipeline.images(images[:, None], np.float64)).copy()


@pytest.mark.parametrize("output", [None, 2])
def test_it_is_the_gradient_of_an_output(images: np.ndarray, output: int | None) -> None:
    model = network()
    found = model.saliency(images, output)
    assert found.shape == (3, 1, 8, 8)
    chosen = outputs(model, images).argmax(axis=1) if output is None else np.full(3, output)
    step = 1e-5
    for i, row, column in [(0, 0, 0), (0, 3, 4), (1, 7, 7), (2, 5, 2), (2, 4, 4)]:
        ends = []
        for sign in (1, -1):
            moved = images.copy()
            moved[i, row, column] += sign * step * 255  # the network sees images from 0 to 1
            ends.append(outputs(model, moved)[i, chosen[i]])
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(found[i, 0, row, column], slope, rtol=1e-6, atol=1e-9)


def test_gradients_of_the_last_step_stay(images: np.ndarray) -> None:
    model = network()
    model.grads[:] = np.arange(len(model.grads))
    model.saliency(images)
    np.testing.assert_array_equal(model.grads, np.arange(len(model.grads)))


def test_it_needs_an_output_that_exists(images: np.ndarray) -> None:
    wrong: Any
    for wrong in (4, -1, 0.5, True):
        with pytest.raises(ArrayError, match=f"expected an output from 0 to 3, found {wrong}"):
            network().saliency(images, wrong)


def test_other_workspaces_give_no_input_gradient() -> None:
    model = network()
    workspace = model.workspace(training=False)
    y = model.forward(np.zeros((1, 1, 8, 8)), workspace)
    with pytest.raises(ValueError, match="made with fused=False, input_gradient=True"):
        model.input_gradient(y, workspace)


def test_it_is_pytorchs(images: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    model = lenetkit.build("lenet5", dtype=np.float64)
    x = np.random.default_rng(0).uniform(0, 255, (4, 28, 28))
    twin = nn.Sequential()
    for layer in model.plan.layers:
        match layer.type:
            case "conv2d":
                twin.add_module(layer.name, nn.Conv2d(layer.in_shape[0], layer.out_shape[0], 5))
            case "relu":
                twin.add_module(layer.name, nn.ReLU())
            case "max_pool2d":
                twin.add_module(layer.name, nn.MaxPool2d(2))
            case "linear":
                if len(layer.in_shape) == 3:
                    twin.add_module("flatten", nn.Flatten())
                sizes = int(np.prod(layer.in_shape)), layer.out_shape[0]
                twin.add_module(layer.name, nn.Linear(*sizes))
    weights = {name: torch.from_numpy(values.copy()) for name, values in model.tensors().items()}
    twin.double().load_state_dict(weights)
    given = torch.from_numpy(x[:, None] / 255).requires_grad_()
    twin(given).max(dim=1).values.sum().backward()
    np.testing.assert_allclose(model.saliency(x), given.grad.numpy(), rtol=1e-9, atol=1e-12)
