"""Pooling along one axis after the other: first across each row, then down.

The largest of a window is the largest of its rows' largest, and a sum is the sum of its rows'
sums, so a window of kh·kw pixels costs kh + kw passes instead of kh·kw.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lenetkit.kernels import memory
from lenetkit.kernels.base import Array, Pair, Scratch, Window

Index = tuple[slice, ...]
_DOWN, _ACROSS = 0, 1


class MaxSaved(NamedTuple):
    """What max pooling's backward pass needs: its padded input, each row's largest, its output."""

    padded: Array
    across: Array
    y: Array
    window: Window


class AvgSaved(NamedTuple):
    """What average pooling's backward pass needs: one over each window's count."""

    weight: Array
    window: Window
    in_shape: tuple[int, ...]


def _places(window: Window, out: Pair, axis: int) -> Iterator[Index]:
    """For each place in the window along an axis: the pixels that stand there in all windows."""
    stride = window.stride[axis]
    for k in range(window.kernel[axis]):
        pixels = slice(k, k + stride * (out[axis] - 1) + 1, stride)
        yield (pixels,) if axis == _DOWN else (slice(None), pixels)


def max_forward(x: Array, window: Window, scratch: Scratch) -> tuple[Array, MaxSaved]:
    """The largest value of each window, (N, C, OH, OW); NaN wins over everything."""
    N, C, H, W = x.shape
    out = window.output_size(H, W)
    padded = memory.pad(x, window.padding, -np.inf, scratch)
    across = scratch("across", (len(padded), out[1], C, N), x.dtype)
    _fold(np.maximum, padded, across, window, out, _ACROSS)
    y = scratch("y", (*out, C, N), x.dtype)
    _fold(np.maximum, across, y, window, out, _DOWN)
    return memory.batch_first(y), MaxSaved(padded, across, y, window)


def max_backward(saved: MaxSaved, dy: Array, scratch: Scratch) -> Array:
    """dL/dx: each gradient goes to the first largest value of its window, row by row."""
    padded, across, y, window = saved
    out = (y.shape[0], y.shape[1])
    dy = memory.contiguous("dy", memory.batch_last(dy), scratch)
    d_across = scratch("d_across", across.shape, dy.dtype)
    _give_to_first(across, y, dy, d_across, window, out, _DOWN, scratch)
    dx = scratch("dx", padded.shape, dy.dtype)
    _give_to_first(padded, across, d_across, dx, window, out, _ACROSS, scratch)
    return memory.unpad(dx, window.padding)


def avg_forward(
    x: Array, window: Window, count_include_pad: bool, scratch: Scratch
) -> tuple[Array, AvgSaved]:
    """The mean of each window, (N, C, OH, OW)."""
    N, C, H, W = x.shape
    out = window.output_size(H, W)
    padded = memory.pad(x, window.padding, 0, scratch)
    across = scratch("across", (len(padded), out[1], C, N), x.dtype)
    _fold(np.add, padded, across, window, out, _ACROSS)
    y = scratch("y", (*out, C, N), x.dtype)
    _fold(np.add, across, y, window, out, _DOWN)
    weight = _one_over_count(window, (H, W), out, count_include_pad, x.dtype)
    y *= weight
    return memory.batch_first(y), AvgSaved(weight, window, x.shape)


def avg_backward(saved: AvgSaved, dy: Array, scratch: Scratch) -> Array:
    """dL/dx: each gradient spread evenly over its window."""
    weight, window, (N, C, H, W) = saved
    last = memory.batch_last(dy)
    out = (last.shape[0], last.shape[1])
    share = scratch("share", last.shape, dy.dtype)
    np.multiply(last, weight, out=share)
    height, width = window.padded(H, W)
    across = memory.zeros("across", (height, out[1], C, N), scratch, dy)
    for place in _places(window, out, _DOWN):
        across[place] += share
    dx = memory.zeros("dx", (height, width, C, N), scratch, dy)
    for place in _places(window, out, _ACROSS):
        dx[place] += across
    return memory.unpad(dx, window.padding)


def _fold(join: np.ufunc, x: Array, y: Array, window: Window, out: Pair, axis: int) -> None:
    """y = join over the window along one axis."""
    first, *others = _places(window, out, axis)
    y[...] = x[first]
    for place in others:
        join(y, x[place], out=y)


def _give_to_first(
    x: Array, y: Array, dy: Array, dx: Array, window: Window, out: Pair, axis: int, scratch: Scratch
) -> None:
    """dx: each dy at the first place along the axis where x equals y. Uses `dy` up."""
    kernel, stride, length = window.kernel[axis], window.stride[axis], x.shape[axis]
    *places, last = _places(window, out, axis)
    wins: Any = scratch("wins", dy.shape, bool)
    if kernel <= stride:  # no pixel is in two windows: write, for adding takes twice as long
        if not kernel == stride == length // out[axis] == length / out[axis]:
            dx.fill(0)
        for place in places:
            np.equal(x[place], y, out=wins)
            np.multiply(dy, wins, out=dx[place])
            dy -= dx[place]
        dx[last] = dy
        return
    dx.fill(0)
    share = scratch("share", dy.shape, dy.dtype)
    for place in places:
        np.equal(x[place], y, out=wins)
        np.multiply(dy, wins, out=share)
        dx[place] += share
        dy -= share
    dx[last] += dy


def _one_over_count(
    window: Window, size: Pair, out: Pair, count_include_pad: bool, dtype: np.dtype[Any]
) -> Array:
    """1 / (pixels that count) for each window, (OH, OW, 1, 1), or one number for all."""
    if count_include_pad or not max(window.padding):
        return np.asarray(1 / (window.kernel[0] * window.kernel[1]), dtype)
    counts = []
    for axis in (_DOWN, _ACROSS):
        starts = np.arange(out[axis]) * window.stride[axis] - window.padding[axis]
        ends = np.minimum(starts + window.kernel[axis], size[axis])
        counts.append(ends - np.maximum(starts, 0))
    return np.asarray(1 / np.outer(*counts), dtype)[:, :, None, None]
