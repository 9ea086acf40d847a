"""Convolution from arrays to arrays: chooses tables, memory and threads, and runs the passes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lenetkit.authoring import Array, Scratch, Window
from lenetkit_numba import passes
from lenetkit_numba.geometry import geometry
from lenetkit_numba.tables import Geometry
from lenetkit_numba.target import tile_maps
from lenetkit_numba.team import share
from lenetkit_numba.threads import threads

_CACHE_LINE = 64


class Saved(NamedTuple):
    """What the backward pass needs."""

    tables: Geometry
    N: int
    side_by_side: bool
    """The memory order of the input, and of dx."""
    blocks: Array
    codes: Any
    """Which pixels receive the gradients of pooled outputs; else empty."""
    mean: bool


class Pooling(NamedTuple):
    """ReLU and 2×2 pooling after a convolution."""

    mean: bool
    """Whether to take the mean; else the maximum."""


def forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    window: Window,
    groups: int,
    pooling: Pooling | None,
    scratch: Scratch,
) -> tuple[Array, Saved]:
    """y (N, O, OH, OW), pooled or not, for x (N, C, H, W) and weight (O, C/groups, kh, kw)."""
    N, C, H, W = x.shape
    tables = geometry(C, len(weight), (H, W), window, groups, pooling is not None, x.itemsize)
    f, dtype = tables.forward, x.dtype
    images, side_by_side = _images("x", x, scratch)
    count = -(-N // f.L)
    team = min(threads(), count)
    blocks, work, rows, starts = _memory(
        "forward", dtype, scratch, count * tables.x_size, team * tables.y_size, *tables.rows
    )
    if window.is_padded:
        blocks.fill(0)
    own = np.empty(0, dtype) if bias is None else bias
    passes.pack_rows(weight.reshape(groups, f.maps, -1), own, rows, starts, tile_maps(f.maps))
    source = (images, side_by_side, tables.x.of(side_by_side), tables.x_size)
    if pooling is None:
        O, OH, OW = tables.shape.out_shape
        y = scratch("y", (OH, OW, O, N), dtype)
        target = (y.reshape(-1), True, tables.y.side_by_side, tables.y_size)
        share(passes.forward, count, f, N, source, blocks, (rows, starts), work, target)
        codes: Any = np.empty(0, np.uint8)
        return y.transpose(3, 2, 0, 1), Saved(tables, N, side_by_side, blocks, codes, False)
    y = scratch("y", (N, *tables.shape.out_shape), dtype)
    codes = scratch("codes", (max(count, 1) * tables.y_size,), np.uint8)
    target = (y.reshape(-1), False, tables.y.one_by_one, tables.y_size)
    share(
        passes.forward_and_pool,
        count,
        f,
        pooling.mean,
        N,
        source,
        blocks,
        (rows, starts),
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
    """Write dL/dweight and dL/dbias; return dL/dx (N, C, H, W) if it is needed."""
    tables, N, dtype = saved.tables, saved.N, dy.dtype
    f, b, shape = tables.forward, tables.backward, tables.shape
    gradients, side_by_side = _images("dy", dy, scratch)
    source = (gradients, side_by_side, tables.dy.of(side_by_side), tables.y_size)
    C, (H, W) = shape.channels, shape.size
    dx = scratch("dx", (N * C * H * W if needs_input_grad else 0,), dtype)
    target = (dx, saved.side_by_side, tables.dx.of(saved.side_by_side), tables.dx_size)
    count = -(-N // f.L)
    team = min(threads(), count)
    grids, work, sums, rows, starts = _memory(
        "backward",
        dtype,
        scratch,
        team * tables.grid_size,
        team * tables.work_size,
        max(count, 1) * tables.sums_size,
        *tables.rows_back,
    )
    if needs_input_grad:
        grouped = weight.reshape(shape.groups, f.maps, b.channels, -1)
        passes.pack_rows_back(grouped, rows, starts, tile_maps(b.channels))
    share(
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
        (grids, tables.grid_size),
        (sums, tables.sums_size),
        (rows, starts),
        (work, tables.work_size),
        target,
    )
    own = np.empty(0, dtype) if d_bias is None else d_bias
    sums_of_blocks = (sums, tables.sums_size)
    passes.add_up(f, b, count, sums_of_blocks, d_weight.reshape(shape.groups, f.maps, -1), own)
    if not needs_input_grad:
        return None
    if saved.side_by_side:
        return dx.reshape(H, W, C, N).transpose(3, 2, 0, 1)
    return dx.reshape(N, C, H, W)


def _images(name: str, x: Array, scratch: Scratch) -> tuple[Array, bool]:
    """The flat values of images, and whether images are side by side; copies if they must be."""
    if x.flags.c_contiguous:
        return x.reshape(-1), False
    last = x.transpose(2, 3, 1, 0)
    if last.flags.c_contiguous:
        return last.reshape(-1), True
    copy = scratch(f"{name} in order", x.shape, x.dtype)
    copy[...] = x
    return copy.reshape(-1), False


def _memory(name: str, dtype: Any, scratch: Scratch, *sizes: int) -> list[Array]:
    """Scratch memory for several arrays, one after the other.

    Each starts at a cache line, because a vector that straddles two lines costs twice as much.
    """
    step = _CACHE_LINE // dtype.itemsize
    whole = [size + -size % step for size in sizes]
    memory = scratch(name, (sum(whole) + step,), dtype)
    address: int = memory.__array_interface__["data"][0]
    at = -address % _CACHE_LINE // dtype.itemsize
    arrays = []
    for size, taken in zip(sizes, whole, strict=True):
        arrays.append(memory[at : at + size])
        at += taken
    return arrays
