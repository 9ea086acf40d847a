"""The layer contract: describe and compute, own nothing.

A layer is a frozen set of options. Its parameters, its scratch memory and what its backward pass
needs from the forward pass are all handed to it, so one layer object can serve many networks,
interleaved forward passes and float32 and float64 alike. Shapes leave out the batch.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from lenetkit.arrays import Array, Shape, shape_text
from lenetkit.errors import ShapeError
from lenetkit.initializers import Initializer
from lenetkit.operations.base import Operations
from lenetkit.options import Configurable

Params = Mapping[str, Array]


@dataclass(frozen=True)
class ParamSpec:
    """One parameter of a layer: its shape and how it starts."""

    shape: Shape
    init: Initializer | None = None
    """Where it starts; None takes the spec's `init`."""
    trainable: bool = True
    """False for state that the optimizer leaves alone, such as running means."""
    fan_in: int = 0
    """Inputs a unit; 0 derives it from the shape, (out, in, …) as PyTorch does."""
    fan_out: int = 0

    def fans(self) -> tuple[int, int]:
        """(fan_in, fan_out)."""
        window = math.prod(self.shape[2:])
        fan_in = math.prod(self.shape[1:]) if len(self.shape) > 1 else self.shape[0]
        fan_out = self.shape[0] * window
        return self.fan_in or fan_in, self.fan_out or fan_out


@dataclass(frozen=True)
class Cost:
    """What one image costs in a layer's forward pass."""

    macs: int = 0
    """Multiply-adds with a weight."""
    connections: int = 0
    """As LeCun et al. (1998), section II.B count them: each unit's inputs, plus one for a bias."""


@dataclass
class Call:
    """What a layer is handed for one pass: mode, randomness, kernels and scratch memory.

    Scratch buffers stay valid until the next forward pass that uses this object; training and
    evaluation each have their own.
    """

    kernels: Operations
    training: bool = False
    needs_input_grad: bool = True
    """False for the first layer: `backward` may then return None and save the work."""
    rng_key: tuple[int, ...] = (0,)
    _buffers: dict[tuple[str, Any], Array] = field(default_factory=dict, repr=False)

    @property
    def rng(self) -> np.random.Generator:
        """The generator for every random draw of this pass, made anew from its key."""
        return np.random.default_rng(self.rng_key)

    @property
    def scratch_bytes(self) -> int:
        """How much scratch memory has been asked for so far, in bytes."""
        return sum(buffer.nbytes for buffer in self._buffers.values())

    def scratch(self, name: str, shape: Shape, dtype: Any) -> Array:
        """An uninitialized array, the same memory each time the name is asked for again."""
        size = math.prod(shape)
        key = (name, np.dtype(dtype))
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[key] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)

    def scratch_like(self, name: str, x: Array) -> Array:
        """Scratch with the shape, the memory order and the dtype of `x`."""
        if x.flags.c_contiguous:
            return self.scratch(name, x.shape, x.dtype)
        order = sorted(range(x.ndim), key=lambda axis: (-x.strides[axis], axis))
        y = self.scratch(name, tuple(x.shape[axis] for axis in order), x.dtype)
        return y.transpose(np.argsort(order))


class Layer(Configurable):
    """Base of all layers. Methods in this order: shapes, parameters, forward, backward.

    The contract: never write to `x`; `dy` may be reused as scratch; gradients are *written* to
    `grads`, not accumulated; the results have the dtype of `x`; every random draw takes
    `call.rng`.
    """

    group: ClassVar[str] = "lenetkit.layers"
    trial_shapes: ClassVar[tuple[Shape, ...]] = ()
    """Input shapes to check the layer on, where it takes neither any image nor any row."""

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        """The options that the input shape determines, such as `in_channels`.

        A spec may also write them; they are then checked against this.
        """
        return {}

    @abstractmethod
    def output_shape(self, in_shape: Shape) -> Shape:
        """The shape that comes out. Raises ShapeError for a shape that cannot come in."""

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        """The parameters by name (`weight`, `bias`, …)."""
        return {}

    def cost(self, in_shape: Shape) -> Cost:
        """Multiply-adds and connections for one image."""
        return Cost()

    @abstractmethod
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        """The output `y` for a batch `x`, and whatever `backward` needs of this pass."""

    @abstractmethod
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        """dL/dx from dL/dy; writes dL/dp into `grads[p]` for every trainable parameter p."""

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        """Optional: the Gauss–Newton diagonal of the second derivative, from outputs to inputs.

        d²L/dx_i² = Σ_j (∂y_j/∂x_i)² · d²L/dy_j², and likewise for every trainable parameter,
        summed over the batch and written to `d2grads`. Optimizers that scale each parameter's
        rate by its curvature need it. LeCun et al. 1998, appendix C, eqs. 24–27.
        """
        raise NotImplementedError(f"{type(self).__name__} has no second_backward")


def expect_image(in_shape: Shape) -> tuple[int, int, int]:
    """(channels, height, width). Raises ShapeError for anything but an image."""
    if len(in_shape) != 3:
        raise ShapeError(
            f"expected an image (channels × height × width), found {shape_text(in_shape)}"
        )
    channels, height, width = in_shape
    return channels, height, width
