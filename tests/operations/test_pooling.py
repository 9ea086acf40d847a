"""Both poolings against the definition, one window at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.call import Call
from lenetkit.operations.base import Window
from lenetkit.operations.memory import BATCH_LAST, CHANNELS_LAST, Order
from tests.support.memory_orders import in_memory_order, orders

Array = NDArray[Any]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@dataclass
class Problem:
    """Few distinct integers, so that many windows hold their largest value twice."""

    x: Array
    dy: Array
    window: Window

    def pixels(self, i: int, j: int) -> Iterator[tuple[int, int]]:
        """The pixels of one window that lie inside the image, row by row."""
        (kh, kw), (sh, sw), (ph, pw) = self.window.kernel, self.window.stride, self.window.padding
        H, W = self.x.shape[2:]
        for u, v in np.ndindex(kh, kw):
            row, column = i * sh + u - ph, j * sw + v - pw
            if 0 <= row < H and 0 <= column < W:
                yield row, column


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    kernel = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding = draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2))
    window = Window(kernel, stride, padding)
    fits = [max(1, k - 2 * p) for k, p in zip(kernel, padding, strict=True)]
    H, W = (least + draw(st.integers(0, 4)) for least in fits)
    N, C = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = rng.integers(-3, 0, (N, C, H, W)).astype(np.float64)
    dy = rng.integers(1, 9, (N, C, *window.output_size(H, W))).astype(np.float64)
    return Problem(in_memory_order(x, draw(orders)), in_memory_order(dy, draw(orders)), window)


def max_pool(p: Problem, dtype: Any) -> tuple[Array, Array]:
    kernels = NumpyKernels()
    scratch = Call(operations=kernels).scratch
    y, saved = kernels.max_pool2d(p.x.astype(dtype), p.window, scratch)
    return y, kernels.max_pool2d_backward(saved, p.dy.astype(dtype), scratch)


def avg_pool(p: Problem, count_include_pad: bool, dtype: Any) -> tuple[Array, Array]:
    kernels = NumpyKernels()
    scratch = Call(operations=kernels).scratch
    y, saved = kernels.avg_pool2d(p.x.astype(dtype), p.window, count_include_pad, scratch)
    return y, kernels.avg_pool2d_backward(saved, p.dy.astype(dtype), scratch)


@DTYPES
@given(problem=problems())
def test_max_pooling_takes_the_first_largest_value_of_each_window(
    problem: Problem, dtype: Any
) -> None:
    expected_y, expected_dx = np.zeros(problem.dy.shape), np.zeros(problem.x.shape)
    for n, c, i, j in np.ndindex(problem.dy.shape):
        best = max(problem.pixels(i, j), key=lambda pixel: problem.x[n, c, *pixel])
        expected_y[n, c, i, j] = problem.x[n, c, *best]
        expected_dx[n, c, *best] += problem.dy[n, c, i, j]
    y, dx = max_pool(problem, dtype)
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(dx, expected_dx)


@DTYPES
@pytest.mark.parametrize("count_include_pad", [True, False])
@given(problem=problems())
def test_average_pooling_takes_the_mean_of_each_window(
    problem: Problem, count_include_pad: bool, dtype: Any
) -> None:
    expected_y, expected_dx = np.zeros(problem.dy.shape), np.zeros(problem.x.shape)
    for n, c, i, j in np.ndindex(problem.dy.shape):
        pixels = list(problem.pixels(i, j))
        count = np.prod(problem.window.kernel) if count_include_pad else len(pixels)
        for pixel in pixels:
            expected_y[n, c, i, j] += problem.x[n, c, *pixel] / count
            expected_dx[n, c, *pixel] += problem.dy[n, c, i, j] / count
    y, dx = avg_pool(problem, count_include_pad, dtype)
    assert y.dtype == dx.dtype == dtype
    rtol = 1e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(y, expected_y, rtol=rtol)
    np.testing.assert_allclose(dx, expected_dx, rtol=rtol)


def test_the_first_of_equal_values_gets_the_gradient() -> None:
    x = np.array([[[[5.0, 7.0, 1.0], [7.0, 7.0, 1.0], [0.0, 0.0, 0.0]]]])
    problem = Problem(x, np.full((1, 1, 1, 1), 2.0), Window((3, 3)))
    _, dx = max_pool(problem, np.float64)
    np.testing.assert_array_equal(dx[0, 0], [[0, 2, 0], [0, 0, 0], [0, 0, 0]])


def test_gradients_of_overlapping_max_windows_add() -> None:
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1
    problem = Problem(x, np.array([[[[1.0, 2.0], [4.0, 8.0]]]]), Window((2, 2)))
    _, dx = max_pool(problem, np.float64)
    np.testing.assert_array_equal(dx[0, 0], [[0, 0, 0], [0, 15, 0], [0, 0, 0]])


def test_gradients_of_overlapping_average_windows_add() -> None:
    problem = Problem(np.zeros((1, 1, 1, 3)), np.array([[[[2.0, 4.0]]]]), Window((1, 2)))
    _, dx = avg_pool(problem, True, np.float64)
    np.testing.assert_array_equal(dx[0, 0], [[1, 3, 2]])


@DTYPES
def test_a_nan_wins_its_own_windows_only(dtype: Any) -> None:
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    x[0, 0, 0, 1] = np.nan
    problem = Problem(x, np.ones((1, 1, 2, 2)), Window((2, 2), (2, 2)))
    y, dx = max_pool(problem, dtype)
    np.testing.assert_array_equal(y[0, 0], [[np.nan, 7], [13, 15]])
    np.testing.assert_array_equal(dx[0, 0, :, 2:], [[0, 0], [0, 1], [0, 0], [0, 1]])
    np.testing.assert_array_equal(dx[0, 0, 2:, :2], [[0, 0], [0, 1]])


@pytest.mark.parametrize("order", [BATCH_LAST, CHANNELS_LAST])
@pytest.mark.parametrize("pool", [max_pool, lambda problem, dtype: avg_pool(problem, True, dtype)])
def test_images_keep_their_memory_order(order: Order, pool: Any) -> None:
    x, dy = in_memory_order(np.ones((2, 3, 4, 4)), order), np.ones((2, 3, 2, 2))
    for found in pool(Problem(x, dy, Window((2, 2), (2, 2))), x.dtype):
        assert order.arrange(found).flags.c_contiguous
