"""Ties: windows of zeros give equal outputs, and the first largest wins, in every algorithm.

Other equal windows need not: matrix products round by place (docs/reliability.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lenetkit
from lenetkit.kernels.fused import ConvMaxPool2d
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.pooling import MaxPool2d
from lenetkit.operations import settings
from lenetkit.operations.base import Window
from lenetkit.operations.memory import Order
from tests.support.memory_orders import ORDERS, in_memory_order

Array = NDArray[Any]
BATCHES = [1, 2, 7, 8, 16, 17, 33, 64]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
@pytest.mark.parametrize("N", BATCHES)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("C", "O", "groups"), [(1, 6, 1), (6, 16, 1), (4, 4, 4), (40, 50, 1)])
def test_windows_of_zeros_give_the_bias_to_the_bit(
    monkeypatch: pytest.MonkeyPatch,
    N: int, C: int, O: int, groups: int, channels_last: bool, dtype: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(settings, "CHANNELS_LAST_FROM", 1 if channels_last else 10**9)
    rng = np.random.default_rng(N)
    weight = rng.normal(size=(O, C // groups, 3, 3)).astype(dtype)
    bias = rng.normal(size=O).astype(dtype)
    x = np.zeros((N, C, 9, 9), dtype)
    x[:, :, -1] = rng.normal(size=(N, C, 9))  # the last row of windows sees something
    kernels = NumpyKernels()
    scratch = Call(operations=kernels).scratch
    y, _ = kernels.conv2d(x, weight, bias, Window((3, 3)), groups, scratch)
    blank = y[:, :, :-1]
    np.testing.assert_array_equal(blank, np.broadcast_to(bias[:, None, None], blank.shape))


@DTYPES
@pytest.mark.parametrize("N", BATCHES)
def test_of_blank_windows_the_first_gets_the_gradient_of_the_fused_layer(
    N: int, dtype: Any
) -> None:
    rng = np.random.default_rng(N)
    layer = ConvMaxPool2d(
        conv=Conv2d(out_channels=6, kernel_size=1, in_channels=2), pool=MaxPool2d(kernel_size=2)
    )
    params = {
        "weight": rng.integers(-2, 3, (6, 2, 1, 1)).astype(dtype),
        "bias": rng.integers(1, 3, 6).astype(dtype),
    }
    dy = rng.integers(1, 4, (N, 6, 4, 4)).astype(dtype)
    call = Call(operations=NumpyKernels(), training=True)
    _, saved = layer.forward(params, np.zeros((N, 2, 8, 8), dtype), call)
    grads = {name: np.empty_like(values) for name, values in params.items()}
    dx = layer.backward(params, saved, dy.copy(), grads, call)
    expected = np.zeros((N, 2, 8, 8), dtype)
    expected[:, :, ::2, ::2] = np.einsum("nohw,oc->nchw", dy, params["weight"][..., 0, 0])
    np.testing.assert_array_equal(dx, expected)


@DTYPES
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("N", BATCHES)
def test_zeros_of_either_sign_are_equal(N: int, order: Order | None, dtype: Any) -> None:
    rng = np.random.default_rng(N)
    x = rng.choice(np.array([-0.0, 0.0], dtype), (N, 3, 8, 8))
    dy = rng.integers(1, 9, (N, 3, 4, 4)).astype(dtype)
    kernels = NumpyKernels()
    scratch = Call(operations=kernels).scratch
    y, saved = kernels.max_pool2d(in_memory_order(x, order), Window((2, 2), (2, 2)), scratch)
    np.testing.assert_array_equal(y, 0)
    dx = kernels.max_pool2d_backward(saved, dy.copy(), scratch)
    expected = np.zeros_like(x)
    expected[:, :, ::2, ::2] = dy
    np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize(("equal", "answer"), [((0, 1, 2, 3, 4), 0), ((2, 4), 2), ((3, 4), 3)])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mean_squared_error"])
def test_of_equal_outputs_the_first_is_the_answer(
    equal: tuple[int, ...], answer: int, loss: str
) -> None:
    network = lenetkit.build(
        {
            "lenetkit": 1,
            "name": "ties",
            "input": [1, 4, 4],
            "layers": {"fc": {"type": "linear", "out_features": 5}},
            "loss": loss,
        }
    )
    network.params[:] = 0
    network.tensors()["fc.bias"][list(equal)] = 0.25
    for n in (1, 3, 9, 64, 251):
        images = np.random.default_rng(n).integers(0, 256, (n, 4, 4), np.uint8)
        assert (network.predict(images) == answer).all()
        assert (network.evaluate(images, np.zeros(n, int)).predicted == answer).all()
