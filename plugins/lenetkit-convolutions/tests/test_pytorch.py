"""A second opinion, where PyTorch is installed: the same weights give the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lenetkit_convolutions.conv_transpose2d import ConvTranspose2d
from lenetkit_convolutions.dilated_pyramid2d import DilatedPyramid2d
from lenetkit_convolutions.separable_conv2d import SeparableConv2d

from lenetkit.authoring import Call, Layer, NumpyKernels, Shape, pair

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is an optional oracle")

LAYERS: list[tuple[Layer, Shape]] = [
    (ConvTranspose2d(out_channels=6, kernel_size=5), (4, 7, 9)),
    (ConvTranspose2d(out_channels=6, kernel_size=(3, 4), stride=(2, 3), padding=(1, 2)), (4, 7, 6)),
    (ConvTranspose2d(out_channels=6, kernel_size=4, stride=2, padding=1, groups=3), (9, 5, 6)),
    (ConvTranspose2d(out_channels=3, kernel_size=1, stride=3, output_padding=(2, 1)), (2, 4, 3)),
    (ConvTranspose2d(out_channels=2, kernel_size=2, padding=3, dilation=2, bias=False), (3, 9, 8)),
    (
        ConvTranspose2d(
            out_channels=5,
            kernel_size=(2, 3),
            stride=(1, 2),
            padding=(1, 3),
            output_padding=(2, 4),
            dilation=(3, 5),
        ),
        (3, 5, 6),
    ),
    (SeparableConv2d(out_channels=6, kernel_size=5), (4, 9, 8)),
    (SeparableConv2d(out_channels=5, kernel_size=(3, 2), stride=(2, 1), padding=1), (3, 8, 9)),
    (SeparableConv2d(out_channels=7, kernel_size=3, dilation=2, depth_multiplier=3), (4, 9, 8)),
    (DilatedPyramid2d(out_channels=12, dilations=(1, 2, 4, 8)), (3, 11, 10)),
    (DilatedPyramid2d(out_channels=4, kernel_size=(5, 3), dilations=(3, 1), stride=2), (2, 9, 12)),
]


@pytest.mark.parametrize(("layer", "in_shape"), LAYERS, ids=lambda value: str(value)[:60])
def test_forward_and_gradients_are_pytorchs(layer: Layer, in_shape: Shape) -> None:
    rng = np.random.default_rng(1)
    specs = layer.param_specs(in_shape)
    params = {name: rng.normal(size=spec.shape) for name, spec in specs.items()}
    grads = {name: np.empty(spec.shape) for name, spec in specs.items()}
    x = rng.normal(size=(4, *in_shape))
    call = Call(operations=NumpyKernels(), training=True)
    y, saved = layer.forward(params, x, call)
    found, dy = {"y": y.copy()}, rng.normal(size=y.shape)
    found["dx"] = np.array(layer.backward(params, saved, dy.copy(), grads, call))

    leaves = {name: torch.tensor(values, requires_grad=True) for name, values in params.items()}
    tx = torch.tensor(x, requires_grad=True)
    ty = twin(layer)(tx, leaves)
    ty.backward(torch.tensor(dy))
    expected = {"y": ty.detach(), "dx": tx.grad} | {n: leaf.grad for n, leaf in leaves.items()}
    assert y.shape[1:] == layer.output_shape(in_shape)
    for name, values in (found | grads).items():
        np.testing.assert_allclose(values, expected[name].numpy(), rtol=1e-9, atol=1e-10)


def twin(layer: Layer) -> Callable[[Any, dict[str, Any]], Any]:
    """The layer as PyTorch has it, of an input and parameters."""
    f = torch.nn.functional
    if isinstance(layer, ConvTranspose2d):
        return lambda x, p: f.conv_transpose2d(
            x, p["weight"], p.get("bias"), layer.stride, layer.padding, layer.output_padding,
            layer.groups, layer.dilation,
        )  # fmt: skip
    if isinstance(layer, SeparableConv2d):

        def separable(x: Any, p: dict[str, Any]) -> Any:
            z = f.conv2d(
                x, p["depthwise"], None, layer.stride, layer.padding, layer.dilation, x.shape[1]
            )
            return f.conv2d(z, p["pointwise"], p.get("bias"))

        return separable
    assert isinstance(layer, DilatedPyramid2d)

    def pyramid(x: Any, p: dict[str, Any]) -> Any:
        parts = len(layer.dilations)
        weights, biases = p["weight"].chunk(parts), p["bias"].chunk(parts)
        (kh, kw), outputs = pair(layer.kernel_size), []
        for weight, bias, d in zip(weights, biases, layer.dilations, strict=True):
            padding = (d * (kh - 1) // 2, d * (kw - 1) // 2)
            outputs.append(f.conv2d(x, weight, bias, layer.stride, padding, d))
        return torch.cat(outputs, dim=1)

    return pyramid
