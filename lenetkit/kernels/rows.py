"""Convolution by whole rows: more arithmetic, far less copying.

For small images im2col spends its time copying windows. Here one row of the matrix holds the kh
whole input rows that a row of outputs needs, (N·OH, kh·W·C), copied in long runs; the weights
are laid out as a band matrix (kh·W·C, OW·O), zero wherever a pixel lies outside an output's window.
The product does up to W/kw times the arithmetic, in a shape that matrix products are fastest at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lenetkit.kernels import memory
from lenetkit.kernels.base import Array, Scratch, Window

_COPY_COST = 60.0
"""One element copied into a window matrix, in units of one multiply-add of a product (measured)."""


class Saved(NamedTuple):
    """What the backward pass needs: the matrix of input rows and the band of weights."""

    matrix: Array
    band: Array
    window: Window
    in_shape: tuple[int, ...]


def pays(
    x_shape: tuple[int, ...], weight_shape: tuple[int, ...], window: Window, groups: int
) -> bool:
    """Whether rows are expected to beat im2col, by counting products and copies an image."""
    if groups != 1 or window.dilation != (1, 1):
        return False
    _, C, H, W = x_shape
    O, _, kh, kw = weight_shape
    OH, OW = window.output_size(H, W)
    width = window.padded(H, W)[1]
    by_rows = OH * kh * width * C * (OW * O + _COPY_COST / 8)
    by_columns = OH * OW * kh * kw * C * (O + _COPY_COST)
    return by_rows < by_columns


def forward(
    x: Array, weight: Array, bias: Array | None, window: Window, scratch: Scratch
) -> tuple[Array, Saved]:
    """y (N, O, OH, OW) for x (N, C, H, W) and weight (O, C, kh, kw)."""
    N, C, H, W = x.shape
    O, _, kh, _ = weight.shape
    OH, OW = window.output_size(H, W)
    padded = memory.pad_channels_last(x, window.padding, 0, scratch)
    width = padded.shape[2] * C
    item = padded.itemsize  # not padded.strides, which may hold anything where a size is 1
    row = width * item
    image = padded.shape[1] * row
    views = np.lib.stride_tricks.as_strided(
        padded, (N, OH, kh * width), (image, row * window.stride[0], item), writeable=False
    )
    matrix = scratch("rows", views.shape, x.dtype)
    matrix[...] = views
    matrix = matrix.reshape(N * OH, kh * width)
    band = memory.zeros("band", (kh * width, OW * O), scratch, x)
    _diagonals(band, weight.shape, OW, window.stride[1])[...] = weight.transpose(2, 3, 1, 0)
    y = scratch("y", (N, OH, OW, O), x.dtype)
    np.matmul(matrix, band, out=y.reshape(N * OH, OW * O))
    if bias is not None:
        y.reshape(N * OH, OW * O)[...] += np.tile(bias, OW)
    return memory.channels_first(y), Saved(matrix, band, window, x.shape)


def backward(
    saved: Saved,
    weight: Array,
    dy: Array,
    d_weight: Array,
    needs_input_grad: bool,
    scratch: Scratch,
) -> Array | None:
    """Write dL/dweight; return dL/dx (N, C, H, W) where it is needed."""
    matrix, band, window, (N, C, H, W) = saved
    kh = weight.shape[2]
    dy_last = memory.contiguous("dy", memory.channels_last(dy), scratch)
    _, OH, OW, O = dy_last.shape
    dy_rows = dy_last.reshape(N * OH, OW * O)
    d_band = scratch("d_band", band.shape, dy.dtype)
    np.matmul(matrix.T, dy_rows, out=d_band)
    diagonals = _diagonals(d_band, weight.shape, OW, window.stride[1])
    d_weight[...] = diagonals.sum(axis=0).transpose(3, 2, 0, 1)
    if not needs_input_grad:
        return None
    d_matrix = scratch("d_rows", matrix.shape, dy.dtype)
    np.matmul(dy_rows, band.T, out=d_matrix)
    height, width = window.padded(H, W)
    dx = memory.zeros("dx", (N, height, width, C), scratch, dy)
    pieces = d_matrix.reshape(N, OH, kh, width, C)
    for i in range(kh):
        dx[:, i : i + window.stride[0] * OH : window.stride[0]] += pieces[:, :, i]
    return memory.unpad(dx, window.padding)


def _diagonals(band: Array, weight_shape: tuple[int, ...], OW: int, stride: int) -> Array:
    """The band's weights as an (OW, kh, kw, C, O) view: each output column has its own copy.

    Column `ow` of the outputs reads the pixels stride·ow … stride·ow + kw − 1.
    """
    O, C, kh, kw = weight_shape
    item = band.itemsize
    pixel = band.strides[0] * C
    row = band.shape[0] // kh * band.strides[0]
    return np.lib.stride_tricks.as_strided(
        band, (OW, kh, kw, C, O), (stride * pixel + O * item, row, pixel, band.strides[0], item)
    )
