"""Convolution and pooling by their definitions, one product at a time, over a grid of shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.operations.base import Window


@dataclass(frozen=True)
class Problem:
    """Shapes for one convolution or pooling, with values that are always the same."""

    shape: tuple[int, int, int, int]
    window: Window
    maps: int = 0
    """Output channels of a convolution; 0 for pooling."""
    groups: int = 1
    ties: bool = False
    """Few different values, so that many windows hold their largest one twice."""

    def __str__(self) -> str:
        w = self.window
        text = f"x {self.shape}, kernel {w.kernel}, stride {w.stride}, padding {w.padding}"
        if self.maps:
            text += f", dilation {w.dilation}, {self.maps} maps, {self.groups} groups"
        return text + (", with ties" if self.ties else "")

    def with_batch(self, batch: int) -> Problem:
        """The same problem for another number of images."""
        return replace(self, shape=(batch, *self.shape[1:]))

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """The result's shape."""
        N, C, H, W = self.shape
        return (N, self.maps or C, *self.window.output_size(H, W))

    @cached_property
    def x(self) -> Array:
        """The images; where there are ties, all below 0, so that padding would show."""
        rng = np.random.default_rng(1)
        if self.ties:
            return rng.integers(-3, 0, self.shape).astype(np.float64)
        return rng.normal(size=self.shape).astype(np.float32).astype(np.float64)

    @cached_property
    def weight(self) -> Array:
        """The weights of a convolution."""
        shape = (self.maps, self.shape[1] // self.groups, *self.window.kernel)
        values = np.random.default_rng(2).normal(size=shape)
        return values.astype(np.float32).astype(np.float64)

    @cached_property
    def bias(self) -> Array:
        """The biases of a convolution."""
        values = np.random.default_rng(3).normal(size=self.maps)
        return values.astype(np.float32).astype(np.float64)

    @cached_property
    def dy(self) -> Array:
        """The gradient that comes back."""
        values = np.random.default_rng(4).normal(size=self.out_shape)
        return values.astype(np.float32).astype(np.float64)

    def pixels(self, i: int, j: int) -> Iterator[tuple[int, int, int, int]]:
        """(u, v, row, column) of one window's taps inside the image, row by row."""
        (kh, kw), (sh, sw), w = self.window.kernel, self.window.stride, self.window
        for u, v in np.ndindex(kh, kw):
            row = i * sh + u * w.dilation[0] - w.padding[0]
            column = j * sw + v * w.dilation[1] - w.padding[1]
            if 0 <= row < self.shape[2] and 0 <= column < self.shape[3]:
                yield u, v, row, column


CONVOLUTIONS = (
    Problem((2, 1, 6, 6), Window((5, 5)), maps=6),
    Problem((1, 3, 7, 5), Window((3, 3)), maps=2),
    Problem((2, 2, 5, 7), Window((3, 2)), maps=3),
    Problem((3, 2, 7, 8), Window((3, 3), stride=(2, 2)), maps=2),
    Problem((2, 2, 9, 7), Window((2, 3), stride=(3, 1)), maps=2),
    Problem((2, 2, 5, 5), Window((3, 3), padding=(1, 1)), maps=2),
    Problem((1, 1, 3, 4), Window((3, 2), stride=(2, 1), padding=(2, 1)), maps=2),
    Problem((2, 1, 7, 7), Window((3, 3), dilation=(2, 2)), maps=2),
    Problem((2, 2, 6, 8), Window((2, 3), (2, 1), (1, 2), (1, 3)), maps=2),
    Problem((2, 4, 5, 5), Window((3, 3)), maps=6, groups=2),
    Problem((2, 3, 5, 4), Window((3, 3), padding=(1, 1)), maps=3, groups=3),
    Problem((3, 2, 4, 3), Window((1, 1)), maps=5),
    Problem((2, 2, 4, 5), Window((4, 5)), maps=30),
    Problem((2, 1, 5, 5), Window((1, 1), stride=(3, 3)), maps=1),
)
POOLINGS = (
    Problem((2, 3, 6, 8), Window((2, 2), (2, 2))),
    Problem((1, 2, 7, 5), Window((2, 2), (2, 2))),
    Problem((2, 2, 6, 7), Window((3, 2), (2, 1))),
    Problem((2, 1, 5, 5), Window((3, 3), (1, 1), (1, 1)), ties=True),
    Problem((2, 2, 6, 6), Window((2, 2), (2, 2)), ties=True),
    Problem((1, 1, 5, 6), Window((4, 3), (2, 2), (2, 1)), ties=True),
    Problem((2, 2, 7, 7), Window((2, 2), (3, 3))),
    Problem((2, 2, 4, 5), Window((4, 5), (4, 5))),
    Problem((2, 1, 4, 4), Window((1, 1), (1, 1))),
)

_KNOWN: dict[Any, dict[str, Array]] = {}


def convolution(p: Problem) -> dict[str, Array]:
    """y[n,o,i,j] = b[o] + Σ w[o,c,u,v] · x[n,c,…], and what each product adds to each gradient."""
    if p in _KNOWN:
        return _KNOWN[p]
    x, weight, dy = p.x, p.weight, p.dy
    y, dx, d_weight = np.zeros(p.out_shape), np.zeros(p.shape), np.zeros(weight.shape)
    O, Cg = weight.shape[:2]
    for n, o, i, j in np.ndindex(p.out_shape):
        first = o // (O // p.groups) * Cg
        y[n, o, i, j] = p.bias[o]
        for u, v, row, column in p.pixels(i, j):
            for c in range(Cg):
                y[n, o, i, j] += weight[o, c, u, v] * x[n, first + c, row, column]
                dx[n, first + c, row, column] += weight[o, c, u, v] * dy[n, o, i, j]
                d_weight[o, c, u, v] += x[n, first + c, row, column] * dy[n, o, i, j]
    d_bias = dy.sum(axis=(0, 2, 3))
    _KNOWN[p] = {"y": y, "dx": dx, "d_weight": d_weight, "d_bias": d_bias}
    return _KNOWN[p]


def max_pooling(p: Problem) -> dict[str, Array]:
    """The first largest value of each window, row by row; it gets the whole gradient."""
    y, dx = np.zeros(p.out_shape), np.zeros(p.shape)
    for n, c, i, j in np.ndindex(p.out_shape):
        best = max(p.pixels(i, j), key=lambda at: p.x[n, c, at[2], at[3]])
        y[n, c, i, j] = p.x[n, c, best[2], best[3]]
        dx[n, c, best[2], best[3]] += p.dy[n, c, i, j]
    return {"y": y, "dx": dx}


def average_with(count_include_pad: bool) -> Callable[[Problem], dict[str, Array]]:
    """The mean of each window; every pixel of it gets the same share of the gradient."""

    def average_pooling(p: Problem) -> dict[str, Array]:
        y, dx = np.zeros(p.out_shape), np.zeros(p.shape)
        whole = p.window.kernel[0] * p.window.kernel[1]
        for n, c, i, j in np.ndindex(p.out_shape):
            inside = list(p.pixels(i, j))
            count = whole if count_include_pad else len(inside)
            for _, _, row, column in inside:
                y[n, c, i, j] += p.x[n, c, row, column] / count
                dx[n, c, row, column] += p.dy[n, c, i, j] / count
        return {"y": y, "dx": dx}

    return average_pooling
