"""Activations: one function applied to every value. Any shape in, the same shape out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.layers.base import Call, Layer, Params
from lenetkit.options import option


class _Activation(Layer):
    def output_shape(self, in_shape: Shape) -> Shape:
        return in_shape


@dataclass(frozen=True, kw_only=True)
class ReLU(_Activation):
    """y = max(0, x); dL/dx = dL/dy where x > 0, else 0. Nair & Hinton 2010."""

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y = np.maximum(x, 0, out=call.scratch_like("y", x))
        return y, y

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        y = saved
        return np.multiply(dy, y > 0, out=dy)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        y = saved
        return np.multiply(d2y, y > 0, out=d2y)


@dataclass(frozen=True, kw_only=True)
class LeakyReLU(_Activation):
    """y = x for x > 0, else negative_slope · x. Maas et al. 2013."""

    negative_slope: float = option(0.01, minimum=0, doc="Slope for x ≤ 0.")

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        slope = np.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))
        return np.multiply(x, slope, out=call.scratch_like("y", x)), slope

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        slope = saved
        return np.multiply(dy, slope, out=dy)


@dataclass(frozen=True, kw_only=True)
class Sigmoid(_Activation):
    """y = 1 / (1 + e^(−x)); dL/dx = dL/dy · y · (1 − y).

    Computed as (1 + tanh(x/2)) / 2, which overflows for no x.
    """

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y = np.multiply(x, 0.5, out=call.scratch_like("y", x))
        np.tanh(y, out=y)
        y += 1
        y *= 0.5
        return y, y

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        y = saved
        return np.multiply(dy, y * (1 - y), out=dy)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        y = saved
        return np.multiply(d2y, (y * (1 - y)) ** 2, out=d2y)


@dataclass(frozen=True, kw_only=True)
class Tanh(_Activation):
    """y = tanh(x); dL/dx = dL/dy · (1 − y²)."""

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y = np.tanh(x, out=call.scratch_like("y", x))
        return y, y

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        y = saved
        return np.multiply(dy, 1 - y * y, out=dy)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        y = saved
        return np.multiply(d2y, (1 - y * y) ** 2, out=d2y)
