"""Convolution and pooling by their definitions, one product at a time, over a grid of shapes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy as np

from lenetkit.arrays import Array
from lenetkit.kernels.base import Kernels
from lenetkit.layers.call import Call
from lenetkit.operations.base import Pair, Scratch, Window

Results: TypeAlias = dict[str, Array]
Size: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class OperationCase(ABC):
    """One operation on images of one shape, whose values are always the same.

    `expected` holds its results by definition, `run` computes them with a kernel set.
    """

    shape: Size
    window: Window
    ties: bool = field(default=False, kw_only=True)
    """Few different values, so that many windows hold their largest one twice."""

    def __str__(self) -> str:
        w = self.window
        text = f"x {self.shape}, kernel {w.kernel}, stride {w.stride}, padding {w.padding}"
        text += f" and {w.after} after" if w.after else ""
        text += f", dilation {w.dilation}" if max(w.dilation) > 1 else ""
        text += ", ceil_mode" if w.ceil_mode else ""
        return text + (", with ties" if self.ties else "")

    def with_batch(self, batch: int) -> Self:
        """The same case for another number of images."""
        return replace(self, shape=(batch, *self.shape[1:]))

    @property
    def out_shape(self) -> Size:
        """The shape of the result."""
        N, C, H, W = self.shape
        return (N, C, *self.window.output_size(H, W))

    @cached_property
    def x(self) -> Array:
        """The images; with ties all values are below 0, so that padding would show."""
        if self.ties:
            return np.random.default_rng(1).integers(-3, 0, self.shape).astype(np.float64)
        return _normal(1, self.shape)

    @cached_property
    def dy(self) -> Array:
        """dL/dy."""
        return _normal(4, self.out_shape)

    @property
    def inputs(self) -> Results:
        """The arrays that the operation must not write to, by name."""
        return {"x": self.x}

    @cached_property
    @abstractmethod
    def expected(self) -> Results:
        """The result and all gradients by definition."""

    def run(
        self,
        kernels: Kernels,
        dtype: Any,
        *,
        call: Call | None = None,
        given: Mapping[str, Array] | None = None,
    ) -> Results:
        """One forward and one backward pass: results by name, as copies.

        `given` replaces arrays of the case, and `call` a fresh one.
        """
        arrays = {name: a.astype(dtype) for name, a in {**self.inputs, "dy": self.dy}.items()}
        arrays |= given or {}
        arrays["dy"] = arrays["dy"].copy(order="K")
        return self._run(kernels, arrays, (call or Call(kernels)).scratch)

    @abstractmethod
    def _run(self, kernels: Kernels, arrays: Results, scratch: Scratch) -> Results: ...

    def pixels(self, i: int, j: int, before: Pair = (0, 0), after: Pair = (0, 0)) -> Iterator[Size]:
        """(u, v, row, column) of every place of window i, j inside the image, row by row.

        `before` and `after` are rows and columns around the image that count as inside.
        """
        (kh, kw), (sh, sw), w = self.window.kernel, self.window.stride, self.window
        for u, v in np.ndindex(kh, kw):
            row = i * sh + u * w.dilation[0] - w.padding[0]
            column = j * sw + v * w.dilation[1] - w.padding[1]
            high = -before[0] <= row < self.shape[2] + after[0]
            if high and -before[1] <= column < self.shape[3] + after[1]:
                yield u, v, row, column


@dataclass(frozen=True)
class Convolution(OperationCase):
    """y[n,o,i,j] = bias[o] + Σ weight[o,c,u,v] · x[n,c,…], and the gradients of it."""

    maps: int
    groups: int = 1
    has_bias: bool = True
    needs_dx: bool = True

    def __str__(self) -> str:
        text = f"{super().__str__()}, {self.maps} maps"
        text += f", {self.groups} groups" + ("" if self.has_bias else ", no bias")
        return text + ("" if self.needs_dx else ", without dx")

    @property
    def out_shape(self) -> Size:
        N, _, *size = super().out_shape
        return (N, self.maps, size[0], size[1])

    @property
    def inputs(self) -> Results:
        shape = (self.maps, self.shape[1] // self.groups, *self.window.kernel)
        return {"x": self.x, "weight": _normal(2, shape), "bias": _normal(3, (self.maps,))}

    @cached_property
    def expected(self) -> Results:
        x, weight, bias = self.inputs.values()
        y, dx, d_weight = np.zeros(self.out_shape), np.zeros(x.shape), np.zeros(weight.shape)
        O, Cg = weight.shape[:2]
        for n, o, i, j in np.ndindex(self.out_shape):
            first = o // (O // self.groups) * Cg
            if self.has_bias:
                y[n, o, i, j] = bias[o]
            for u, v, row, column in self.pixels(i, j):
                for c in range(Cg):
                    y[n, o, i, j] += weight[o, c, u, v] * x[n, first + c, row, column]
                    dx[n, first + c, row, column] += weight[o, c, u, v] * self.dy[n, o, i, j]
                    d_weight[o, c, u, v] += x[n, first + c, row, column] * self.dy[n, o, i, j]
        found: Results = {"y": y, "d_weight": d_weight}
        if self.has_bias:
            found["d_bias"] = self.dy.sum(axis=(0, 2, 3))
        return {**found, "dx": dx} if self.needs_dx else found

    def _run(self, kernels: Kernels, arrays: Results, scratch: Scratch) -> Results:
        x, weight, dy = arrays["x"], arrays["weight"], arrays["dy"]
        bias = arrays["bias"] if self.has_bias else None
        y, saved = kernels.conv2d(x, weight, bias, self.window, self.groups, scratch)
        found = {"y": y.copy(), "d_weight": np.full_like(weight, np.nan)}
        if bias is not None:
            found["d_bias"] = np.full_like(bias, np.nan)
        dx = kernels.conv2d_backward(
            saved, weight, dy, found["d_weight"], found.get("d_bias"), self.needs_dx, scratch
        )
        return found if dx is None else {**found, "dx": dx.copy()}


@dataclass(frozen=True)
class MaxPooling(OperationCase):
    """The first largest value of each window, row by row; it gets the whole gradient."""

    @cached_property
    def expected(self) -> Results:
        x, y, dx = self.x, np.zeros(self.out_shape), np.zeros(self.shape)
        for n, c, i, j in np.ndindex(self.out_shape):
            best = max(self.pixels(i, j), key=lambda at: x[n, c, at[2], at[3]])[2:]
            y[n, c, i, j] = x[n, c, *best]
            dx[n, c, *best] += self.dy[n, c, i, j]
        return {"y": y, "dx": dx}

    def _run(self, kernels: Kernels, arrays: Results, scratch: Scratch) -> Results:
        y, saved = kernels.max_pool2d(arrays["x"], self.window, scratch)
        y = y.copy()
        return {"y": y, "dx": kernels.max_pool2d_backward(saved, arrays["dy"], scratch).copy()}


@dataclass(frozen=True)
class AvgPooling(OperationCase):
    """The mean of each window; every pixel of it gets the same share of the gradient."""

    count_include_pad: bool

    @cached_property
    def expected(self) -> Results:
        x, y, dx = self.x, np.zeros(self.out_shape), np.zeros(self.shape)
        padding = self.window.padding, self.window.end
        for n, c, i, j in np.ndindex(self.out_shape):
            inside = list(self.pixels(i, j))
            count = len(list(self.pixels(i, j, *padding)) if self.count_include_pad else inside)
            for _, _, row, column in inside:
                y[n, c, i, j] += x[n, c, row, column] / count
                dx[n, c, row, column] += self.dy[n, c, i, j] / count
        return {"y": y, "dx": dx}

    def _run(self, kernels: Kernels, arrays: Results, scratch: Scratch) -> Results:
        y, saved = kernels.avg_pool2d(arrays["x"], self.window, self.count_include_pad, scratch)
        y = y.copy()
        return {"y": y, "dx": kernels.avg_pool2d_backward(saved, arrays["dy"], scratch).copy()}


def _normal(seed: int, shape: tuple[int, ...]) -> Array:
    """Normal values that float32 holds exactly, as float64."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32).astype(np.float64)


CONVOLUTIONS = (
    Convolution((2, 1, 6, 6), Window((5, 5)), 6),
    Convolution((1, 3, 7, 5), Window((3, 3)), 2),
    Convolution((2, 2, 5, 7), Window((3, 2)), 3),
    Convolution((3, 2, 7, 8), Window((3, 3), stride=(2, 2)), 2),
    Convolution((2, 2, 9, 7), Window((2, 3), stride=(3, 1)), 2),
    Convolution((2, 2, 5, 5), Window((3, 3), padding=(1, 1)), 2),
    Convolution((1, 1, 3, 4), Window((3, 2), stride=(2, 1), padding=(2, 1)), 2),
    Convolution((2, 2, 5, 6), Window((4, 2), padding=(1, 0), after=(2, 1)), 3),
    Convolution((2, 1, 6, 5), Window((3, 3), (2, 1), padding=(2, 0), after=(0, 1)), 2),
    Convolution((2, 1, 7, 7), Window((3, 3), dilation=(2, 2)), 2),
    Convolution((2, 2, 6, 8), Window((2, 3), (2, 1), (1, 2), (1, 3)), 2),
    Convolution((2, 4, 5, 5), Window((3, 3)), 6, groups=2),
    Convolution((2, 3, 5, 4), Window((3, 3), padding=(1, 1)), 3, groups=3),
    Convolution((3, 2, 4, 3), Window((1, 1)), 5),
    Convolution((2, 2, 4, 5), Window((4, 5)), 30),
    Convolution((2, 1, 5, 5), Window((1, 1), stride=(3, 3)), 1),
)
MAX_POOLINGS = (
    MaxPooling((2, 3, 6, 8), Window((2, 2), (2, 2))),
    MaxPooling((1, 2, 7, 5), Window((2, 2), (2, 2))),
    MaxPooling((2, 2, 6, 7), Window((3, 2), (2, 1))),
    MaxPooling((2, 1, 5, 5), Window((3, 3), (1, 1), (1, 1)), ties=True),
    MaxPooling((2, 2, 6, 6), Window((2, 2), (2, 2)), ties=True),
    MaxPooling((1, 1, 5, 6), Window((4, 3), (2, 2), (2, 1)), ties=True),
    MaxPooling((2, 2, 7, 7), Window((2, 2), (3, 3))),
    MaxPooling((2, 1, 8, 7), Window((3, 2), (1, 2), (1, 1), dilation=(2, 3)), ties=True),
    MaxPooling((1, 2, 9, 9), Window((2, 3), (3, 5), dilation=(2, 2))),
    MaxPooling((2, 2, 5, 6), Window((2, 3), (2, 2), (0, 1), after=(1, 0)), ties=True),
    MaxPooling((2, 1, 6, 8), Window((3, 3), (2, 2), ceil_mode=True)),
    MaxPooling((2, 2, 5, 5), Window((2, 2), (2, 2), ceil_mode=True), ties=True),
    MaxPooling((1, 1, 7, 6), Window((3, 2), (3, 3), (1, 1), (1, 2), ceil_mode=True)),
    MaxPooling((2, 2, 4, 5), Window((4, 5), (4, 5))),
    MaxPooling((2, 1, 4, 4), Window((1, 1), (1, 1))),
)
AVG_POOLINGS = tuple(
    AvgPooling(case.shape, case.window, count_include_pad, ties=case.ties)
    for count_include_pad in (True, False)
    for case in MAX_POOLINGS
)
