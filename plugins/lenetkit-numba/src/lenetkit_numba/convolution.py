"""Convolution from arrays to arrays: chooses tables, memory and threads, and runs the passes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from lenetkit.kernels.base import Array, Scratch, Window

from lenetkit_numba import passes, team
from lenetkit_numba.geometry import geometry
from lenetkit_numba.tables import Geometry, Shape
from lenetkit_numba.target import SUMS, padded_maps, tile_maps

_ALIGNED = 64


class Saved(NamedTuple):
    """What the backward pass needs."""

    tables: Geometry
    N: int
    side_by_side: bool
    """How the input lay, and dx will."""
    blocks: Array
    codes: Any
    """Where gradients go, for pooled outputs; else empty."""
    mean: bool


class Pooling(NamedTuple):
    """What follows a convolution: ReLU, and pooling of 2×2 to one."""

    mean: bool
    """The mean, or the largest."""


def forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    window: Window,
    groups: int,
    pooling: Pooling | None,
    scratch: Scratch,
) -> tuple[Array, Saved]:
    """y (N, O, OH, OW) for x (N, C, H, W) and weight (O, C/groups, kh, kw)."""
    N, C, H, W = x.shape
    pooled = pooling is not None
    tables = geometry(Shape(C, len(weight), (H, W), window, groups, pooled, x.itemsize))
    f, threads = tables.forward, team.threads()
    images, side_by_side = _images("x", x, scratch)
    count = -(-N // f.L)
    blocks = _memory("blocks", count * tables.x_size, x.dtype, scratch)
    if max(window.padding):
        blocks.fill(0)
    weights = _rows(weight.reshape(groups, f.maps, -1), bias, scratch)
    work = _memory("work", threads * tables.y_size, x.dtype, scratch)
    source = (images, side_by_side, tables.x.of(side_by_side), tables.x_size)
    if pooling is None:
        O, OH, OW = tables.shape.out_shape
        y = scratch("y", (OH, OW, O, N), x.dtype)
        target = (y.reshape(-1), True, tables.y.side_by_side, tables.y_size)
        team.share(passes.forward, count, f, N, source, blocks, weights, work, target)
        codes: Any = np.empty(0, np.uint8)
        return y.transpose(3, 2, 0, 1), Saved(tables, N, side_by_side, blocks, codes, False)
    y = scratch("y", (N, *tables.shape.out_shape), x.dtype)
    codes = scratch("codes", (max(count, 1) * tables.y_size,), np.uint8)
    target = (y.reshape(-1), False, tables.y.one_by_one, tables.y_size)
    team.share(
        passes.forward_and_pool,
        count,
        f,
        pooling.mean,
        N,
        source,
        blocks,
        weights,
        work,
        target,
        codes,
    )
    return y, Saved(tables, N, side_by_side, blocks, codes, pooling.mean)


def backward(
    saved: Saved,
    weight: Array,
    dy: Array,
    d_weight: Array,
    d_bias: Array | None,
    needs_input_grad: bool,
    scratch: Scratch,
) -> Array | None:
    """Write dL/dweight and dL/dbias; return dL/dx (N, C, H, W) where it is needed."""
    tables, N, dtype = saved.tables, saved.N, dy.dtype
    f, b, shape, threads = tables.forward, tables.backward, tables.shape, team.threads()
    gradients, side_by_side = _images("dy", dy, scratch)
    source = (gradients, side_by_side, tables.dy.of(side_by_side), tables.y_size)
    C, (H, W) = shape.channels, shape.size
    size = N * C * H * W if needs_input_grad else 0
    dx = scratch("dx", (size,), dtype)
    target = (dx, saved.side_by_side, tables.dx.of(saved.side_by_side), tables.dx_size)
    grids = _memory("grids", threads * tables.grid_size, dtype, scratch), tables.grid_size
    work_size = max(tables.dx_size, tables.y_size if len(saved.codes) else 0)
    work = _memory("work", threads * work_size, dtype, scratch), work_size
    count = -(-N // f.L)
    sums = (scratch("sums", (max(count, 1) * _sums(tables),), dtype), _sums(tables))
    weights = _rows_back(weight, shape.groups, scratch)
    team.share(
        passes.backward,
        count,
        f,
        b,
        saved.mean,
        N,
        saved.blocks,
        tables.x_size,
        source,
        saved.codes,
        grids,
        sums,
        weights,
        work,
        target,
    )
    nothing = np.empty(0, dtype)
    grouped = d_weight.reshape(shape.groups, f.maps, -1)
    passes.add_up(f, b, count, sums, grouped, nothing if d_bias is None else d_bias)
    if not needs_input_grad:
        return None
    if saved.side_by_side:
        return dx.reshape(H, W, C, N).transpose(3, 2, 0, 1)
    return dx.reshape(N, C, H, W)


def _sums(tables: Geometry) -> int:
    """Values that a block's sums for the weight gradients take."""
    f = tables.forward
    tile = tile_maps(f.maps)
    tiles = f.groups * -(-f.maps // tile) * -(-f.taps_used // (SUMS // tile))
    size = tiles * (SUMS + -SUMS % f.L) + tables.backward.maps
    return size + -size % f.L


def _rows(weight: Array, bias: Array | None, scratch: Scratch) -> tuple[Array, Array]:
    """weight (groups, maps, K) and bias as the tiles read them."""
    groups, maps, K = weight.shape
    rows = scratch("rows", (groups * padded_maps(maps) * K,), weight.dtype)
    starts = scratch("starts", (groups * padded_maps(maps),), weight.dtype)
    own = np.empty(0, weight.dtype) if bias is None else bias
    passes.pack_rows(weight, own, rows, starts, tile_maps(maps))
    return rows, starts


def _rows_back(weight: Array, groups: int, scratch: Scratch) -> tuple[Array, Array]:
    """The weights for dx: for each channel a row (u, v, map of the group)."""
    O, channels, kh, kw = weight.shape
    turned = weight.reshape(groups, O // groups, channels, kh, kw).transpose(0, 2, 3, 4, 1)
    flat = scratch("turned", (groups, channels, kh * kw * (O // groups)), weight.dtype)
    flat.reshape(turned.shape)[...] = turned

    def apart(name: str, size: tuple[int, ...], dtype: Any) -> Array:
        return scratch(f"{name} back", size, dtype)

    return _rows(flat, None, apart)


def _images(name: str, x: Array, scratch: Scratch) -> tuple[Array, bool]:
    """The values of images in memory, and whether the images lie side by side; else a copy's."""
    if x.flags.c_contiguous:
        return x.reshape(-1), False
    last = x.transpose(2, 3, 1, 0)
    if last.flags.c_contiguous:
        return last.reshape(-1), True
    copy = scratch(f"{name} in order", x.shape, x.dtype)
    copy[...] = x
    return copy.reshape(-1), False


def _memory(name: str, size: int, dtype: Any, scratch: Scratch) -> Array:
    """Scratch that starts where a vector may: one that straddles cache lines costs twice."""
    spare = _ALIGNED // np.dtype(dtype).itemsize
    memory = scratch(name, (size + spare,), dtype)
    skip = -memory.ctypes.data % _ALIGNED // memory.itemsize
    return memory[skip : skip + size]
