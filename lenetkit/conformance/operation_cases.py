"""Convolution and pooling over a grid of shapes, small ones and wide ones."""

from __future__ import annotations

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance.definition import Definition
from lenetkit.kernels.base import Kernels
from lenetkit.layers.call import Call
from lenetkit.operations.base import Scratch, Window

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
    scale: float = field(default=1.0, kw_only=True)
    """The size of the values."""

    def __str__(self) -> str:
        w = self.window
        text = f"x {self.shape}, kernel {w.kernel}, stride {w.stride}, padding {w.padding}"
        text += f" and {w.after} after" if w.after else ""
        text += f", dilation {w.dilation}" if max(w.dilation) > 1 else ""
        text += ", ceil_mode" if w.ceil_mode else ""
        text += ", with ties" if self.ties else ""
        return text + (f", values of about {self.scale:g}" if self.scale != 1 else "")

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
        return _normal(1, self.shape) * self.scale

    @cached_property
    def dy(self) -> Array:
        """dL/dy."""
        return _normal(4, self.out_shape) * self.scale

    @property
    def inputs(self) -> Results:
        """The arrays that the operation must not write to, by name."""
        return {"x": self.x}

    @cached_property
    def expected(self) -> Results:
        """The result and all gradients by definition, in float64."""
        return self.run(Definition(), np.float64)

    def arrays(self, dtype: Any, given: Mapping[str, Array] | None = None) -> Results:
        """The inputs and `dy`, as copies in one dtype; those `given` replace them."""
        arrays = {name: a.astype(dtype) for name, a in {**self.inputs, "dy": self.dy}.items()}
        arrays |= given or {}
        return arrays | {"dy": arrays["dy"].copy(order="K")}

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
        arrays, scratch = self.arrays(dtype, given), (call or Call(kernels)).scratch
        y, saved = self.forward(kernels, arrays, scratch)
        found = {"y": y.copy()}
        gradients = self.backward(kernels, saved, arrays, scratch)
        return found | {name: values.copy() for name, values in gradients.items()}

    @abstractmethod
    def forward(self, kernels: Kernels, arrays: Results, scratch: Scratch) -> tuple[Array, Any]:
        """The result, and what backward needs."""

    @abstractmethod
    def backward(self, kernels: Kernels, saved: Any, arrays: Results, scratch: Scratch) -> Results:
        """All gradients by name, without `dx` if there is none."""


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

    def forward(self, kernels: Kernels, arrays: Results, scratch: Scratch) -> tuple[Array, Any]:
        bias = arrays["bias"] if self.has_bias else None
        return kernels.conv2d(
            arrays["x"], arrays["weight"], bias, self.window, self.groups, scratch
        )

    def backward(self, kernels: Kernels, saved: Any, arrays: Results, scratch: Scratch) -> Results:
        weight, dy = arrays["weight"], arrays["dy"]
        found = {"d_weight": np.full_like(weight, np.nan)}
        if self.has_bias:
            found["d_bias"] = np.full_like(arrays["bias"], np.nan)
        dx = kernels.conv2d_backward(
            saved, weight, dy, found["d_weight"], found.get("d_bias"), self.needs_dx, scratch
        )
        return found if dx is None or not self.needs_dx else {**found, "dx": dx}


@dataclass(frozen=True)
class MaxPooling(OperationCase):
    """The first largest value of each window, row by row; it gets the whole gradient."""

    def forward(self, kernels: Kernels, arrays: Results, scratch: Scratch) -> tuple[Array, Any]:
        return kernels.max_pool2d(arrays["x"], self.window, scratch)

    def backward(self, kernels: Kernels, saved: Any, arrays: Results, scratch: Scratch) -> Results:
        return {"dx": kernels.max_pool2d_backward(saved, arrays["dy"], scratch)}


@dataclass(frozen=True)
class AvgPooling(OperationCase):
    """The mean of each window; every pixel of it gets the same share of the gradient."""

    count_include_pad: bool

    def __str__(self) -> str:
        return super().__str__() + ("" if self.count_include_pad else ", padding not counted")

    def forward(self, kernels: Kernels, arrays: Results, scratch: Scratch) -> tuple[Array, Any]:
        return kernels.avg_pool2d(arrays["x"], self.window, self.count_include_pad, scratch)

    def backward(self, kernels: Kernels, saved: Any, arrays: Results, scratch: Scratch) -> Results:
        return {"dx": kernels.avg_pool2d_backward(saved, arrays["dy"], scratch)}


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
    # wide in one way each, then in several
    Convolution((3, 70, 5, 6), Window((3, 3)), 3),
    Convolution((3, 2, 5, 6), Window((3, 3)), 70),
    Convolution((130, 1, 6, 5), Window((3, 3)), 2),
    Convolution((2, 1, 27, 24), Window((24, 21)), 2),
    Convolution((1, 2, 70, 66), Window((5, 5)), 3),
    Convolution((2, 2, 50, 45), Window((3, 3), stride=(20, 19)), 2),
    Convolution((2, 2, 4, 5), Window((20, 20), padding=(12, 11)), 2),
    Convolution((2, 2, 45, 41), Window((2, 3), stride=(1, 2), dilation=(20, 17)), 2),
    Convolution((17, 72, 4, 3), Window((1, 1)), 40, groups=2),
    Convolution((2, 36, 9, 7), Window((3, 3), padding=(1, 1), dilation=(2, 2)), 72, groups=36),
    Convolution((18, 35, 9, 11), Window((3, 2), stride=(2, 3), padding=(1, 0)), 34),
    Convolution((40, 16, 5, 5), Window((5, 5)), 120),
    Convolution((9, 3, 8, 9), Window((3, 3), padding=(1, 1)), 4, scale=1e4),
    Convolution((9, 3, 8, 9), Window((3, 3), padding=(1, 1)), 4, scale=1e-4),
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
    MaxPooling((2, 70, 6, 7), Window((2, 2), (2, 2))),
    MaxPooling((130, 2, 5, 6), Window((3, 3), (2, 2), (1, 1)), ties=True),
    MaxPooling((2, 2, 48, 45), Window((20, 21), (20, 21))),
    MaxPooling((2, 1, 30, 28), Window((20, 3), (7, 2), (10, 1)), ties=True),
    MaxPooling((2, 2, 50, 45), Window((2, 2), (20, 19))),
    MaxPooling((1, 2, 70, 66), Window((2, 2), (2, 2)), ties=True),
    MaxPooling((18, 35, 9, 11), Window((3, 2), (2, 3))),
    MaxPooling((9, 3, 8, 9), Window((3, 3), (2, 2), (1, 1)), scale=1e4),
    MaxPooling((9, 3, 8, 9), Window((2, 2), (2, 2)), scale=1e-4),
)
AVG_POOLINGS = tuple(
    AvgPooling(case.shape, case.window, count_include_pad, ties=case.ties, scale=case.scale)
    for count_include_pad in (True, False)
    for case in MAX_POOLINGS
)


def of_every_combination() -> Iterator[OperationCase]:
    """Small cases in which options meet: kernel, stride, padding, dilation, groups, ceil_mode."""
    steps = ((1, 1), (2, 2), (2, 1))
    for kernel, stride, padding, dilation in itertools.product(
        ((1, 1), (3, 3), (2, 3)), steps, ((0, 0), (1, 1)), ((1, 1), (2, 2))
    ):
        if max(kernel) == 1 < max(dilation):
            continue
        window = Window(kernel, stride, padding, dilation)
        for groups in (1, 2, 4):
            yield Convolution((2, 4, 8, 7), window, 8, groups=groups)
        for ceil_mode in (False, True) if kernel != (1, 1) or padding == (0, 0) else ():
            pooled = replace(window, ceil_mode=ceil_mode)
            yield MaxPooling((2, 2, 8, 7), pooled)
            for counted in (False, True):
                yield AvgPooling((2, 2, 8, 7), pooled, counted)


def of_every_size(most: int) -> Iterator[OperationCase]:
    """Cases in which one size runs from 1 to `most`: batch, channels, maps, window, image."""
    for n in range(1, most + 1):
        yield Convolution((n, 2, 4, 5), Window((3, 2)), 2)
        yield Convolution((2, n, 4, 3), Window((2, 3)), 2)
        yield Convolution((2, 2, 4, 3), Window((2, 3)), n)
        yield Convolution((2, n, 3, 3), Window((2, 2)), n, groups=n)
        yield Convolution((2, 1, n + 1, 4), Window((n, 3)), 2)
        yield Convolution((1, 2, 4, n + 2), Window((3, 3), (1, 2)), 2)
        for kind in (MaxPooling, functools.partial(AvgPooling, count_include_pad=True)):
            yield kind((n, 2, 4, 5), Window((2, 2), (2, 2)))
            yield kind((2, n, 5, 4), Window((3, 2), (2, 1)))
            yield kind((2, 1, n + 1, n + 3), Window((n, n), (n, n)))
            yield kind((1, 2, n + 1, 5), Window((2, 2), (2, 2)))
