"""Every layer's gradients against central differences, for many shapes and options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.arrays import Shape
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from lenetkit.layers.base import Layer
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.dropout import Dropout
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.linear import Linear
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from tests.support.gradients import assert_gradient

Array = NDArray[Any]

SEEDS = st.integers(0, 999)
BATCHES = st.integers(1, 3)
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
IMAGES = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def spread(rng: np.random.Generator, shape: Shape) -> Array:
    """Values in (−3, 3), far enough from 0 and each other that no kink lies between them."""
    places = rng.permutation(int(np.prod(shape))).reshape(shape)
    return 6 * (places + 0.5 + 0.25 * rng.random()) / places.size - 3


def check(
    layer: Layer,
    in_shape: Shape,
    batch: int,
    seed: int,
    *,
    training: bool = False,
) -> None:
    """The gradients of Σ dy · y for a random dy, for the input and every parameter."""
    rng = np.random.default_rng(seed)
    x = spread(rng, (batch, *in_shape))
    dy = rng.normal(size=(batch, *layer.output_shape(in_shape)))
    specs, state_specs = layer.param_specs(in_shape), layer.state_specs(in_shape)
    params: dict[str, Array] = {name: rng.uniform(0.5, 2, s.shape) for name, s in specs.items()}
    state: dict[str, Array] = {n: rng.uniform(0.5, 2, s.shape) for n, s in state_specs.items()}
    grads = {n: np.full(s.shape, np.nan) for n, s in specs.items()}
    call = Call(operations=NumpyKernels(), training=training, rng_key=(seed,), state=state)

    def loss() -> float:
        call.begin()
        return float((dy * layer.forward(params, x, call)[0]).sum())

    _, saved = layer.forward(params, x, call)
    dx = layer.backward(params, saved, dy.copy(), grads, call)
    assert dx is not None
    assert_gradient(dx.copy(), loss, x)
    for name, gradient in grads.items():
        assert_gradient(gradient, loss, params[name])


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Conv2d, Shape]:
    groups = draw(st.integers(1, 3))
    layer = Conv2d(
        out_channels=groups * draw(st.integers(1, 2)),
        kernel_size=draw(pairs(1, 3)),
        stride=draw(pairs(1, 3)),
        padding=draw(pairs(0, 2)),
        dilation=draw(st.one_of(st.just((1, 1)), pairs(1, 2))),
        groups=groups,
        bias=draw(st.booleans()),
    )
    return layer, (groups * draw(st.integers(1, 2)), *draw(sizes(layer)))


@st.composite
def poolings(draw: st.DrawFn, kind: type[MaxPool2d] | type[AvgPool2d]) -> tuple[Layer, Shape]:
    kernel = draw(pairs(1, 4))
    padding = draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2))
    options: dict[str, Any] = {"kernel_size": kernel, "padding": padding}
    options["stride"] = draw(st.none() | pairs(1, 4))
    if kind is AvgPool2d:
        options["count_include_pad"] = draw(st.booleans())
    layer = kind(**options)
    return layer, (draw(st.integers(1, 2)), *draw(sizes(layer)))


@st.composite
def sizes(draw: st.DrawFn, layer: Conv2d | MaxPool2d | AvgPool2d) -> tuple[int, int]:
    """A height and width that fit at least one window."""
    window = layer.window
    fits = [max(1, e - 2 * p) for e, p in zip(window.extent, window.padding, strict=True)]
    return fits[0] + draw(st.integers(0, 3)), fits[1] + draw(st.integers(0, 3))


@settings(max_examples=40)
@given(case=convolutions(), batch=BATCHES, seed=SEEDS)
def test_conv2d(case: tuple[Layer, Shape], batch: int, seed: int) -> None:
    check(*case, batch, seed)


@settings(max_examples=40)
@given(case=poolings(MaxPool2d), batch=BATCHES, seed=SEEDS)
def test_max_pool2d(case: tuple[Layer, Shape], batch: int, seed: int) -> None:
    check(*case, batch, seed)


@settings(max_examples=40)
@given(case=poolings(AvgPool2d), batch=BATCHES, seed=SEEDS)
def test_avg_pool2d(case: tuple[Layer, Shape], batch: int, seed: int) -> None:
    check(*case, batch, seed)


@pytest.mark.parametrize(
    "layer",
    [ReLU(), LeakyReLU(), LeakyReLU(negative_slope=0.3), Sigmoid(), Tanh(), Flatten()],
    ids=repr,
)
@settings(max_examples=10)
@given(in_shape=SHAPES, batch=BATCHES, seed=SEEDS)
def test_layers_without_parameters(layer: Layer, in_shape: Shape, batch: int, seed: int) -> None:
    check(layer, in_shape, batch, seed)


@settings(max_examples=20)
@given(in_shape=SHAPES, out=st.integers(1, 4), bias=st.booleans(), batch=BATCHES, seed=SEEDS)
def test_linear(in_shape: Shape, out: int, bias: bool, batch: int, seed: int) -> None:
    check(Linear(out_features=out, bias=bias), in_shape, batch, seed)


@pytest.mark.parametrize("training", [True, False])
@settings(max_examples=10)
@given(in_shape=SHAPES, p=st.floats(0, 0.9), batch=BATCHES, seed=SEEDS)
def test_dropout(
    training: bool,
    in_shape: Shape,
    p: float,
    batch: int,
    seed: int,
) -> None:
    check(Dropout(p=p), in_shape, batch, seed, training=training)


@pytest.mark.parametrize("training", [True, False])
@settings(max_examples=20)
@given(in_shape=IMAGES, affine=st.booleans(), batch=BATCHES, seed=SEEDS)
def test_batch_norm2d(
    training: bool,
    in_shape: Shape,
    affine: bool,
    batch: int,
    seed: int,
) -> None:
    layer = BatchNorm2d(affine=affine, eps=0.1)
    check(layer, in_shape, batch, seed, training=training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch", [1, 2])
def test_batch_norm2d_of_single_values(training: bool, batch: int) -> None:
    check(BatchNorm2d(eps=0.1), (3, 1, 1), batch, 0, training=training)
