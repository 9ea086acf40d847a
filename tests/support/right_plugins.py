"""Small correct plugins of every kind: the counterparts of the wrong ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.errors import ShapeError
from lenetkit.initializers import Zeros
from lenetkit.layers.base import Cost, Layer, Params, ParamSpec, SecondOrderLayer
from lenetkit.layers.call import Call
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class Affine(SecondOrderLayer):
    """y = x · weightᵀ + bias for rows of values."""

    units: int = option(4, minimum=1, doc="Values that come out.")
    in_features: int | None = option(None, minimum=1, doc="Values that come in (inferred).")

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"in_features": in_shape[0]} if in_shape else {}

    def output_shape(self, in_shape: Shape) -> Shape:
        if len(in_shape) != 1:
            raise ShapeError(f"expected rows, found {in_shape}")
        return (self.units,)

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        weight = ParamSpec((self.units, in_shape[0]))
        return {"weight": weight, "bias": ParamSpec((self.units,), Zeros())}

    def cost(self, in_shape: Shape) -> Cost:
        macs = math.prod(in_shape) * self.units
        return Cost(macs, macs + self.units)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y = call.scratch("y", (len(x), self.units), x.dtype)
        np.matmul(x, params["weight"].T, out=y)
        y += params["bias"]
        return y, x

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        grads["weight"][...] = dy.T @ saved
        grads["bias"][...] = dy.sum(axis=0)
        return dy @ params["weight"] if call.needs_input_grad else None

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        d2grads["weight"][...] = d2y.T @ saved**2
        d2grads["bias"][...] = d2y.sum(axis=0)
        d2x: Array = d2y @ params["weight"] ** 2
        return d2x


@dataclass(frozen=True, kw_only=True)
class Noise(Layer):
    """In training, y = x · (1 + size · noise)."""

    size: float = option(0.1, minimum=0, doc="Deviation of the noise.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return in_shape

    def factor(self, x: Array, call: Call) -> Array:
        """The factor of each value."""
        if not call.training:
            return np.ones_like(x)
        return 1 + (self.size * call.rng.normal(size=x.shape)).astype(x.dtype)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        factor = self.factor(x, call)
        return x * factor, factor

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        return np.multiply(dy, saved, out=dy)


@dataclass(frozen=True, kw_only=True)
class RedrawnNoise(Noise):
    """The same; backward draws the noise again instead of keeping it."""

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        return x * self.factor(x, call), None

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        return np.multiply(dy, self.factor(dy, call), out=dy)


@dataclass(frozen=True, kw_only=True)
class Center(Layer):
    """y = x minus its mean over the batch; in inference, minus the running mean."""

    rate: float = option(0.1, minimum=0, maximum=1, doc="Weight of the newest batch.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return in_shape

    def state_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        return {"mean": ParamSpec(in_shape, Zeros())}

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        if not call.training or not len(x):
            return x - call.state["mean"], None
        mean = x.mean(axis=0)
        call.state["mean"][...] += self.rate * (mean - call.state["mean"])
        return x - mean, None

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        return dy - dy.sum(axis=0) / max(len(dy), 1) if call.training else dy


@dataclass(frozen=True, kw_only=True)
class Bend(Layer):
    """y = x + sin x, for any shape."""

    def output_shape(self, in_shape: Shape) -> Shape:
        return in_shape

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        return x + np.sin(x), 1 + np.cos(x)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        dx: Array = dy * saved
        return dx
