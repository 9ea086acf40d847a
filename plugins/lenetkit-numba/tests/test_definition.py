"""Convolution against its definition and against NumPy's kernels, on whole numbers: exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lenetkit_numba.kernels import NumbaKernels
from numpy.typing import NDArray

from lenetkit.authoring import Call, Kernels, NumpyKernels, Window

Array = NDArray[Any]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
MOST = 64  # images: four blocks in float32, eight in float64, with the widest vectors


class Results(NamedTuple):
    """Of a forward and a backward pass."""

    y: Array
    dx: Array | None
    d_weight: Array
    d_bias: Array | None


@dataclass
class Problem:
    """A convolution with everything that goes into both passes, in float64."""

    x: Array
    weight: Array
    bias: Array | None
    dy: Array
    window: Window
    groups: int


def problem(
    N: int,
    channels: int,
    maps: int,
    size: tuple[int, int],
    window: Window,
    *,
    groups: int = 1,
    bias: bool = True,
    seed: int = 0,
) -> Problem:
    """Whole numbers, small enough that all sums are exact in float32 too."""
    rng = np.random.default_rng(seed)

    def whole(*shape: int) -> Array:
        return rng.integers(-3, 4, shape).astype(np.float64)

    return Problem(
        x=whole(N, channels, *size),
        weight=whole(maps, channels // groups, *window.kernel),
        bias=whole(maps) if bias else None,
        dy=whole(N, maps, *window.output_size(*size)),
        window=window,
        groups=groups,
    )


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    window = Window(draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(0, 2)), draw(pairs(1, 3)))
    groups = draw(st.integers(1, 3))
    fits = [max(1, e - 2 * p) for e, p in zip(window.extent, window.padding, strict=True)]
    H, W = (least + draw(st.integers(0, 7)) for least in fits)
    return problem(
        draw(st.integers(0, 3)),
        groups * draw(st.integers(1, 3)),
        groups * draw(st.integers(1, 7)),
        (H, W),
        window,
        groups=groups,
        bias=draw(st.booleans()),
        seed=draw(st.integers(0, 999)),
    )


def by_definition(p: Problem) -> Results:
    """One weight at a time: y += w · x, and what each such product adds to the gradients."""
    (O, Cg, kh, kw), (OH, OW) = p.weight.shape, p.dy.shape[2:]
    (sh, sw), (ph, pw), (dh, dw) = p.window.stride, p.window.padding, p.window.dilation
    x = np.pad(p.x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    y, dx, d_weight = np.zeros(p.dy.shape), np.zeros(x.shape), np.zeros(p.weight.shape)
    for o, c, u, v in np.ndindex(O, Cg, kh, kw):
        channel = o // (O // p.groups) * Cg + c
        rows = slice(u * dh, u * dh + sh * (OH - 1) + 1, sh)
        columns = slice(v * dw, v * dw + sw * (OW - 1) + 1, sw)
        y[:, o] += p.weight[o, c, u, v] * x[:, channel, rows, columns]
        dx[:, channel, rows, columns] += p.weight[o, c, u, v] * p.dy[:, o]
        d_weight[o, c, u, v] = (p.dy[:, o] * x[:, channel, rows, columns]).sum()
    inside = dx[:, :, ph : ph + p.x.shape[2], pw : pw + p.x.shape[3]]
    if p.bias is None:
        return Results(y, inside, d_weight, None)
    return Results(y + p.bias[:, None, None], inside, d_weight, p.dy.sum(axis=(0, 2, 3)))


def computed(p: Problem, dtype: Any, kernels: Kernels, order: str = "C") -> Results:
    """The kernels' results, for images in some memory order."""
    scratch = Call(operations=kernels).scratch
    x, weight, dy = (ORDERS[order](a.astype(dtype)) for a in (p.x, p.weight, p.dy))
    weight = np.ascontiguousarray(weight)
    bias = None if p.bias is None else p.bias.astype(dtype)
    d_weight = np.full(weight.shape, np.nan, dtype)
    d_bias = None if bias is None else np.full(bias.shape, np.nan, dtype)
    y, saved = kernels.conv2d(x, weight, bias, p.window, p.groups, scratch)
    y = y.copy()
    dx = kernels.conv2d_backward(saved, weight, dy.copy("K"), d_weight, d_bias, True, scratch)
    return Results(y, dx, d_weight, d_bias)


def _batch_last(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)


ORDERS: dict[str, Callable[[Array], Array]] = {
    "C": np.ascontiguousarray,
    "batch last": _batch_last,
    "Fortran": np.asfortranarray,
}


def assert_same(found: Results, expected: Results) -> None:
    for name, a, b in zip(Results._fields, found, expected, strict=True):
        if a is None or b is None:
            assert a is b, name
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


@DTYPES
@settings(deadline=None)
@given(problem=problems(), order=st.sampled_from(list(ORDERS)))
def test_every_window_follows_the_definition(problem: Problem, order: str, dtype: Any) -> None:
    assert_same(computed(problem, dtype, NumbaKernels(), order), by_definition(problem))


@DTYPES
@pytest.mark.parametrize("order", ["C", "batch last"])
@pytest.mark.parametrize("N", [0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 33, MOST])
def test_every_size_of_batch_follows_the_definition(N: int, order: str, dtype: Any) -> None:
    """Whole blocks of images and begun ones, of as many images as any vector has lanes."""
    p = problem(N, 2, 5, (7, 6), Window((3, 2), padding=(1, 0)))
    assert_same(computed(p, dtype, NumbaKernels(), order), by_definition(p))


@pytest.mark.parametrize("maps", range(1, 14))
def test_every_number_of_maps_follows_the_definition(maps: int) -> None:
    """Whole tiles of maps and begun ones, of either kind, going forth and back."""
    p = problem(5, 14 - maps, maps, (6, 7), Window((3, 3)))
    assert_same(computed(p, np.float32, NumbaKernels()), by_definition(p))


def test_a_large_batch_agrees_with_the_numpy_kernels() -> None:
    p = problem(4096, 1, 3, (6, 6), Window((3, 3)))
    found = computed(p, np.float32, NumbaKernels())
    assert_same(found, computed(p, np.float32, NumpyKernels()))


def test_nan_stays_in_its_image_and_reaches_every_weight() -> None:
    p = problem(20, 1, 2, (5, 5), Window((3, 3)))
    p.x[17, 0, 2, 2] = np.nan
    found = computed(p, np.float32, NumbaKernels())
    assert np.isnan(found.y[17]).all()
    assert np.isfinite(np.delete(found.y, 17, axis=0)).all()
    assert np.isnan(found.d_weight).all()
    assert found.dx is not None
    assert np.isfinite(found.dx).all()


@DTYPES
@pytest.mark.parametrize("N", [1, 2, 7, 16, 33, 64])
def test_windows_of_zeros_give_the_bias_to_the_bit(N: int, dtype: Any) -> None:
    rng = np.random.default_rng(N)
    weight, bias = rng.normal(size=(7, 3, 3, 3)).astype(dtype), rng.normal(size=7).astype(dtype)
    kernels = NumbaKernels()
    scratch = Call(operations=kernels).scratch
    y, _ = kernels.conv2d(np.zeros((N, 3, 9, 9), dtype), weight, bias, Window((3, 3)), 1, scratch)
    np.testing.assert_array_equal(y, np.broadcast_to(bias[:, None, None], y.shape))
