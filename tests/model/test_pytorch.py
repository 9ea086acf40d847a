"""A second opinion, if PyTorch is installed: the same weights give the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from contenders.torch_twin import torch_twin
from lenetkit.layers.activations import ELU, LeakyReLU, SiLU, Softplus
from lenetkit.layers.base import Layer
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.gelu import GELU
from lenetkit.layers.linear import Linear
from lenetkit.layers.normalization import GroupNorm, LayerNorm
from lenetkit.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from lenetkit.layers.softmax import Softmax
from lenetkit.layers.upsample2d import Upsample2d
from lenetkit.model import file, model

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is an optional oracle")
safetensors_torch = pytest.importorskip("safetensors.torch")

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


def numbered_twin() -> Any:
    """LeNet-5 as PyTorch's users write it, in two parts and with numbered layers."""
    nn = torch.nn
    features = (nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU())
    hidden = (nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU())
    twin = nn.Sequential()
    twin.add_module("features", nn.Sequential(*features, nn.MaxPool2d(2)))
    twin.add_module("classifier", nn.Sequential(*hidden, nn.Linear(84, 10)))
    return twin


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        *[("safetensors", kind) for kind in ("float32", "float16", "bfloat16")],
        *[("npz", kind) for kind in ("float32", "float16")],
    ],
)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model._orig_mod."])
@pytest.mark.parametrize("names", ["numbered", "ours"])
@pytest.mark.filterwarnings("ignore:.*loaded:lenetkit.errors.LenetkitWarning")
def test_pytorchs_weights_give_its_answers(
    suffix: str, names: str, prefix: str, kind: str, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    twin = numbered_twin() if names == "numbered" else torch_twin(lenetkit.build("lenet5").plan)
    twin = twin.to(getattr(torch, kind))
    state = {f"{prefix}{name}": values for name, values in twin.state_dict().items()}
    path = tmp_path / f"lenet.{suffix}"
    if suffix == "npz":
        np.savez(path, **{name: values.numpy() for name, values in state.items()})
    else:
        safetensors_torch.save_file(state, path)
    images = np.random.default_rng(2).integers(0, 256, (7, 28, 28), np.uint8)
    with torch.no_grad():
        outputs = twin.float().eval()(torch.from_numpy(images[:, None] / np.float32(255)))
    expected = torch.softmax(outputs, dim=1).numpy()
    model = lenetkit.load(path, spec="lenet5")
    np.testing.assert_allclose(model.probabilities(images), expected, rtol=0, atol=1e-6)
    model.save(tmp_path / "model.safetensors")
    again = lenetkit.load(tmp_path / "model.safetensors").probabilities(images)
    np.testing.assert_array_equal(again, model.probabilities(images))


LAYERS: list[tuple[Layer, tuple[int, ...]]] = [
    (Conv2d(out_channels=6, kernel_size=5), (1, 28, 28)),
    (Conv2d(out_channels=8, kernel_size=(3, 2), stride=(2, 1), padding=(1, 2)), (4, 11, 9)),
    (Conv2d(out_channels=6, kernel_size=3, dilation=(2, 3), groups=3), (3, 13, 12)),
    (Conv2d(out_channels=64, kernel_size=3, padding=1, bias=False), (16, 10, 10)),
    (Conv2d(out_channels=3, kernel_size=(4, 3), padding="same"), (2, 7, 6)),
    (Conv2d(out_channels=3, kernel_size=(2, 4), dilation=(3, 2), padding="same"), (2, 7, 8)),
    (Conv2d(out_channels=3, kernel_size=3, stride=2, padding=((2, 0), (0, 1))), (2, 7, 6)),
    (MaxPool2d(kernel_size=3, stride=2, padding=1), (5, 12, 11)),
    (MaxPool2d(kernel_size=(3, 2), stride=2, padding=1, dilation=(2, 3)), (2, 9, 10)),
    (MaxPool2d(kernel_size=2, dilation=2, stride=3, ceil_mode=True), (2, 9, 11)),
    (MaxPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True), (2, 8, 10)),
    (MaxPool2d(kernel_size=2, ceil_mode=True), (2, 5, 7)),
    (AvgPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True), (2, 8, 9)),
    (AvgPool2d(kernel_size=3, stride=2, ceil_mode=True, count_include_pad=False), (2, 8, 10)),
    (AvgPool2d(kernel_size=(3, 2), stride=3, padding=1, ceil_mode=True), (2, 9, 8)),
    (GlobalAvgPool2d(), (3, 5, 4)),
    (Upsample2d(scale_factor=(2, 3)), (2, 4, 5)),
    (Upsample2d(scale_factor=(3, 2), mode="bilinear"), (2, 4, 5)),
    (Upsample2d(scale_factor=4, mode="bilinear"), (1, 1, 3)),
    (ELU(alpha=0.7), (3, 4)),
    (LeakyReLU(negative_slope=0.2), (3, 4)),
    (SiLU(), (3, 4)),
    (Softplus(), (3, 4)),
    (Softplus(beta=3, threshold=2), (3, 4)),
    (GELU(), (3, 40)),
    (GELU(approximate="tanh"), (3, 40)),
    (Softmax(), (3, 4, 5)),
    (Softmax(dim=-1), (3, 4, 5)),
    (LayerNorm(), (3, 4, 2)),
    (LayerNorm(normalized_shape=(4, 2), eps=0.1), (3, 4, 2)),
    (LayerNorm(normalized_shape=2, bias=False), (3, 4, 2)),
    (GroupNorm(num_groups=2), (4, 3, 2)),
    (GroupNorm(num_groups=4, affine=False, eps=0.1), (4, 3, 2)),
    (MaxPool2d(kernel_size=(2, 3), stride=1), (2, 6, 7)),
    (AvgPool2d(kernel_size=3, stride=2, padding=1, count_include_pad=False), (5, 12, 11)),
    (AvgPool2d(kernel_size=2), (3, 9, 8)),
    (BatchNorm2d(), (4, 5, 6)),
    (Linear(out_features=7), (3, 4, 2)),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
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
    name = type(layer).__name__
    if isinstance(layer, Conv2d):
        return lambda x, p: f.conv2d(*_padded(layer, x, p), layer.dilation, layer.groups)
    if isinstance(layer, MaxPool2d | AvgPool2d):
        given = {n: getattr(layer, n) for n in ("kernel_size", "stride", "padding", "ceil_mode")}
        if isinstance(layer, MaxPool2d):
            return lambda x, p: f.max_pool2d(x, **given, dilation=layer.dilation)
        return lambda x, p: f.avg_pool2d(x, **given, count_include_pad=layer.count_include_pad)
    if isinstance(layer, BatchNorm2d):
        return lambda x, p: f.batch_norm(x, None, None, p["weight"], p["bias"], training=True)
    if isinstance(layer, LayerNorm):
        shape = pair_or_tuple(layer.normalized_shape)
        return lambda x, p: f.layer_norm(
            x, shape or x.shape[1:], p.get("weight"), p.get("bias"), layer.eps
        )
    if isinstance(layer, GroupNorm):
        groups, eps = layer.num_groups, layer.eps
        return lambda x, p: f.group_norm(x, groups, p.get("weight"), p.get("bias"), eps)
    if isinstance(layer, Upsample2d):
        factor, mode = layer.scale_factor, layer.mode
        return lambda x, p: f.interpolate(x, scale_factor=factor, mode=mode)
    simple: dict[str, Any] = {
        "GlobalAvgPool2d": lambda x: f.adaptive_avg_pool2d(x, 1),
        "ELU": lambda x: f.elu(x, layer.alpha),
        "LeakyReLU": lambda x: f.leaky_relu(x, layer.negative_slope),
        "SiLU": f.silu,
        "Softplus": lambda x: f.softplus(x, layer.beta, layer.threshold),
        "GELU": lambda x: f.gelu(x, approximate=layer.approximate),
        "Softmax": lambda x: f.softmax(x, layer.dim),
    }
    if name in simple:
        return lambda x, p: simple[name](x)
    return lambda x, p: f.linear(x.flatten(1), p["weight"], p["bias"])


def pair_or_tuple(value: int | tuple[int, ...] | None) -> tuple[int, ...] | None:
    """A number as a tuple of one."""
    return (value,) if isinstance(value, int) else value


def _padded(layer: Conv2d, x: Any, p: Any) -> tuple[Any, ...]:
    """What PyTorch's convolution takes: uneven padding comes before it."""
    padding: Any = layer.padding
    if isinstance(padding, tuple) and isinstance(padding[0], tuple):
        x, padding = torch.nn.functional.pad(x, (*padding[1], *padding[0])), 0
    return x, p["weight"], p.get("bias"), layer.stride, padding
