"""Layers made of layers."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from lenetkit.arrays import Array, Shape, Views, shape_text
from lenetkit.errors import ShapeError
from lenetkit.layers.base import Cost, Layer, Params, ParamSpec, with_inferred
from lenetkit.layers.call import Call
from lenetkit.operations.reach import Reach, each_place, through
from lenetkit.options import options_of


@dataclass(frozen=True, kw_only=True)
class Composite(Layer):
    """The layers in its options, one after another, in the order of declaration.

    An option is a layer (`conv: Layer`) or several (`body: tuple[Layer, ...]`, named `body0`,
    `body1`, …). Their parameters and state are named `conv.weight`. Each gets its own `Call`
    (`call.inner(name)`): generator, state and scratch memory. A subclass that adds to it, such as
    a residual block, extends `forward` and `backward`. It has no second derivatives.
    """

    keeps_shape: ClassVar[bool] = False
    """Whether the output must have the shape of the input, as where the two are added."""

    def output_shape(self, in_shape: Shape) -> Shape:
        """The last layer's output shape. Raises ShapeError, naming the layer, for bad input."""
        parts = _parts(self, in_shape)
        out = parts[-1].out_shape if parts else in_shape
        if self.keeps_shape and out != in_shape:
            raise ShapeError(
                f"its layers make {shape_text(out)} of {shape_text(in_shape)}; "
                "expected the same shape"
            )
        return out

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        return {
            f"{part.name}.{name}": spec
            for part in _parts(self, in_shape)
            for name, spec in part.layer.param_specs(part.in_shape).items()
        }

    def state_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        return {
            f"{part.name}.{name}": spec
            for part in _parts(self, in_shape)
            for name, spec in part.layer.state_specs(part.in_shape).items()
        }

    def cost(self, in_shape: Shape) -> Cost:
        costs = [part.layer.cost(part.in_shape) for part in _parts(self, in_shape)]
        return Cost(sum(c.macs for c in costs), sum(c.connections for c in costs))

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        """That of its layers; where `keeps_shape`, the input is taken to be added to it."""
        found: tuple[Reach, ...] | None = each_place(in_shape)
        for part in _parts(self, in_shape):
            found = through(part.layer.receptive_field(part.in_shape), found)
        if found is None or not self.keeps_shape:
            return found
        return tuple(one.joined(own) for one, own in zip(found, each_place(in_shape), strict=True))

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        parts, saved = _parts(self, x.shape[1:]), []
        for part in parts:
            own = within(params, part.name)
            x, one = part.layer.forward(own, x, call.inner(part.name))
            saved.append(one)
        return x, (parts, saved)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        """dL/dx, always. `dy` is left as it is, so that a subclass can use it again."""
        dx: Array | None = dy.copy(order="K")
        for part, one in zip(reversed(saved[0]), reversed(saved[1]), strict=True):
            own, own_grads = within(params, part.name), within(grads, part.name)
            dx = part.layer.backward(own, one, dx, own_grads, call.inner(part.name))
        return dx


@dataclass(frozen=True)
class InnerLayer:
    """An inner layer in its place, inferred options filled in."""

    name: str
    layer: Layer
    in_shape: Shape
    out_shape: Shape


def within(arrays: Params, name: str) -> Views:
    """The arrays of an inner layer, under its own names: `conv.weight` → `weight`."""
    start = f"{name}."
    return Views({n.removeprefix(start): v for n, v in arrays.items() if n.startswith(start)})


@functools.lru_cache(maxsize=256)
def _parts(composite: Composite, in_shape: Shape) -> tuple[InnerLayer, ...]:
    """Raises ShapeError if an inner layer refuses what reaches it."""
    parts, shape = [], in_shape
    for name, layer in _named(composite):
        try:
            planned, wrong = with_inferred(layer, shape)
            for option, message in wrong.items():
                raise ShapeError(f"{option}: {message}")
            out = planned.output_shape(shape)
        except ShapeError as error:
            raise ShapeError(f"{name}: {error}") from error
        parts.append(InnerLayer(name, planned, shape, out))
        shape = out
    return tuple(parts)


def _named(composite: Composite) -> Iterator[tuple[str, Layer]]:
    for option in options_of(type(composite)):
        value = getattr(composite, option.name)
        if isinstance(value, Layer):
            yield option.name, value
        elif isinstance(value, tuple) and all(isinstance(item, Layer) for item in value):
            yield from ((f"{option.name}{i}", item) for i, item in enumerate(value))
