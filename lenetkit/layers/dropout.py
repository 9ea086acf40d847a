"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.layers.base import Layer, Params
from lenetkit.layers.call import Call
from lenetkit.operations.reach import Reach, each_place
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """In training, each value is zeroed with probability p and the rest scaled by 1 / (1 − p).

    Any shape in, the same shape out; in inference y = x. Srivastava et al. 2014, section 4,
    scaled in training ("inverted") so that inference needs no change.
    """

    p: float = option(0.5, minimum=0, below=1, doc="Probability that a value is dropped.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return in_shape

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return each_place(in_shape)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        if not call.training or self.p == 0:
            return x, None
        kept = call.draw(x.shape, lambda rng, shape: rng.random(shape, np.float32)) >= self.p
        mask = np.multiply(kept, x.dtype.type(1 / (1 - self.p)), dtype=x.dtype)
        return x * mask, mask

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        return dy if saved is None else np.multiply(dy, saved, out=dy)
