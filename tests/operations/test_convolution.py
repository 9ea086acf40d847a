"""Convolution against the definition, one product at a time, however it is cut into blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.call import Call
from lenetkit.operations import blocks, convolution, settings
from lenetkit.operations.base import Window
from lenetkit.operations.batch_last import BatchLast
from lenetkit.operations.channels_last import ChannelsLast
from lenetkit.operations.memory import Order
from lenetkit.operations.products import Products
from tests.support.memory_orders import in_memory_order, orders

Array = NDArray[Any]


class Results(NamedTuple):
    y: Array
    dx: Array | None
    d_weight: Array
    d_bias: Array | None


@dataclass
class Problem:
    """Integers throughout, so that every order of summation gives the same float."""

    x: Array
    weight: Array
    bias: Array | None
    dy: Array
    window: Window
    groups: int

    def astype(self, dtype: Any) -> Problem:
        bias = None if self.bias is None else self.bias.astype(dtype)
        arrays = [a.astype(dtype) for a in (self.x, self.weight, self.dy)]
        return Problem(arrays[0], arrays[1], bias, arrays[2], self.window, self.groups)


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    window = Window(draw(pairs(1, 3)), draw(pairs(1, 3)), draw(pairs(0, 2)), draw(pairs(1, 2)))
    groups = draw(st.integers(1, 3))
    N = draw(st.integers(1, 2))
    C, O = (groups * draw(st.integers(1, 2)) for _ in range(2))
    fits = [max(1, e - 2 * p) for e, p in zip(window.extent, window.padding, strict=True)]
    H, W = (least + draw(st.integers(0, 4)) for least in fits)
    rng = np.random.default_rng(draw(st.integers(0, 999)))

    def whole(*shape: int) -> Array:
        return rng.integers(-4, 5, shape).astype(np.float64)

    return Problem(
        x=whole(N, C, H, W),
        weight=whole(O, C // groups, *window.kernel),
        bias=whole(O) if draw(st.booleans()) else None,
        dy=whole(N, O, *window.output_size(H, W)),
        window=window,
        groups=groups,
    )


def by_definition(p: Problem) -> Results:
    """y[n,o,i,j] = b[o] + Σ w[o,c,u,v] · x[n,c,…], and what each product adds to each gradient."""
    (H, W), (O, Cg, kh, kw) = p.x.shape[2:], p.weight.shape
    (sh, sw), (ph, pw), (dh, dw) = p.window.stride, p.window.padding, p.window.dilation
    y = np.zeros(p.dy.shape)
    dx, d_weight, d_bias = np.zeros(p.x.shape), np.zeros(p.weight.shape), np.zeros(O)
    for n, o, i, j in np.ndindex(y.shape):
        if p.bias is not None:
            y[n, o, i, j] += p.bias[o]
        d_bias[o] += p.dy[n, o, i, j]
        first = o // (O // p.groups) * Cg
        for c, u, v in np.ndindex(Cg, kh, kw):
            row, column = i * sh + u * dh - ph, j * sw + v * dw - pw
            if 0 <= row < H and 0 <= column < W:
                pixel = n, first + c, row, column
                y[n, o, i, j] += p.weight[o, c, u, v] * p.x[pixel]
                dx[pixel] += p.weight[o, c, u, v] * p.dy[n, o, i, j]
                d_weight[o, c, u, v] += p.x[pixel] * p.dy[n, o, i, j]
    return Results(y, dx, d_weight, None if p.bias is None else d_bias)


def computed(
    p: Problem,
    *,
    needs_input_grad: bool = True,
    x_order: Order | None = None,
    dy_order: Order | None = None,
) -> Results:
    """The kernels' results for arrays in some memory order."""
    kernels = NumpyKernels()
    scratch = Call(operations=kernels).scratch
    d_weight = np.full_like(p.weight, np.nan)
    d_bias = None if p.bias is None else np.full_like(p.bias, np.nan)
    x, dy = in_memory_order(p.x, x_order), in_memory_order(p.dy, dy_order)
    y, saved = kernels.conv2d(x, p.weight, p.bias, p.window, p.groups, scratch)
    y = y.copy()
    dx = kernels.conv2d_backward(saved, p.weight, dy, d_weight, d_bias, needs_input_grad, scratch)
    np.testing.assert_array_equal(x, p.x, err_msg="the input was written to")
    return Results(y, dx, d_weight, d_bias)


@contextmanager
def cut(
    width: int | None = None,
    strip: int | None = None,
    small: int | None = None,
    share: int | None = None,
    way: type[Products] | None = None,
) -> Iterator[None]:
    """Convolve in blocks of `width` outputs, strips of `strip` values, products of `small` cost,
    parts of `share` cost, one way or the other.
    """
    real = convolution.plan

    def plan(*of: Any) -> tuple[type[Products], blocks.Blocks]:
        chosen, cut = real(*of)
        return way or chosen, replace(cut, width=width or cut.width)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "plan", plan)
        if strip:
            patch.setattr(settings, "STRIP", strip)
        if share:
            patch.setattr(settings, "SHARED_FROM", share)
        if small:
            patch.setattr(settings, "SMALL_PRODUCT", small)
            patch.setattr(settings, "MIN_ROWS", 1)
        yield


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def assert_same(found: Results, expected: Results, dtype: Any = np.float64) -> None:
    for name, a, b in zip(Results._fields, found, expected, strict=True):
        if a is None or b is None:
            assert a is b, name
        else:
            assert a.dtype == dtype, name
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(problem=problems())
def test_convolution_follows_the_definition(problem: Problem, dtype: Any) -> None:
    assert_same(computed(problem.astype(dtype)), by_definition(problem), dtype)


@given(problem=problems(), data=st.data())
def test_cutting_into_blocks_changes_no_result(problem: Problem, data: st.DataObject) -> None:
    expected = computed(problem)
    maps = problem.dy.shape[1] // problem.groups
    widths = divisors(problem.dy.shape[3]) if 1 in (problem.groups, maps) else [1]
    strip, small = data.draw(st.sampled_from([1, 50, 10**6])), data.draw(st.integers(1, 300))
    share = data.draw(st.sampled_from([1, 200, 10**9]))
    width, way = data.draw(st.sampled_from([*((w, BatchLast) for w in widths), (1, ChannelsLast)]))
    with cut(width, strip, small, share, way):
        found = computed(problem, x_order=data.draw(orders), dy_order=data.draw(orders))
    assert_same(found, expected)


@pytest.mark.parametrize("channels", [31, 32, 33])
@pytest.mark.parametrize("batch", [1, 31, 32, 33])
def test_the_larger_of_channels_and_batch_is_the_innermost_axis(channels: int, batch: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (batch, channels, 4, 5)).astype(float)
    weight = rng.integers(-4, 5, (3, channels, 2, 2)).astype(float)
    y, products = NumpyKernels().conv2d(
        x, weight, None, Window((2, 2)), 1, Call(operations=NumpyKernels()).scratch
    )
    expected = ChannelsLast if channels >= 32 and channels > batch else BatchLast
    assert type(products) is expected
    assert products.order.arrange(y).flags.c_contiguous
    dy = rng.integers(-4, 5, y.shape).astype(float)
    problem = Problem(x, weight, None, dy, Window((2, 2)), 1)
    other = BatchLast if expected is ChannelsLast else ChannelsLast
    with cut(width=1, way=other):
        right = computed(problem)
    assert_same(computed(problem), right)


@pytest.mark.parametrize("maps", [1, 6, 16, 100])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("W", [5, 14, 27, 28])
def test_blocks_tile_every_row_of_outputs(maps: int, groups: int, W: int) -> None:
    window = Window((3, 3), padding=(1, 1))
    plan = blocks.plan_blocks((9, W), (groups * maps, 2, 3, 3), window, groups, True)
    assert plan.width in (divisors(W) if 1 in (groups, maps) else [1])
    for rows, multiple in [(9, 1), (8, 2), (6, 3)]:
        parts = plan.parts(100_000, rows, multiple)
        strips = [strip for part in parts for strip in plan.strips(part, 100, multiple)]
        for strip in strips:
            pieces = plan.columns(strip, 100)
            assert [x for piece in pieces for x in range(W)[piece]] == list(range(W))
            assert len(pieces) == 1 or strip.stop - strip.start == 1
        assert [row for strip in strips for row in range(9)[strip]] == list(range(rows))
        assert all((strip.stop - strip.start) % multiple == 0 for strip in strips)


@pytest.mark.parametrize(("width", "way"), [(1, BatchLast), (2, BatchLast), (1, ChannelsLast)])
@pytest.mark.parametrize("batch", [1, 2])
def test_gradients_of_overlapping_windows_add(width: int, way: type[Products], batch: int) -> None:
    """Every window's gradient arrives at a pixel, not only the last one's."""
    x, weight, dy = (np.ones((n, 1, s, s)) for n, s in [(batch, 4), (1, 3), (batch, 2)])
    windows_over_each_pixel = [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]
    with cut(width, way=way):
        dx = computed(Problem(x, weight, None, dy, Window((3, 3)), 1)).dx
    assert dx is not None
    np.testing.assert_array_equal(dx[:, 0], [windows_over_each_pixel] * batch)


@given(problem=problems())
def test_without_an_input_gradient_the_others_stay_the_same(problem: Problem) -> None:
    expected = computed(problem)
    found = computed(problem, needs_input_grad=False)
    assert_same(found, expected._replace(dx=None))
