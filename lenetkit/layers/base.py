"""The layer contract: describe and compute, own nothing.

A layer is a frozen set of options. Parameters, state, scratch memory and what backward
needs from forward are all handed to it, so one layer object can serve many
networks, interleaved forward passes, and float32 and float64 alike. Shapes leave out the batch.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array, Shape, shape_text
from lenetkit.errors import ShapeError
from lenetkit.initializers import Initializer
from lenetkit.layers.call import Call
from lenetkit.operations.reach import Reach, each_place
from lenetkit.options import Configurable
from lenetkit.values import plain

Params = Mapping[str, Array]


@dataclass(frozen=True)
class ParamSpec:
    """A parameter, or a piece of untrained state: its shape and initial value."""

    shape: Shape
    init: Initializer | None = None
    """None takes the spec's `init`."""
    fan_in: int = 0
    """Inputs of a unit; 0 derives it from the shape, (out, in, …) as PyTorch does."""
    fan_out: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(map(plain, self.shape)))

    def fans(self) -> tuple[int, int]:
        """(fan_in, fan_out); both 1 for a scalar, unless they are given."""
        first, *others = self.shape or (1,)
        fan_in = math.prod(others) if others else first
        fan_out = first * math.prod(others[1:])
        return self.fan_in or fan_in, self.fan_out or fan_out


@dataclass(frozen=True)
class Cost:
    """What one image costs in a layer's forward pass."""

    macs: int = 0
    """Multiply-adds with a weight."""
    connections: int = 0
    """As LeCun et al. (1998), section II.B, count them: each unit's inputs, plus one for a bias."""

    def __post_init__(self) -> None:
        for name in ("macs", "connections"):  # NumPy's integers cannot be written as JSON
            object.__setattr__(self, name, plain(getattr(self, name)))


class Layer(Configurable):
    """Base of all layers. Methods in this order: shapes, parameters, forward, backward.

    The contract: never write to `x`; `dy` may be reused as scratch; gradients are *written* to
    `grads`, not accumulated; results have the dtype of `x`; random draws come from `call.rng` or
    `call.draw`; untrained state lives in `call.state`.
    """

    group: ClassVar[str] = "lenetkit.layers"
    kind: ClassVar[str] = "layer"
    trial_shapes: ClassVar[tuple[Shape, ...]] = ()
    """Input shapes to check the layer with, if it does not accept every image or every row."""

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        """The options that the input shape determines, such as `in_channels`.

        A spec may also write them; they are then checked against this.
        """
        return {}

    @abstractmethod
    def output_shape(self, in_shape: Shape) -> Shape:
        """The output shape. Raises ShapeError for an input shape that the layer cannot accept."""

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        """The trained parameters by name (`weight`, `bias`, …)."""
        return {}

    def state_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        """Untrained state by name (`running_mean`, a fixed table), found in `call.state`."""
        return {}

    def cost(self, in_shape: Shape) -> Cost:
        """Multiply-adds and connections for one image."""
        return Cost()

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        """What each row and each column of the output reads of the input's; None if unknown.

        One `Reach` for rows and one for columns, or one for a row of values: `each_place(in_shape)`
        of a layer that treats every place alone, `all_places(in_shape, out_shape)` of one that
        reads everything, `window.reach(height, width)` of a sliding window. `lenetkit summary`
        follows them back to the network's input.
        """
        return None

    def least_batch(self, in_shape: Shape) -> int:
        """The fewest images of a training batch that the layer learns from.

        Training with smaller batches is refused. Only the last batch of an epoch may have fewer.
        """
        return 1

    @abstractmethod
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        """The output `y` for a batch `x`, and whatever `backward` needs of this pass."""

    @abstractmethod
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        """dL/dx from dL/dy; writes dL/dp into `grads[p]` for every parameter p."""


class SecondOrderLayer(Layer):
    """A layer that also propagates second derivatives, for optimizers that need them."""

    @abstractmethod
    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        """The Gauss–Newton diagonal of the second derivative, from outputs to inputs.

        d²L/dx_i² = Σ_j (∂y_j/∂x_i)² · d²L/dy_j², and likewise for every parameter, summed over the
        batch and written to `d2grads`. LeCun et al. 1998, appendix C, eqs. 24–27.
        """


class Elementwise(SecondOrderLayer):
    """An activation: one function applied to every value. Any shape in, the same shape out.

    A subclass states the function and its derivative; gradient and second derivative follow.
    """

    @abstractmethod
    def function(self, x: Array, out: Array) -> Array:
        """y = f(x). `out` is memory of the same shape and dtype that may be used for it."""

    @abstractmethod
    def derivative(self, x: Array, y: Array) -> NDArray[Any]:
        """dy/dx for each value, from the input or the output, whichever is simpler."""

    def output_shape(self, in_shape: Shape) -> Shape:
        return in_shape

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return each_place(in_shape)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y = self.function(x, call.scratch_like("y", x))
        return y, (x, y)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        return np.multiply(dy, self.derivative(*saved), out=dy)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        derivative = self.derivative(*saved)
        return np.multiply(d2y, derivative * derivative, out=d2y)


def with_inferred(layer: Layer, in_shape: Shape) -> tuple[Layer, dict[str, str]]:
    """The layer with inferred options filled in, and messages on those that contradict them."""
    wrong = {}
    for name, inferred in layer.inferred(in_shape).items():
        written = getattr(layer, name)
        if written is None:
            layer = replace(layer, **{name: inferred})
        elif written != inferred:
            wrong[name] = (
                f"expected {inferred}, as the input is {shape_text(in_shape)}, "
                f"found {written}; fix it or leave it out"
            )
    return layer, wrong


def expect_image(in_shape: Shape) -> tuple[int, int, int]:
    """(channels, height, width). Raises ShapeError for anything but an image."""
    if len(in_shape) != 3:
        raise ShapeError(
            f"expected an image (channels × height × width), found {shape_text(in_shape)}"
        )
    channels, height, width = in_shape
    return channels, height, width
