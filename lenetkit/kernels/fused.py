"""Layers that do the work of several: what the NumPy kernels fuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lenetkit.layer import Array, Call, Layer, Params, Shape
from lenetkit.layers.pooling import MaxPool2d
from lenetkit.options import option


class Saved(NamedTuple):
    """What the backward pass needs: of the pooling, and where the output is above 0."""

    pool: Any
    y: Array


@dataclass(frozen=True, kw_only=True)
class ReLUMaxPool2d(Layer):
    """ReLU, then max pooling, in the other order: y = max(0, max_{u,v} x[n, c, i·s + u, j·s + v]).

    The largest of the rectified is the rectified largest, and ReLU then runs over the pooled values
    only. Shapes are those of `max_pool2d`. Outputs and gradients are bit for bit those of the two
    layers; in a window that holds a NaN, whose output is NaN either way, no value gets a gradient.
    """

    pool: MaxPool2d = option(doc="The pooling that follows the ReLU.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return self.pool.output_shape(in_shape)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        largest, saved = self.pool.forward(params, x, call)
        y = np.maximum(largest, 0, out=call.scratch_like("rectified", largest))
        return y, Saved(saved, y)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        d_largest = np.multiply(dy, saved.y > 0, out=dy)
        return self.pool.backward(params, saved.pool, d_largest, grads, call)
