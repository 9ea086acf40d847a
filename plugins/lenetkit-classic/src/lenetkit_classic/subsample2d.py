"""Subsampling with a trainable coefficient and bias."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.authoring import (
    Array,
    Call,
    Cost,
    Initializer,
    Pair,
    Params,
    ParamSpec,
    Reach,
    SecondOrderLayer,
    Shape,
    ShapeError,
    Window,
    Zeros,
    expect_image,
    option,
    pair,
    shape_text,
)


@dataclass(frozen=True, kw_only=True)
class Subsample2d(SecondOrderLayer):
    """y[n, o, i, j] = weight[o] · Σ_{u,v} x[n, c, i·kh + u, j·kw + v] + bias[o], o = c·maps + m.

    Windows do not overlap. With `maps: 2` each input map feeds two output maps.
    Input shape: (N, C, H, W). Output shape: (N, C·maps, H / kh, W / kw).
    Parameters: weight (C·maps,), bias (C·maps,): one coefficient and one bias per map.
    Raises ShapeError if the window does not divide the image.
    Backward: dweight = Σ dy · (sum of the window), dbias = Σ dy, dx = Σ_m dy · weight at each
    pixel of the window. Source: the paper, section II.B, layers S2 and S4.
    """

    kernel_size: int | Pair = option(2, minimum=1, doc="Window in pixels: one number or [h, w].")
    maps: int = option(1, minimum=1, doc="Output maps per input map.")
    weight_init: Initializer | None = option(
        None, doc="Initial coefficients; default: the spec's `init`, fan-in kh·kw."
    )
    bias_init: Initializer = option(Zeros(), doc="Initial biases.")

    @classmethod
    def examples(cls) -> tuple[Subsample2d, ...]:
        """Windows that divide 8×7."""
        return cls(kernel_size=(2, 1)), cls(kernel_size=(4, 7), maps=2)

    def output_shape(self, in_shape: Shape) -> Shape:
        C, H, W = expect_image(in_shape)
        kh, kw = pair(self.kernel_size)
        if H % kh or W % kw:
            raise ShapeError(f"windows of {kh}×{kw} do not divide {shape_text(in_shape)}")
        return C * self.maps, H // kh, W // kw

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        kernel = pair(self.kernel_size)
        return Window(kernel, stride=kernel).reach(*in_shape[1:])

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        shape, fan_in = (in_shape[0] * self.maps,), math.prod(pair(self.kernel_size))
        return {
            "weight": ParamSpec(shape, self.weight_init, fan_in=fan_in, fan_out=1),
            "bias": ParamSpec(shape, self.bias_init, fan_in=fan_in, fan_out=1),
        }

    def cost(self, in_shape: Shape) -> Cost:
        units = math.prod(self.output_shape(in_shape))
        return Cost(macs=units, connections=units * (math.prod(pair(self.kernel_size)) + 1))

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        kh, kw = pair(self.kernel_size)
        rows = _sum([x[:, :, u::kh] for u in range(kh)])
        sums = _sum([rows[..., v::kw] for v in range(kw)])
        if self.maps > 1:
            sums = sums.repeat(self.maps, axis=1)
        y = sums * params["weight"][:, None, None]
        y += params["bias"][:, None, None]
        return y, sums

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        return self._backward(params["weight"], saved, dy, grads)

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        return self._backward(params["weight"] ** 2, saved * saved, d2y, d2grads)

    def _backward(self, weight: Array, sums: Array, dy: Array, grads: Params) -> Array:
        """Both backward passes; the second one gets the squares of weight and sums."""
        (kh, kw), (N, O, OH, OW) = pair(self.kernel_size), dy.shape
        np.einsum("ncij,ncij->c", dy, sums, out=grads["weight"])
        dy.sum(axis=(0, 2, 3), out=grads["bias"])
        share = dy * weight[:, None, None]
        if self.maps > 1:
            share = share.reshape(N, O // self.maps, self.maps, OH, OW).sum(axis=2)
        dx = np.empty((N, O // self.maps, OH * kh, OW * kw), dy.dtype)
        for u in range(kh):
            for v in range(kw):
                dx[:, :, u::kh, v::kw] = share
        return dx


def _sum(parts: list[Array]) -> Array:
    """The sum of some arrays, in a new array."""
    total = parts[0] + parts[1] if len(parts) > 1 else parts[0].copy()
    for part in parts[2:]:
        total += part
    return total
