"""Normalization of each image by itself, the same in training and inference."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape, shape_text
from lenetkit.errors import ShapeError
from lenetkit.initializers import Constant, Zeros
from lenetkit.layers.base import Layer, Params, ParamSpec
from lenetkit.layers.call import Call
from lenetkit.operations.reach import Reach, all_places, each_place
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class _Normalization(Layer):
    """(x − mean) / √(var + eps) over groups of each image's values, then · weight + bias."""

    eps: float = option(1e-5, above=0, doc="Added to the variance.")

    @abstractmethod
    def groups(self, in_shape: Shape) -> int:
        """How many groups the values of an image form; each is contiguous in the order C, H, W."""

    @abstractmethod
    def summed(self, in_shape: Shape) -> tuple[int, ...]:
        """The axes over which a parameter's gradient is summed; 0 is the batch."""

    def output_shape(self, in_shape: Shape) -> Shape:
        if math.prod(in_shape) == self.groups(in_shape):
            raise ShapeError(
                f"of {shape_text(in_shape)} every group is a single value, which would always "
                "become 0; expected two or more"
            )
        return in_shape

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        values = self._grouped(x)
        centred = values - values.mean(axis=2, keepdims=True)
        variance = (centred * centred).mean(axis=2, keepdims=True)
        scale = 1 / np.sqrt(variance + x.dtype.type(self.eps))
        centred *= scale
        normal = y = centred.reshape(x.shape)
        if "weight" in params:
            y = y * self._spread(params["weight"], x)
        if "bias" in params:
            y = y + self._spread(params["bias"], x)
        return y, (normal, scale)

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        normal, scale = saved
        axes = self.summed(dy.shape[1:])
        if "bias" in params:
            grads["bias"][...] = dy.sum(axis=axes)
        if "weight" in params:
            grads["weight"][...] = (dy * normal).sum(axis=axes)
            dy = dy * self._spread(params["weight"], dy)
        # Mean and variance depend on x too: dx has no part along 1 or normal.
        d_values, values = self._grouped(dy), self._grouped(normal)
        along = (d_values * values).mean(axis=2, keepdims=True)
        dx = d_values - d_values.mean(axis=2, keepdims=True) - values * along
        dx *= scale
        return dx.reshape(dy.shape)

    def _grouped(self, x: Array) -> Array:
        groups = self.groups(x.shape[1:])
        return x.reshape(len(x), groups, math.prod(x.shape[1:]) // groups)

    def _spread(self, values: Array, x: Array) -> Array:
        """A parameter with axes of 1 where its gradient is summed, to broadcast with `x`."""
        return np.expand_dims(values, self.summed(x.shape[1:]))


@dataclass(frozen=True, kw_only=True)
class LayerNorm(_Normalization):
    """y = weight · (x − mean) / √(var + eps) + bias, over the last axes of each image.

    Input and output shape: (N, …). Parameters: weight and bias, each of `normalized_shape`.
    Raises ShapeError if the input does not end in `normalized_shape`. Ba et al. 2016; options as
    PyTorch's.
    """

    normalized_shape: int | tuple[int, ...] | None = option(
        None, minimum=1, doc="Sizes of the last axes, normalized together; default: of all axes."
    )
    elementwise_affine: bool = option(True, doc="Whether to scale and shift by weight and bias.")
    bias: bool = option(True, doc="Whether there is a bias, if elementwise_affine.")

    def groups(self, in_shape: Shape) -> int:
        return math.prod(in_shape[: len(in_shape) - len(self._shape(in_shape))])

    def summed(self, in_shape: Shape) -> tuple[int, ...]:
        return tuple(range(1 + len(in_shape) - len(self._shape(in_shape))))

    def output_shape(self, in_shape: Shape) -> Shape:
        own = self._shape(in_shape)
        if not own or in_shape[-len(own) :] != own:
            raise ShapeError(
                f"normalized_shape: expected the last sizes of {shape_text(in_shape)}, "
                f"found {shape_text(own)}"
            )
        return super().output_shape(in_shape)

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        own = self._shape(in_shape)
        specs = {"weight": ParamSpec(own, Constant(value=1.0)), "bias": ParamSpec(own, Zeros())}
        if not self.bias:
            del specs["bias"]
        return specs if self.elementwise_affine else {}

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        own, whole = each_place(in_shape), all_places(in_shape, in_shape)
        rest = max(len(own) - len(self._shape(in_shape)), 0)
        return (*own[:rest], *whole[rest:])

    def _shape(self, in_shape: Shape) -> Shape:
        own = self.normalized_shape
        return in_shape if own is None else (own,) if isinstance(own, int) else own


@dataclass(frozen=True, kw_only=True)
class GroupNorm(_Normalization):
    """y = weight · (x − mean) / √(var + eps) + bias, over groups of neighbouring channels.

    With one group it normalizes whole images, with as many as channels each map (instance
    normalization). Input and output shape: (N, C, …). Parameters: weight and bias, each (C,).
    Raises ShapeError if `num_groups` does not divide C. Wu & He 2018; options as PyTorch's.
    """

    trial_shapes = ((4, 5, 3), (6,))

    num_groups: int = option(minimum=1, doc="Groups of channels.")
    affine: bool = option(True, doc="Whether to scale and shift by weight and bias.")
    num_channels: int | None = option(None, minimum=1, doc="Channels (inferred).")

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        if not in_shape:
            raise ShapeError("expected channels, found a scalar")
        return {"num_channels": in_shape[0]}

    def groups(self, in_shape: Shape) -> int:
        return self.num_groups

    def summed(self, in_shape: Shape) -> tuple[int, ...]:
        return 0, *range(2, 1 + len(in_shape))

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        if len(in_shape) > 1:
            return all_places(in_shape, in_shape)
        size = in_shape[0] // self.num_groups
        start = np.arange(in_shape[0]) // size * size
        return (Reach(start, start + size),)

    def output_shape(self, in_shape: Shape) -> Shape:
        if not in_shape or in_shape[0] % self.num_groups:
            raise ShapeError(
                f"num_groups must divide the channels of {shape_text(in_shape)}, "
                f"found {self.num_groups}"
            )
        return super().output_shape(in_shape)

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        C = (in_shape[0],)
        affine = {"weight": ParamSpec(C, Constant(value=1.0)), "bias": ParamSpec(C, Zeros())}
        return affine if self.affine else {}
