"""Pooling along one axis after the other: first across each row, then down.

The maximum of a window is the maximum of its rows' maxima, and likewise for sums, so a window of
kh·kw pixels costs kh + kw passes instead of kh·kw. The input's memory order is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lenetkit.arrays import Array
from lenetkit.operations import memory
from lenetkit.operations.base import Pair, Scratch, Window

Index = tuple[slice, ...]
_DOWN, _ACROSS = 0, 1


class Masks(NamedTuple):
    """Where the maxima came from: a mask for each place in the window but the last."""

    across: Any
    """(kw − 1, padded H, OW, …), bool."""
    down: Any
    """(kh − 1, OH, OW, …), bool."""

    def rows(self, x: slice, y: slice) -> Masks:
        """The masks of some rows of the padded input and the output."""
        return Masks(self.across[:, x], self.down[:, y])


class MaxSaved(NamedTuple):
    """What max pooling's backward pass needs."""

    masks: Masks
    window: Window
    """Without `ceil_mode`."""
    in_size: Pair
    order: memory.Order


class AvgSaved(NamedTuple):
    """What average pooling's backward pass needs: one over each window's count."""

    weight: Array
    window: Window
    """Without `ceil_mode`."""
    in_shape: tuple[int, ...]
    order: memory.Order


def _places(window: Window, y: Array, axis: int) -> Iterator[Index]:
    """For each place in the window along an axis: an index of its pixels, one for each output."""
    stride = window.stride[axis]
    for k in range(0, window.extent[axis], window.dilation[axis]):
        pixels = slice(k, k + stride * (y.shape[axis] - 1) + 1, stride)
        yield (pixels,) if axis == _DOWN else (slice(None), pixels)


def max_forward(x: Array, window: Window, scratch: Scratch) -> tuple[Array, MaxSaved]:
    """The largest value of each window, (N, C, OH, OW); NaN wins over everything."""
    N, C, H, W = x.shape
    window = window.covering(H, W)
    out = window.output_size(H, W)
    order = memory.order_of(x)
    padded = memory.pad(x, window, -np.inf, order, scratch)
    y = scratch("y", (*out, *order.pixel(C, N)), x.dtype)
    masks = room_for_masks(len(padded), y, window, scratch)
    largest(padded, y, masks, window, scratch)
    return order.restore(y), MaxSaved(masks, window, (H, W), order)


def max_backward(saved: MaxSaved, dy: Array, scratch: Scratch) -> Array:
    """dL/dx: each gradient goes to the first maximum of its window, row by row."""
    masks, window, in_size, order = saved
    dy = memory.contiguous("dy", order.arrange(dy), scratch)
    dx = scratch("dx", (*window.padded(*in_size), *dy.shape[2:]), dy.dtype)
    give_to_largest(dy, dx, masks, window, scratch)
    return memory.unpad(dx, window, order)


def room_for_masks(height: int, y: Array, window: Window, scratch: Scratch) -> Masks:
    """Scratch for the masks of an output (OH, OW, …) from a padded input of this height."""
    (kh, kw), (_, *rest) = window.kernel, y.shape
    across = scratch("across_wins", (kw - 1, height, *rest), bool)
    return Masks(across, scratch("down_wins", (kh - 1, *y.shape), bool))


def largest(x: Array, y: Array, masks: Masks, window: Window, scratch: Scratch) -> None:
    """Write the maxima of a padded x (H, W, …) to y (OH, OW, …), and their masks."""
    across = scratch("across", (len(x), *y.shape[1:]), x.dtype)
    _fold(np.maximum, x, across, window, _ACROSS)
    _mark(x, across, masks.across, window, _ACROSS)
    _fold(np.maximum, across, y, window, _DOWN)
    _mark(across, y, masks.down, window, _DOWN)


def give_to_largest(dy: Array, dx: Array, masks: Masks, window: Window, scratch: Scratch) -> None:
    """Write dx (H, W, …), padded as x was, from dy (OH, OW, …), which is overwritten."""
    across = scratch("across", (len(dx), *dy.shape[1:]), dy.dtype)
    _give(dy, across, masks.down, window, _DOWN, scratch)
    _give(across, dx, masks.across, window, _ACROSS, scratch)


def avg_forward(
    x: Array, window: Window, count_include_pad: bool, scratch: Scratch
) -> tuple[Array, AvgSaved]:
    """The mean of each window, (N, C, OH, OW)."""
    N, C, H, W = x.shape
    weight = _one_over_count(window, (H, W), count_include_pad, x.dtype)
    window = window.covering(H, W)
    out = window.output_size(H, W)
    order = memory.order_of(x)
    padded = memory.pad(x, window, 0, order, scratch)
    pixel = order.pixel(C, N)
    across = scratch("across", (len(padded), out[1], *pixel), x.dtype)
    _fold(np.add, padded, across, window, _ACROSS)
    y = scratch("y", (*out, *pixel), x.dtype)
    _fold(np.add, across, y, window, _DOWN)
    y *= weight
    return order.restore(y), AvgSaved(weight, window, x.shape, order)


def avg_backward(saved: AvgSaved, dy: Array, scratch: Scratch) -> Array:
    """dL/dx: each gradient spread evenly over its window."""
    weight, window, (_, _, H, W), order = saved
    dy = order.arrange(dy)
    share = scratch("share", dy.shape, dy.dtype)
    np.multiply(dy, weight, out=share)
    _, OW, *pixel = share.shape
    height, width = window.padded(H, W)
    across = memory.zeros("across", (height, OW, *pixel), scratch, dy)
    for place in _places(window, share, _DOWN):
        across[place] += share
    dx = memory.zeros("dx", (height, width, *pixel), scratch, dy)
    for place in _places(window, across, _ACROSS):
        dx[place] += across
    return memory.unpad(dx, window, order)


def _fold(join: np.ufunc, x: Array, y: Array, window: Window, axis: int) -> None:
    """y = join over the window along one axis."""
    first, *others = _places(window, y, axis)
    if not others:
        y[...] = x[first]
        return
    join(x[first], x[others[0]], out=y)
    for place in others[1:]:
        join(y, x[place], out=y)


def _mark(x: Array, y: Array, wins: Any, window: Window, axis: int) -> None:
    """wins[k]: whether the maximum is at place k, for each place but the last."""
    for mask, place in zip(wins, _places(window, y, axis), strict=False):
        np.equal(x[place], y, out=mask)


def _give(dy: Array, dx: Array, wins: Any, window: Window, axis: int, scratch: Scratch) -> None:
    """dx: each dy at the first winning place along the axis. Overwrites `dy`."""
    *places, last = _places(window, dy, axis)
    extent, stride = window.extent[axis], window.stride[axis]
    if extent > stride:  # windows overlap
        dx.fill(0)
        share = scratch("share", dy.shape, dy.dtype)
        for mask, place in zip(wins, places, strict=True):
            np.multiply(dy, mask, out=share)
            dx[place] += share
            dy -= share
        dx[last] += dy
        return
    covered = dx.shape[axis] <= stride * dy.shape[axis] and window.kernel[axis] == stride
    if not covered:  # some pixels are in no window
        dx.fill(0)
    rests = [dy] * (len(places) - 1) + [dx[last]]  # the last place gets what no other one won
    if not places:
        dx[last] = dy
    for mask, place, rest in zip(wins, places, rests, strict=False):
        share = np.multiply(dy, mask, out=dx[place])
        np.subtract(dy, share, out=rest)


def _one_over_count(
    window: Window, size: Pair, count_include_pad: bool, dtype: np.dtype[Any]
) -> Array:
    """1 / (pixels that count) for each window, (OH, OW, 1, 1), or one number for all."""
    if not window.ceil_mode and (count_include_pad or not window.is_padded):
        return np.asarray(1 / (window.kernel[0] * window.kernel[1]), dtype)
    counts = np.maximum(window.pixels(*size, padding=count_include_pad), 1)
    return np.asarray(1 / counts, dtype)[:, :, None, None]
