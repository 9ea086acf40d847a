"""Convolution as one matrix product over all windows, for any stride, dilation and groups.

Every window becomes a row of a matrix: (N·OH·OW, kh·kw·C) times (kh·kw·C, O). The way back adds
each window's gradient where it came from; windows overlap, so it must add, not assign.
Chellapilla et al. 2006, section 3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lenetkit.kernels import memory
from lenetkit.kernels.base import Array, Scratch, Window


class Saved(NamedTuple):
    """What the backward pass needs: the window matrix (groups, N·OH·OW, kh·kw·C/groups)."""

    columns: Array
    window: Window
    in_shape: tuple[int, ...]


def forward(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, scratch: Scratch
) -> tuple[Array, Saved]:
    """y (N, O, OH, OW) for x (N, C, H, W) and weight (O, C/groups, kh, kw)."""
    N, C, H, W = x.shape
    O, Cg, kh, kw = weight.shape
    OH, OW = out = window.output_size(H, W)
    padded = memory.pad_channels_last(x, window.padding, 0, scratch)
    views = memory.windows(padded, window.kernel, window.stride, window.dilation, out)
    columns = scratch("columns", (groups, N, OH, OW, kh, kw, Cg), x.dtype)
    for g in range(groups):
        columns[g] = views[..., g * Cg : (g + 1) * Cg]
    columns = columns.reshape(groups, N * OH * OW, kh * kw * Cg)
    y = scratch("y", (N, OH, OW, O), x.dtype)
    np.matmul(columns, _matrix(weight, groups), out=_by_group(y, groups))
    if bias is not None:
        y += bias
    return memory.channels_first(y), Saved(columns, window, x.shape)


def backward(
    saved: Saved,
    weight: Array,
    dy: Array,
    d_weight: Array,
    needs_input_grad: bool,
    scratch: Scratch,
) -> Array | None:
    """Write dL/dweight; return dL/dx (N, C, H, W) where it is needed."""
    columns, window, (N, C, H, W) = saved
    groups = len(columns)
    O, Cg, kh, kw = weight.shape
    dy_last = memory.contiguous("dy", memory.channels_last(dy), scratch)
    dy_grouped = _by_group(dy_last, groups)
    product = columns.transpose(0, 2, 1) @ dy_grouped  # (groups, kh·kw·Cg, O/groups)
    d_weight[...] = (
        product.reshape(groups, kh, kw, Cg, O // groups)
        .transpose(0, 4, 3, 1, 2)
        .reshape(weight.shape)
    )
    if not needs_input_grad:
        return None
    d_columns = scratch("d_columns", columns.shape, dy.dtype)
    np.matmul(dy_grouped, _matrix(weight, groups).transpose(0, 2, 1), out=d_columns)
    return _add_windows(d_columns, window, dy_last.shape[1:3], saved.in_shape, scratch)


def _add_windows(
    d_columns: Array,
    window: Window,
    out: tuple[int, ...],
    in_shape: tuple[int, ...],
    scratch: Scratch,
) -> Array:
    """col2im: the sum of every window's gradient at the pixel that it was read from."""
    N, C, H, W = in_shape
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    OH, OW = out
    groups = len(d_columns)
    Cg = C // groups
    pieces = d_columns.reshape(groups, N, OH, OW, kh, kw, Cg)
    dx = memory.zeros("dx", (N, *window.padded(H, W), C), scratch, d_columns)
    for g in range(groups):
        channels = slice(g * Cg, (g + 1) * Cg)
        for i in range(kh):
            rows = slice(i * dh, i * dh + sh * OH, sh)
            for j in range(kw):
                dx[:, rows, slice(j * dw, j * dw + sw * OW, sw), channels] += pieces[
                    g, ..., i, j, :
                ]
    return memory.unpad(dx, window.padding)


def _matrix(weight: Array, groups: int) -> Array:
    """(O, C/groups, kh, kw) → (groups, kh·kw·C/groups, O/groups)."""
    O, Cg, kh, kw = weight.shape
    grouped = weight.reshape(groups, O // groups, Cg, kh, kw).transpose(0, 3, 4, 2, 1)
    return grouped.reshape(groups, kh * kw * Cg, O // groups)


def _by_group(y: Array, groups: int) -> Array:
    """(N, OH, OW, O) as a (groups, N·OH·OW, O/groups) view."""
    O = y.shape[-1]
    return y.reshape(-1, groups, O // groups).transpose(1, 0, 2)
