"""The fused layers of the NumPy kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.layers.base import Layer, Params, ParamSpec
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.pooling import MaxPool2d
from lenetkit.operations import convolution, memory, pooling
from lenetkit.operations.base import Scratch
from lenetkit.operations.products import Products
from lenetkit.operations.reach import Reach
from lenetkit.options import option


class PoolSaved(NamedTuple):
    """What the backward pass of `ReLUMaxPool2d` needs: of the pooling, and its own output."""

    pool: Any
    y: Array


@dataclass(frozen=True, kw_only=True)
class ReLUMaxPool2d(Layer):
    """ReLU and max pooling, in reverse order: y = max(0, max_{u,v} x[n, c, i·s + u, j·s + v]).

    ReLU and max commute, and ReLU then runs over the pooled values only. Shapes are those of
    `max_pool2d`. Outputs and gradients are bit for bit those of the two layers; in a
    window that holds a NaN, whose output is NaN either way, no value gets a gradient.
    """

    pool: MaxPool2d = option(doc="The pooling that follows the ReLU.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return self.pool.output_shape(in_shape)

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return self.pool.receptive_field(in_shape)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        largest, saved = self.pool.forward(params, x, call)
        y = np.maximum(largest, 0, out=call.scratch_like("rectified", largest))
        return y, PoolSaved(saved, y)

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        d_largest = np.multiply(dy, saved.y > 0, out=dy)
        return self.pool.backward(params, saved.pool, d_largest, grads, call)


class ConvSaved(NamedTuple):
    """What the backward pass of `ConvMaxPool2d` needs."""

    convolution: Products
    masks: pooling.Masks
    y: Array
    """(PH, PW, …), in the convolution's order."""


@dataclass(frozen=True, kw_only=True)
class ConvMaxPool2d(Layer):
    """Convolution, ReLU unless `relu` is False, and max pooling, a few rows at a time.

    The convolution's output is several times larger than anything else. Here its rows are pooled
    while they are still in a core's cache, and only the positions of the maxima are kept; backward
    recreates the rows of its gradient just before they are used. Gradients are those of the
    three layers. The pooling's windows must tile: stride = kernel_size, padding 0.
    """

    conv: Conv2d = option(doc="The convolution.")
    pool: MaxPool2d = option(doc="The pooling.")
    relu: bool = option(True, doc="Whether there is a ReLU between the two.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return self.pool.output_shape(self.conv.output_shape(in_shape))

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        return self.conv.param_specs(in_shape)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        weight, bias, scratch = params["weight"], params.get("bias"), call.scratch
        window, (ph, _) = self.pool.window, self.pool.window.kernel
        conv = convolution.prepare(x, weight, bias, self.conv.window, self.conv.groups, scratch)
        OH, OW = conv.blocks.out
        PH, PW = window.output_size(OH, OW)
        pixel = conv.order.pixel(len(weight), len(x))
        y = scratch("y", (PH, PW, *pixel), x.dtype)
        masks = pooling.room_for_masks(PH * ph, y, window, scratch)

        def work(rows: slice, own: Scratch) -> None:
            z = own("z", (rows.stop - rows.start, OW, *pixel), x.dtype)
            pooled = slice(rows.start // ph, rows.stop // ph)
            conv.outputs(rows, z, own)
            pooling.largest(z, y[pooled], masks.rows(rows, pooled), window, own)

        convolution.for_strips(conv, work, scratch, PH * ph, ph)
        if self.relu:
            np.maximum(y, 0, out=y)
        return conv.order.restore(y), ConvSaved(conv, masks, y)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        conv, masks, y = saved
        _, OW = conv.blocks.out
        scratch, window, (ph, _) = call.scratch, self.pool.window, self.pool.window.kernel
        d_largest = memory.contiguous("dy", conv.order.arrange(dy), scratch)
        if self.relu:
            np.multiply(d_largest, y > 0, out=d_largest)

        def rows_of_dz(rows: slice, own: Scratch) -> Array:
            dz = own("z", (rows.stop - rows.start, OW, *y.shape[2:]), dy.dtype)
            pooled = slice(rows.start // ph, rows.stop // ph)
            pooling.give_to_largest(d_largest[pooled], dz, masks.rows(rows, pooled), window, own)
            return dz

        return convolution.gradients(
            conv,
            rows_of_dz,
            grads["weight"],
            grads.get("bias"),
            call.needs_input_grad,
            scratch,
            len(y) * ph,
            ph,
        )
