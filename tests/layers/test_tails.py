"""Far from 0, where an activation nears its bounds, its small values keep their precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.activations import Sigmoid, Tanh
from lenetkit.layers.call import Call
from lenetkit.losses import SoftmaxCrossEntropy

TINY = float(np.finfo(np.float32).tiny)
"""The smallest normal number."""
TAIL = np.concatenate([np.linspace(-87.3, 0, 20_001), -np.logspace(-8, 1.9, 5_001)])


def sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    """In float64."""
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def test_sigmoid_of_minus_20() -> None:
    x = np.array([-20], np.float32)
    y = Sigmoid().function(x, np.empty_like(x))
    assert y[0] == pytest.approx(2.0611536e-9, rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 15, 16, 17, 33, len(TAIL)])
def test_sigmoid_keeps_its_small_values_and_their_gradients(n: int) -> None:
    """For every length, because vector instructions end in a remainder."""
    x = TAIL[:: max(1, len(TAIL) // n)][:n].astype(np.float32)
    call = Call(operations=NumpyKernels(), training=True)
    y, saved = Sigmoid().forward({}, x.copy(), call)
    expected = sigmoid(x)
    assert expected.min() >= TINY
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    dx = Sigmoid().backward({}, saved, np.ones_like(y), {}, call)
    assert dx is not None
    np.testing.assert_allclose(dx, expected * (1 - expected), rtol=1e-6)
    d2x = Sigmoid().second_backward({}, saved, np.ones_like(y), {}, call)
    square = (expected * (1 - expected)) ** 2
    np.testing.assert_allclose(d2x, square, rtol=2e-6, atol=TINY)


def test_tanh_keeps_its_small_values() -> None:
    x = np.concatenate([np.logspace(-37, 2, 5_001), -np.logspace(-37, 2, 5_001)])
    x = x.astype(np.float32)
    y, _ = Tanh().forward({}, x.copy(), Call(operations=NumpyKernels()))
    np.testing.assert_allclose(y, np.tanh(x.astype(np.float64)), rtol=1e-6)


def test_softmax_keeps_its_small_probabilities() -> None:
    outputs = np.zeros((len(TAIL), 10), np.float32)
    outputs[:, 1:] = TAIL[:, None]
    exponentials = np.exp(outputs.astype(np.float64))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    found = SoftmaxCrossEntropy().probabilities(outputs)
    normal = expected >= TINY
    np.testing.assert_allclose(found[normal], expected[normal], rtol=1e-6)


def test_the_loss_of_sure_and_wrong_answers_is_their_distance() -> None:
    outputs = np.zeros((len(TAIL), 10), np.float32)
    outputs[:, 1:] = TAIL[:, None]
    losses, saved = SoftmaxCrossEntropy().forward(outputs, np.ones(len(TAIL), np.int64))
    exact = outputs.astype(np.float64)
    expected = np.log(np.exp(exact).sum(axis=1)) - exact[:, 1]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    gradient = SoftmaxCrossEntropy().backward(saved) * len(TAIL)
    small = np.exp(exact[:, 2]) / np.exp(exact).sum(axis=1)
    normal = small / len(TAIL) >= TINY
    np.testing.assert_allclose(gradient[normal, 2], small[normal], rtol=1e-6)
