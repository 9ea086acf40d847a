"""A layer under test, with inputs, parameters, gradients and scratch."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape, Views
from lenetkit.conformance.numeric import spread
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.base import Layer, Params, ParamSpec
from lenetkit.layers.call import Call

KEY = (3, 1, 4, 2)
"""As in training: of the seed, of the purpose, of the step and of the layer."""
OTHER_KEYS = tuple((key, 5, 9, 6) for key in range(4, 12))
BATCH = 3
NEAR = 1e-9
"""Tolerance for results that may differ in rounding alone; see `expect_same`."""


@dataclass
class FilledCall(Call):
    """A call whose scratch memory is always filled with one value."""

    fill: float = 0.0

    def scratch(self, name: str, shape: Shape, dtype: Any) -> Array:
        """As `Call.scratch`, filled."""
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


class RecordingGenerator(np.random.Generator):
    """A generator that keeps every array it drew."""

    def __init__(self, key: tuple[int, ...]) -> None:
        super().__init__(np.random.default_rng(key).bit_generator)
        self.drawn: list[Array] = []

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found

        def record(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            if isinstance(result, np.ndarray):
                self.drawn.append(result.copy())
            return result

        return record


@dataclass
class RecordingCall(Call):
    """A call that records what the layer draws."""

    recorder: RecordingGenerator | None = None

    @property
    def rng(self) -> np.random.Generator:
        """The generator, recording."""
        if self.recorder is None:
            self.recorder = RecordingGenerator(self.rng_key)
        return self.recorder

    def inner(self, name: str) -> RecordingCall:
        """As `Call.inner`, with a recorder of its own."""
        known = name in self.inners
        call = super().inner(name)
        if not known:
            call.recorder = None
        return call

    @property
    def drawn(self) -> list[Array]:
        """What the layer and those inside it drew."""
        own = self.recorder.drawn if self.recorder else []
        return [*own, *(values for call in self.inners.values() for values in call.drawn)]


@dataclass(frozen=True)
class LayerCase:
    """A layer with its input shape. `planned` has its inferred options filled in."""

    thing: Layer
    in_shape: Shape

    @cached_property
    def planned(self) -> Layer:
        """The layer as in a plan."""
        inferred = self.thing.inferred(self.in_shape)
        missing = {n: v for n, v in inferred.items() if getattr(self.thing, n) is None}
        return replace(self.thing, **missing) if missing else self.thing

    @cached_property
    def specs(self) -> dict[str, ParamSpec]:
        """The parameters' specs by name."""
        return dict(self.planned.param_specs(self.in_shape))

    @cached_property
    def state_specs(self) -> dict[str, ParamSpec]:
        """The specs of the untrained state by name."""
        return dict(self.planned.state_specs(self.in_shape))

    @cached_property
    def is_random(self) -> bool:
        """Whether the layer draws random numbers in training, from `call.rng` or by itself."""
        return bool(self.draws()) or self.depends_on(OTHER_KEYS)

    def depends_on(self, keys: Iterable[tuple[int, ...]]) -> bool:
        """Whether one of these keys gives another output in training than `KEY`."""
        x = self.x()
        first = self.output(x)
        return any(not np.array_equal(self.output(x, key=key), first) for key in keys)

    def draws(self) -> list[Array]:
        """Every array that a forward pass in training draws."""
        call = RecordingCall(NumpyKernels(), training=True, rng_key=KEY, state=self.state())
        self.forward(self.params(), self.x(), call)
        return call.drawn

    def params(self, dtype: Any = np.float64, seed: int = 1) -> Views:
        """Every parameter, uniform in (0.5, 2)."""
        return _uniform(self.specs, dtype, seed)

    def state(self, dtype: Any = np.float64, seed: int = 2) -> Views:
        """The untrained state, uniform in (0.5, 2): a variance may be part of it."""
        return _uniform(self.state_specs, dtype, seed)

    def grads(self, dtype: Any = np.float64, fill: float = np.nan) -> Views:
        """Filled with NaN: what is not written, or added to, stands out."""
        return Views({n: np.full(s.shape, fill, dtype) for n, s in self.specs.items()})

    def call(
        self,
        *,
        training: bool = True,
        key: tuple[int, ...] = KEY,
        dtype: Any = np.float64,
        fill: float | None = None,
    ) -> Call:
        """A fresh call; with `fill`, its scratch memory always comes filled."""
        kind = Call if fill is None else functools.partial(FilledCall, fill=fill)
        return kind(NumpyKernels(), training=training, rng_key=key, state=self.state(dtype))

    def x(self, batch: int = BATCH, dtype: Any = np.float64, seed: int = 0) -> Array:
        """A batch of distinct values in (−3, 3)."""
        return spread((batch, *self.in_shape), seed).astype(dtype)

    def dy(self, shape: Shape, dtype: Any = np.float64, seed: int = 0) -> Array:
        """Gradients of an output of this shape."""
        return np.random.default_rng(seed + 100).normal(size=shape).astype(dtype)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        """The layer's forward pass, begun as a network begins it."""
        call.begin()
        return self.planned.forward(params, x, call)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        """The layer's backward pass, begun as a network begins it: `call.rng` restarts."""
        call.begin()
        return self.planned.backward(params, saved, dy, grads, call)

    def results(
        self,
        x: Array,
        *,
        dy: Array | None = None,
        call: Call | None = None,
        params: Params | None = None,
        grads: Params | None = None,
        dy_seed: int = 0,
    ) -> dict[str, Array]:
        """Output, input gradient and parameter gradients of one pass by name, as copies.

        `dy` has the output's actual shape, so that a wrong `output_shape` fails only its own check.
        """
        call = call or self.call(dtype=x.dtype)
        params = self.params(x.dtype) if params is None else params
        grads = self.grads(x.dtype) if grads is None else grads
        y, saved = self.forward(params, x, call)
        found = {"y": y.copy()}
        gradient = self.dy(y.shape, x.dtype, dy_seed) if dy is None else dy.copy(order="K")
        dx = self.backward(params, saved, gradient, grads, call)
        if dx is not None:
            found["dx"] = dx.copy()
        return found | {f"gradient of {n}": values.copy() for n, values in grads.items()}

    def output(
        self,
        x: Array,
        *,
        training: bool = True,
        key: tuple[int, ...] = KEY,
        params: Params | None = None,
        state: Params | None = None,
    ) -> Array:
        """The output alone, of a fresh call, as a copy."""
        params = self.params(x.dtype) if params is None else params
        call = self.call(training=training, key=key, dtype=x.dtype)
        if state is not None:
            call.state = state
        return self.forward(params, x, call)[0].copy()


@dataclass(frozen=True)
class VariedCase(LayerCase):
    """The same with larger inputs, and parameters of other sizes and signs."""

    x_factor: float = 1.0
    factor: float = 1.0
    mixed: frozenset[str] = frozenset()
    """Parameters and state of which every other value is below 0."""

    def x(self, batch: int = BATCH, dtype: Any = np.float64, seed: int = 0) -> Array:
        return super().x(batch, np.float64, seed).__imul__(self.x_factor).astype(dtype)

    def params(self, dtype: Any = np.float64, seed: int = 1) -> Views:
        params = super().params(dtype, seed)
        for values in params.values():
            values *= self.factor
        return self._with_signs(params)

    def state(self, dtype: Any = np.float64, seed: int = 2) -> Views:
        return self._with_signs(super().state(dtype, seed))

    def _with_signs(self, arrays: Views) -> Views:
        for values in (arrays[name] for name in arrays.keys() & self.mixed):
            values *= np.where(np.arange(values.size) % 2, 1, -1).reshape(values.shape)
        return arrays


def _uniform(specs: Mapping[str, ParamSpec], dtype: Any, seed: int) -> Views:
    rng = np.random.default_rng(seed)
    return Views({n: rng.uniform(0.5, 2, s.shape).astype(dtype) for n, s in specs.items()})
