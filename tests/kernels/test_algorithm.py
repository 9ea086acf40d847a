"""What the NumPy kernels say about how they compute a layer is what they do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lenetkit.kernels.fused import ConvMaxPool2d, ReLUMaxPool2d
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.activations import ReLU
from lenetkit.layers.base import Layer
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.pooling import MaxPool2d
from lenetkit.operations import batch_last, channels_last

POOL = MaxPool2d(kernel_size=2)


@pytest.mark.parametrize("batch", [3, 500])
@pytest.mark.parametrize(
    ("conv", "in_shape"),
    [
        (Conv2d(out_channels=6, kernel_size=5), (1, 28, 28)),
        (Conv2d(out_channels=8, kernel_size=3, padding=1, groups=2, bias=False), (4, 12, 10)),
        (Conv2d(out_channels=4, kernel_size=3, stride=2), (3, 17, 17)),
    ],
)
def test_products_have_the_described_shapes(
    conv: Conv2d, in_shape: tuple[int, int, int], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    products: list[tuple[int, ...]] = []
    strips: list[int] = []

    def multiply(matrix: Any, patches: Any, out: Any) -> None:
        products.append((*matrix.shape[1:], patches.shape[-1]))
        strips.append(patches.shape[1])
        out[...] = 0

    monkeypatch.setattr(batch_last, "multiply", multiply)
    kernels = NumpyKernels()
    shapes = conv.param_specs(in_shape)
    params = {name: np.ones(spec.shape, np.float32) for name, spec in shapes.items()}
    x = np.zeros((batch, *in_shape), np.float32)
    conv.forward(params, x, Call(operations=kernels))
    told = kernels.algorithm(conv, in_shape, batch)
    m, k, n = next(iter(set(products)))
    width = m // (conv.out_channels // conv.groups)
    way = "im2col" if width == 1 else f"blocks of {width} outputs"
    assert told == f"{way}, {m}×{k}×{n} each"

    strips.clear()
    fused = ConvMaxPool2d(conv=conv, pool=POOL)
    fused.forward(params, x, Call(operations=kernels))
    rows = conv.output_shape(in_shape)[1] // 2 * 2
    assert (
        kernels.algorithm(fused, in_shape, batch) == f"{told}, {strips[0]} of {rows} rows at a time"
    )
    assert sum(strips) == rows


@pytest.mark.parametrize("batch", [3, 20])
def test_products_over_many_channels_have_the_described_shapes(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    products: list[tuple[int, int, int]] = []

    def multiply(patches: Any, matrix: Any, out: Any) -> None:
        products.append((*patches.shape[1:], matrix.shape[2]))
        out[...] = 0

    monkeypatch.setattr(channels_last, "multiply", multiply)
    conv = Conv2d(out_channels=40, kernel_size=3, in_channels=32)
    shapes = conv.param_specs((32, 12, 13))
    params = {name: np.ones(spec.shape, np.float32) for name, spec in shapes.items()}
    x = np.zeros((batch, 32, 12, 13), np.float32)
    conv.forward(params, x, Call(operations=NumpyKernels()))
    rows = sum(m for m, _, _ in products) // 10
    assert {(k, n) for _, k, n in products} == {(289, 40)}
    told = NumpyKernels().algorithm(conv, (32, 12, 13), batch)
    assert rows == 11 * batch
    assert told == f"im2col, channels last, 11·{batch}×289×40 a row"


@dataclass(frozen=True, kw_only=True)
class OwnConv2d(Conv2d):
    """A subclass of convolution, about which nothing is known."""


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (ReLU(), ""),
        (POOL, ""),
        (OwnConv2d(out_channels=2, kernel_size=3), ""),
        (ReLUMaxPool2d(pool=POOL), "pooled before rectified"),
    ],
)
def test_other_layers_are_described_by_what_is_changed(layer: Layer, told: str) -> None:
    assert NumpyKernels().algorithm(layer, (1, 8, 8), 4) == told


def test_a_convolution_is_described_in_words() -> None:
    told = NumpyKernels().algorithm(Conv2d(out_channels=6, kernel_size=5), (1, 28, 28), 64)
    assert re.fullmatch(r"blocks of 3 outputs, 18×36×64 each", told)
