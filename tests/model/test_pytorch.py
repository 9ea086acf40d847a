"""A second opinion, if PyTorch is installed: the same weights give the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from contenders.torch_twin import torch_twin
from lenetkit.layers.base import Layer
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.linear import Linear
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.model import file, model

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is an optional oracle")

DESCRIPTION = {
    "dataset": "none",
    "image_shape": "[1, 28, 28]",
    "preparation": "digit",
    "classes": "[]",
}


@pytest.mark.parametrize(
    "spec", ["lenet5", "lenet5-sigmoid", "lenet5-avgpool", "lenet5-32x32", "normed"]
)
def test_load_state_dict_takes_a_model_file_and_gives_the_same_logits(
    spec: str, tmp_path: Path
) -> None:
    norm = {"layers.norm1": "{type: batch_norm2d, after: conv1}"} if spec == "normed" else {}
    network = lenetkit.build("lenet5" if norm else spec, norm)
    rng = np.random.default_rng(0)
    for values in network.tensors().values():
        values += rng.normal(0, 0.02, values.shape).astype(np.float32)
    path = tmp_path / "model.safetensors"
    file.save(path, network, DESCRIPTION)
    twin = torch_twin(network.plan)
    loaded = model.load(path).tensors()
    twin.load_state_dict({name: torch.from_numpy(values) for name, values in loaded.items()})
    twin.eval()
    x = rng.random((9, *network.plan.spec.input), dtype=np.float32)
    with torch.no_grad():
        expected = twin(torch.from_numpy(x)).numpy()
    found = network.forward(x, network.workspace(training=False))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


LAYERS: list[tuple[Layer, tuple[int, ...]]] = [
    (Conv2d(out_channels=6, kernel_size=5), (1, 28, 28)),
    (Conv2d(out_channels=8, kernel_size=(3, 2), stride=(2, 1), padding=(1, 2)), (4, 11, 9)),
    (Conv2d(out_channels=6, kernel_size=3, dilation=(2, 3), groups=3), (3, 13, 12)),
    (Conv2d(out_channels=64, kernel_size=3, padding=1, bias=False), (16, 10, 10)),
    (MaxPool2d(kernel_size=3, stride=2, padding=1), (5, 12, 11)),
    (MaxPool2d(kernel_size=(2, 3), stride=1), (2, 6, 7)),
    (AvgPool2d(kernel_size=3, stride=2, padding=1, count_include_pad=False), (5, 12, 11)),
    (AvgPool2d(kernel_size=2), (3, 9, 8)),
    (BatchNorm2d(), (4, 5, 6)),
    (Linear(out_features=7), (3, 4, 2)),
]


@pytest.mark.parametrize(("layer", "in_shape"), LAYERS, ids=lambda value: str(value)[:60])
def test_forward_and_gradients_are_pytorchs(layer: Layer, in_shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    params = {
        name: rng.normal(0.5, 0.3, spec.shape) for name, spec in layer.param_specs(in_shape).items()
    }
    x = rng.normal(size=(4, *in_shape))
    network = lenetkit.build("lenet5")
    state = {name: np.ones(spec.shape) for name, spec in layer.state_specs(in_shape).items()}
    call = Call(operations=network.plan.spec.kernels, training=True, state=state)
    y, saved = layer.forward(params, x, call)
    dy = rng.normal(size=y.shape)
    grads = {name: np.empty_like(value) for name, value in params.items()}
    y = y.copy()
    dx = layer.backward(params, saved, dy.copy(), grads, call)

    twin = _functional(layer)
    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    tx = torch.tensor(x, requires_grad=True)
    ty = twin(tx, leaves)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-9, atol=1e-11)
    assert dx is not None
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-9, atol=1e-11)
    for name, found in grads.items():
        np.testing.assert_allclose(found, leaves[name].grad.numpy(), rtol=1e-9, atol=1e-10)


def _functional(layer: Any) -> Any:
    f = torch.nn.functional
    if isinstance(layer, Conv2d):
        return lambda x, p: f.conv2d(
            x, p["weight"], p.get("bias"), layer.stride, layer.padding, layer.dilation, layer.groups
        )
    if isinstance(layer, MaxPool2d):
        return lambda x, p: f.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding)
    if isinstance(layer, AvgPool2d):
        include = layer.count_include_pad
        return lambda x, p: f.avg_pool2d(
            x, layer.kernel_size, layer.stride, layer.padding, count_include_pad=include
        )
    if isinstance(layer, BatchNorm2d):
        return lambda x, p: f.batch_norm(x, None, None, p["weight"], p["bias"], training=True)
    return lambda x, p: f.linear(x.flatten(1), p["weight"], p["bias"])
