"""Enlarging images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array, Shape
from lenetkit.layers.base import Params, SecondOrderLayer, expect_image
from lenetkit.layers.call import Call
from lenetkit.operations.base import Pair, pair
from lenetkit.operations.reach import Reach
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class Upsample2d(SecondOrderLayer):
    """Images `scale_factor` times as large, each axis by itself.

    `nearest` repeats pixels: y[i] = x[⌊i / s⌋]. `bilinear` reads between the two pixels next to
    (i + ½) / s − ½, and the outermost pixel beyond them: PyTorch's, with align_corners=False.
    Input shape: (N, C, H, W). Output shape: (N, C, sh · H, sw · W). Backward: with y = A·x along
    an axis, dx = Aᵀ·dy.
    """

    scale_factor: int | Pair = option(minimum=1, doc="How many times as large: a number or [h, w].")
    mode: Literal["nearest", "bilinear"] = option("nearest", doc="How pixels are made.")

    def output_shape(self, in_shape: Shape) -> Shape:
        C, H, W = expect_image(in_shape)
        sh, sw = pair(self.scale_factor)
        return C, sh * H, sw * W

    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        taps = self._taps(in_shape[1:])
        return tuple(Reach(t.low, np.where(t.share > 0, t.high, t.low) + 1) for t in taps)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        down, across = self._taps(x.shape[2:])
        return _read(_read(x, down, axis=2), across, axis=3), x.shape[2:]

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        down, across = (_matrix(taps, dy.dtype) for taps in self._taps(saved))
        dx: Array = down.T @ dy @ across
        return dx

    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        down, across = (_matrix(taps, d2y.dtype) ** 2 for taps in self._taps(saved))
        d2x: Array = down.T @ d2y @ across
        return d2x

    def _taps(self, size: Shape) -> list[_Taps]:
        """Down and across: what each row or column of the output reads."""
        factors = zip(size, pair(self.scale_factor), strict=True)
        return [_taps(length, factor, self.mode) for length, factor in factors]


class _Taps(NamedTuple):
    """For each place of the output: two places of the input, and the share of the second."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: NDArray[np.float64]
    size: int
    """Places in the input."""


def _taps(size: int, factor: int, mode: str) -> _Taps:
    places = np.arange(size * factor)
    if mode == "nearest":
        return _Taps(places // factor, places // factor, np.zeros(len(places)), size)
    at = np.maximum((places + 0.5) / factor - 0.5, 0)
    low = np.floor(at).astype(np.intp)
    return _Taps(low, np.minimum(low + 1, size - 1), at - low, size)


def _read(x: Array, taps: _Taps, axis: int) -> Array:
    """`x` read along an axis."""
    y = x.take(taps.low, axis)
    if taps.share.any():
        share = taps.share.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1 - axis))
        y += share * (x.take(taps.high, axis) - y)
    return y


def _matrix(taps: _Taps, dtype: np.dtype[Any]) -> Array:
    """The same as a matrix, (places of the output, places of the input)."""
    places, matrix = np.arange(len(taps.low)), np.zeros((len(taps.low), taps.size), dtype)
    matrix[places, taps.low] += 1 - taps.share
    matrix[places, taps.high] += taps.share
    return matrix
