"""Convolution and pooling by their definitions, one place of the window at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array
from lenetkit.kernels.base import Kernels
from lenetkit.operations.base import Pair, Scratch, Window

Index = tuple[Any, ...]


class Placed(NamedTuple):
    """A window over images: what backward needs of it, whatever the operation."""

    window: Window
    padded: Array
    out: Pair

    def places(self) -> Iterator[tuple[int, int, Index]]:
        """(u, v, the pixels that all windows have there), row by row."""
        (kh, kw), (sh, sw), (dh, dw) = self.window.kernel, self.window.stride, self.window.dilation
        for u, v in np.ndindex(kh, kw):
            rows = slice(u * dh, u * dh + sh * (self.out[0] - 1) + 1, sh)
            yield u, v, (..., rows, slice(v * dw, v * dw + sw * (self.out[1] - 1) + 1, sw))

    def cropped(self, padded: Array) -> Array:
        """Without the padding."""
        (top, left), (bottom, right) = self.window.padding, self.window.end
        H, W = padded.shape[2:]
        return padded[:, :, top : H - bottom, left : W - right].copy()


def placed(x: Array, window: Window, fill: float, beyond: float | None = None) -> Placed:
    """A window over images (N, C, H, W), padded with one value, and with another beyond that."""
    (top, left), (bottom, right), (H, W) = window.padding, window.end, x.shape[2:]
    all_of_it = window.covering(H, W)
    lower, further = all_of_it.end[0] - bottom, all_of_it.end[1] - right
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    rest = fill if beyond is None else beyond
    padded = np.pad(padded, ((0, 0), (0, 0), (0, lower), (0, further)), constant_values=rest)
    return Placed(all_of_it, padded, window.output_size(H, W))


@dataclass(frozen=True, kw_only=True)
class Definition(Kernels):
    """The operations, slow and plain: what every other kernel set is compared with."""

    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        scratch: Scratch,
    ) -> tuple[Array, Any]:
        at = placed(x, window, 0)
        y: Array = np.zeros((len(x), len(weight), *at.out), x.dtype)
        for u, v, pixels in at.places():
            for maps, channels in _groups(weight, groups):
                seen, taps = at.padded[:, channels][pixels], weight[maps, :, u, v]
                y[:, maps] += np.einsum("nchw,oc->nohw", seen, taps)
        return (y if bias is None else y + bias[:, None, None]), (at, groups)

    def conv2d_backward(
        self,
        saved: Any,
        weight: Array,
        dy: Array,
        d_weight: Array,
        d_bias: Array | None,
        needs_input_grad: bool,
        scratch: Scratch,
    ) -> Array | None:
        at, groups = saved
        dx = np.zeros_like(at.padded)
        for u, v, pixels in at.places():
            for maps, channels in _groups(weight, groups):
                seen, given = at.padded[:, channels][pixels], dy[:, maps]
                d_weight[maps, :, u, v] = np.einsum("nohw,nchw->oc", given, seen)
                dx[:, channels][pixels] += np.einsum("nohw,oc->nchw", given, weight[maps, :, u, v])
        if d_bias is not None:
            d_bias[...] = dy.sum(axis=(0, 2, 3))
        return at.cropped(dx) if needs_input_grad else None

    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        at = placed(x, window, -np.inf)
        y: Array = np.full((*x.shape[:2], *at.out), -np.inf, x.dtype)
        first: NDArray[Any] = np.full(y.shape, -1)
        inside = placed(np.ones_like(x), window, 0).padded > 0
        for place, (_, _, pixels) in enumerate(at.places()):
            seen = at.padded[pixels]
            wins = (first < 0) | (seen > y) | (np.isnan(seen) & ~np.isnan(y))
            wins &= inside[pixels]
            y[wins], first[wins] = seen[wins], place
        return y, (at, first)

    def max_pool2d_backward(self, saved: Any, dy: Array, scratch: Scratch) -> Array:
        at, first = saved
        dx = np.zeros_like(at.padded)
        for place, (_, _, pixels) in enumerate(at.places()):
            dx[pixels] += np.where(first == place, dy, 0)
        return at.cropped(dx)

    def avg_pool2d(
        self, x: Array, window: Window, count_include_pad: bool, scratch: Scratch
    ) -> tuple[Array, Any]:
        at, counted = placed(x, window, 0), float(count_include_pad)
        ones = placed(np.ones_like(x), window, counted, beyond=0)
        total, count = np.zeros((2, *x.shape[:2], *at.out), x.dtype)
        for _, _, pixels in at.places():
            total += at.padded[pixels]
            count += ones.padded[pixels]
        return total / count, (at, count)

    def avg_pool2d_backward(self, saved: Any, dy: Array, scratch: Scratch) -> Array:
        at, count = saved
        dx = np.zeros_like(at.padded)
        for _, _, pixels in at.places():
            dx[pixels] += dy / count
        return at.cropped(dx)


def _groups(weight: Array, groups: int) -> Iterator[tuple[slice, slice]]:
    """For each group: its maps and its channels."""
    maps, channels = len(weight) // groups, weight.shape[1]
    for g in range(groups):
        yield slice(g * maps, (g + 1) * maps), slice(g * channels, (g + 1) * channels)
