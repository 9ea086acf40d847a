"""Pooling by strided slices: one slice of the input for each place in the window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lenetkit.kernels import memory
from lenetkit.kernels.base import Array, Pair, Scratch, Window


class MaxSaved(NamedTuple):
    """What max pooling's backward pass needs: its padded input and its output."""

    padded: Array
    y: Array
    window: Window


class AvgSaved(NamedTuple):
    """What average pooling's backward pass needs: one over each window's count."""

    weight: Array
    window: Window
    in_shape: tuple[int, ...]


def _places(window: Window, out: Pair) -> Iterator[tuple[slice, slice]]:
    """For each place in the window, row by row: the pixels that stand there in all windows."""
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    for i in range(kh):
        for j in range(kw):
            yield (
                slice(i * dh, i * dh + sh * (out[0] - 1) + 1, sh),
                slice(j * dw, j * dw + sw * (out[1] - 1) + 1, sw),
            )


def max_forward(x: Array, window: Window, scratch: Scratch) -> tuple[Array, MaxSaved]:
    """The largest value of each window, (N, C, OH, OW); NaN wins over everything."""
    N, C, H, W = x.shape
    out = window.output_size(H, W)
    padded = memory.pad_channels_last(x, window.padding, -np.inf, scratch)
    y = scratch("y", (N, *out, C), x.dtype)
    for place, (rows, columns) in enumerate(_places(window, out)):
        values = padded[:, rows, columns]
        if place:
            np.maximum(y, values, out=y)
        else:
            y[...] = values
    return memory.channels_first(y), MaxSaved(padded, y, window)


def max_backward(saved: MaxSaved, dy: Array, scratch: Scratch) -> Array:
    """dL/dx: each gradient goes to the first largest value of its window."""
    padded, y, window = saved
    dy_last = memory.channels_last(dy)
    dx = memory.zeros("dx", padded.shape, scratch, dy)
    left = scratch("left", dy_last.shape, dy.dtype)
    left[...] = dy_last
    share = scratch("share", dy_last.shape, dy.dtype)
    wins = scratch("wins", dy_last.shape, bool)
    for rows, columns in _places(window, (y.shape[1], y.shape[2])):
        np.equal(padded[:, rows, columns], y, out=wins)
        np.multiply(left, wins, out=share)
        dx[:, rows, columns] += share
        left -= share
    return memory.unpad(dx, window.padding)


def avg_forward(
    x: Array, window: Window, count_include_pad: bool, scratch: Scratch
) -> tuple[Array, AvgSaved]:
    """The mean of each window, (N, C, OH, OW)."""
    N, C, H, W = x.shape
    out = window.output_size(H, W)
    padded = memory.pad_channels_last(x, window.padding, 0, scratch)
    y = scratch("y", (N, *out, C), x.dtype)
    for place, (rows, columns) in enumerate(_places(window, out)):
        if place:
            y += padded[:, rows, columns]
        else:
            y[...] = padded[:, rows, columns]
    weight = _one_over_count(window, (H, W), out, count_include_pad, x.dtype)
    y *= weight
    return memory.channels_first(y), AvgSaved(weight, window, x.shape)


def avg_backward(saved: AvgSaved, dy: Array, scratch: Scratch) -> Array:
    """dL/dx: each gradient spread evenly over its window."""
    weight, window, (N, C, H, W) = saved
    share = scratch("share", memory.channels_last(dy).shape, dy.dtype)
    np.multiply(memory.channels_last(dy), weight, out=share)
    dx = memory.zeros("dx", (N, *window.padded(H, W), C), scratch, dy)
    for rows, columns in _places(window, (dy.shape[2], dy.shape[3])):
        dx[:, rows, columns] += share
    return memory.unpad(dx, window.padding)


def _one_over_count(
    window: Window, size: Pair, out: Pair, count_include_pad: bool, dtype: np.dtype[np.floating]
) -> Array:
    """1 / (pixels that count) for each window, (OH, OW, 1); a scalar where all count alike."""
    if count_include_pad or not max(window.padding):
        return np.asarray(1 / (window.kernel[0] * window.kernel[1]), dtype)
    counts = []
    for axis in (0, 1):
        starts = np.arange(out[axis]) * window.stride[axis] - window.padding[axis]
        ends = np.minimum(starts + window.kernel[axis], size[axis])
        counts.append(ends - np.maximum(starts, 0))
    return np.asarray(1 / np.outer(*counts), dtype)[:, :, None]
