"""A layer under test with all that one pass needs: inputs, parameters, gradients, scratch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.base import Call, Layer, ParamSpec
from lenetkit.testing.numeric import spread

KEY = (3,)
BATCH = 3


@dataclass
class FilledCall(Call):
    """Scratch memory that comes filled with one value, whatever was there before."""

    fill: float = 0.0

    def scratch(self, name: str, shape: Shape, dtype: Any) -> Array:
        """The same memory as always, filled."""
        buffer: Any = super().scratch(name, shape, dtype)
        kind = buffer.dtype.kind
        if kind in "fc":
            buffer.fill(self.fill)
        elif self.fill == 0:
            buffer.fill(0)
        else:
            buffer.fill(True if kind == "b" else np.iinfo(buffer.dtype).max)
        result: Array = buffer
        return result


@dataclass
class WatchedCall(Call):
    """Notes whether the layer asked for randomness."""

    drawn: bool = field(default=False)

    @property
    def rng(self) -> np.random.Generator:
        """The generator, noted."""
        self.drawn = True
        return super().rng


@dataclass(frozen=True)
class LayerCase:
    """A layer with the shape that comes in. `planned` has its inferred options filled in."""

    thing: Layer
    in_shape: Shape

    @cached_property
    def planned(self) -> Layer:
        """The layer as the plan hands it to a network."""
        inferred = self.thing.inferred(self.in_shape)
        missing = {n: v for n, v in inferred.items() if getattr(self.thing, n) is None}
        return replace(self.thing, **missing) if missing else self.thing

    @cached_property
    def specs(self) -> dict[str, ParamSpec]:
        """The parameters' specs by name."""
        return dict(self.planned.param_specs(self.in_shape))

    @cached_property
    def is_random(self) -> bool:
        """Whether the layer draws from `call.rng` in training."""
        call = WatchedCall(kernels=NumpyKernels(), training=True, rng_key=KEY)
        self.planned.forward(self.params(), self.x(), call)
        return call.drawn

    @property
    def has_state(self) -> bool:
        """Whether there are parameters that are not trained."""
        return any(not spec.trainable for spec in self.specs.values())

    def params(self, dtype: Any = np.float64, seed: int = 1) -> dict[str, Array]:
        """Every parameter, uniform in (0.5, 2): a variance may be among them."""
        rng = np.random.default_rng(seed)
        return {n: rng.uniform(0.5, 2, s.shape).astype(dtype) for n, s in self.specs.items()}

    def grads(self, dtype: Any = np.float64, fill: float = np.nan) -> dict[str, Array]:
        """NaN everywhere: what is not written stands out, and so does what is added to."""
        return {n: np.full(s.shape, fill, dtype) for n, s in self.specs.items() if s.trainable}

    def call(self, *, training: bool = True, key: tuple[int, ...] = KEY) -> Call:
        """A fresh call."""
        return Call(kernels=NumpyKernels(), training=training, rng_key=key)

    def filled_call(self, fill: float, *, training: bool) -> Call:
        """A fresh call whose scratch memory always comes filled."""
        return FilledCall(kernels=NumpyKernels(), training=training, rng_key=KEY, fill=fill)

    def x(self, batch: int = BATCH, dtype: Any = np.float64, seed: int = 0) -> Array:
        """A batch of distinct values in (−3, 3)."""
        return spread((batch, *self.in_shape), seed).astype(dtype)

    def dy(self, shape: Shape, dtype: Any = np.float64, seed: int = 0) -> Array:
        """Gradients of an output of this shape."""
        return np.random.default_rng(seed + 100).normal(size=shape).astype(dtype)

    def results(
        self,
        x: Array,
        *,
        dy: Array | None = None,
        call: Call | None = None,
        params: dict[str, Array] | None = None,
        grads: dict[str, Array] | None = None,
        dy_seed: int = 0,
    ) -> dict[str, Array]:
        """Output, input gradient and parameter gradients of one pass by name, as copies.

        `dy` comes from the output's own shape, so that a wrong `output_shape` is no other check's
        failure.
        """
        call = call or self.call()
        params = self.params(x.dtype) if params is None else params
        grads = self.grads(x.dtype) if grads is None else grads
        handed_out = dict(grads)
        y, saved = self.planned.forward(params, x, call)
        found = {"y": y.copy()}
        gradient = self.dy(y.shape, x.dtype, dy_seed) if dy is None else dy.copy(order="K")
        dx = self.planned.backward(params, saved, gradient, grads, call)
        if dx is not None:
            found["dx"] = dx.copy()
        return found | {f"gradient of {n}": values.copy() for n, values in handed_out.items()}

    def output(
        self,
        x: Array,
        *,
        training: bool = True,
        key: tuple[int, ...] = KEY,
        params: dict[str, Array] | None = None,
    ) -> Array:
        """The output alone, of a fresh call, as a copy."""
        params = self.params(x.dtype) if params is None else params
        return self.planned.forward(params, x, self.call(training=training, key=key))[0].copy()


LayerCheck = Callable[[LayerCase], None]
