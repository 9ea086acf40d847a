"""Computes the tables of a convolution, once per shape."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.authoring import Pair, ShapeError, Window
from lenetkit_numba.tables import Backward, Forward, Geometry, Places, Shape, Table
from lenetkit_numba.target import PIXELS, SUMS, many, padded_maps, tile_maps


@functools.cache
def geometry(
    channels: int, maps: int, size: Pair, window: Window, groups: int, pooled: bool, itemsize: int
) -> Geometry:
    """The tables for a convolution. Raises ShapeError if the kernel is larger than the image."""
    shape = Shape(channels, maps, size, window, groups, pooled, itemsize)
    forward, backward = _forward(shape), _backward(shape)
    C, (H, W), (ph, pw), L = channels, size, window.padding, shape.lanes
    Hp, Wp = window.padded(H, W)
    c, h, w = np.indices((C, H, W))
    all_channels = groups * padded_maps(backward.channels)
    _, height, width = shape.out_shape
    o, i, j = np.indices(shape.out_shape)
    o = _padded(maps, groups)[o]
    y = (o * height + i) * width + j
    _, grid_width, margin = _grid(shape)
    dy = y if pooled else (i * grid_width + margin + j) * backward.maps + o
    y_size = backward.maps * height * width * L
    dx_size = all_channels * H * W * L
    return Geometry(
        shape,
        forward,
        backward,
        x=_places((c * Hp + h + ph) * Wp + w + pw, L),
        y=_places(y, L),
        dy=_places(dy, L),
        dx=_places((_padded(C, groups)[c] * H + h) * W + w, L),
        x_size=C * Hp * Wp * L,
        y_size=y_size,
        grid_size=backward.pixels * backward.maps * L,
        dx_size=dx_size,
        work_size=max(dx_size, y_size if pooled else 0),
        sums_size=_sums_size(forward, backward),
        rows=(backward.maps * forward.taps_used, backward.maps),
        rows_back=(all_channels * backward.rows, all_channels),
    )


def _sums_size(f: Forward, b: Backward) -> int:
    """The sums of each tile of maps and taps, in whole vectors, then one per map."""
    tile = tile_maps(f.maps)
    tiles = b.maps // tile * -(-f.taps_used // (SUMS // tile))
    size = tiles * (SUMS + -SUMS % f.L) + b.maps
    return size + -size % f.L


def _forward(shape: Shape) -> Forward:
    """All tiles have the same taps; a tile is a pooling window, or the next few outputs."""
    (sh, sw), (dh, dw), (kh, kw) = shape.window.stride, shape.window.dilation, shape.window.kernel
    Hp, Wp = shape.window.padded(*shape.size)
    L, channels = shape.lanes, shape.channels // shape.groups
    i, j = _tiles_of_outputs(shape)
    c, u, v = np.indices((channels, kh, kw)).reshape(3, -1)
    away = (c * Hp + u * dh) * Wp + v * dw
    taps = np.stack([away * L, np.arange(away.size)], axis=1)
    spare = np.zeros((SUMS, 2))
    _, height, width = shape.out_shape
    return Forward(
        L=L,
        groups=shape.groups,
        maps=shape.maps // shape.groups,
        many=many(shape.maps // shape.groups),
        taps_used=away.size,
        channel_step=channels * Hp * Wp * L,
        tiles=i.size // PIXELS,
        outputs=i.size if shape.pooled else shape.out[0] * shape.out[1],
        starts=_table((i * sh * Wp + j * sw) * L),
        places=_table((i * shape.out[1] + j) * L),
        taps=_table(np.concatenate([taps, spare])),
        y_step=height * width * L,
    )


def _tiles_of_outputs(shape: Shape) -> tuple[NDArray[Any], NDArray[Any]]:
    """Row and column of the outputs, tile by tile; the last tile repeats its last output."""
    OH, OW = shape.out
    if shape.pooled:
        top, left, down, right = np.indices((OH // 2, OW // 2, 2, 2)).reshape(4, -1)
        return 2 * top + down, 2 * left + right
    count = OH * OW
    outputs = np.minimum(np.arange(count + -count % PIXELS), count - 1)
    return outputs // OW, outputs % OW


def _backward(shape: Shape) -> Backward:
    """dx is a correlation of the dy grid with the weights; a tap is (u, v, map of the group).

    A tile has pixels of one row whose columns have the same remainder modulo the stride, so that
    the same taps fall on outputs, or on the margins next to them.
    """
    groups, L = shape.groups, shape.lanes
    maps, channels = shape.maps // groups, shape.channels // groups
    all_maps = groups * padded_maps(maps)
    height, width, margin = _grid(shape)
    step = all_maps * L
    i, j = _tiles_of_outputs(shape)
    lists = _TapLists(shape, step, width * step)
    rows, starts, places = [], [], []
    (H, W), (ph, pw), (sh, sw) = shape.size, shape.window.padding, shape.window.stride
    kh, kw = shape.window.kernel
    for h in range(H):
        for columns in _runs_of_columns(W, pw, sw):
            rows.append(
                lists.run(h + ph, [(w + pw) // sw for w in columns], (columns[0] + pw) % sw)
            )
            starts += [((h + ph) // sh * width + (w + pw) // sw + margin) * step for w in columns]
            places += [(h * W + w) * L for w in columns]
    return Backward(
        grid=_table((i * width + j + margin) * step),
        pixels=height * width,
        maps=all_maps,
        many=many(channels),
        channels=channels,
        rows=kh * kw * maps,
        tiles=len(rows),
        starts=_table(np.array(starts)),
        places=_table(np.array(places)),
        taps=_table(np.array(lists.taps or [(0, 0)])),
        runs=_table(np.array(rows)),
        dx_step=H * W * L,
    )


def _grid(shape: Shape) -> tuple[int, int, int]:
    """Height and width of the dy grid, and its margins, which tiles may extend into."""
    margin = PIXELS - 1
    return shape.out[0], shape.out[1] + 2 * margin, margin


def _runs_of_columns(W: int, pw: int, sw: int) -> list[list[int]]:
    """A row's columns by remainder, in runs of PIXELS; short runs repeat their last column."""
    runs = []
    for remainder in range(sw):
        columns = [w for w in range(W) if (w + pw) % sw == remainder]
        for first in range(0, len(columns), PIXELS):
            run = columns[first : first + PIXELS]
            runs.append(run + run[-1:] * (PIXELS - len(run)))
    return runs


class _TapLists:
    """Lists of taps, each created once per remainder of the row and taps of the columns.

    A list iterates over u, then v, then the maps; a row near the edge uses part of it.
    """

    def __init__(self, shape: Shape, step: int, row_step: int) -> None:
        self.shape, self.step, self.row_step = shape, step, row_step
        self.taps: list[tuple[int, int]] = []
        self._firsts: dict[tuple[int, tuple[int, ...]], int] = {}

    def run(self, row: int, columns: list[int], remainder: int) -> tuple[int, int]:
        """The first tap, and the last tap plus 1, for some columns of a padded row.

        `columns` are quotients by the stride, with that remainder.
        """
        (sh, sw), (dh, dw) = self.shape.window.stride, self.shape.window.dilation
        (kh, kw), (OH, OW) = self.shape.window.kernel, self.shape.out
        down = {u: (row % sh - u * dh) // sh for u in range(kh) if (row - u * dh) % sh == 0}
        right = {
            v: (remainder - v * dw) // sw
            for v in range(kw)
            if (remainder - v * dw) % sw == 0
            and any(0 <= column + (remainder - v * dw) // sw < OW for column in columns)
        }
        key = (row % sh, tuple(right))
        if key not in self._firsts:
            self._firsts[key] = len(self.taps)
            self.taps += self._list(down, right)
        inside = [k for k, u in enumerate(down) if 0 <= row // sh + down[u] < OH]
        each = len(right) * (self.shape.maps // self.shape.groups)
        first = self._firsts[key]
        if not inside:
            return first, first
        return first + inside[0] * each, first + (inside[-1] + 1) * each

    def _list(self, down: dict[int, int], right: dict[int, int]) -> list[tuple[int, int]]:
        maps, kw = self.shape.maps // self.shape.groups, self.shape.window.kernel[1]
        return [
            (
                down[u] * self.row_step + right[v] * self.step + m * self.shape.lanes,
                (u * kw + v) * maps + m,
            )
            for u in down
            for v in right
            for m in range(maps)
        ]


def _padded(count: int, groups: int) -> NDArray[Any]:
    """The index of each map after groups are padded to whole tiles."""
    each = count // groups
    index = np.arange(count)
    return index // each * padded_maps(each) + index % each


def _places(positions: NDArray[Any], L: int) -> Places:
    """The positions (C, H, W) of an image's values in a block, for both memory orders."""
    return Places(_table(positions * L), _table(positions.transpose(1, 2, 0) * L))


def _table(positions: NDArray[Any]) -> Table:
    if positions.size and np.abs(positions).max() > np.iinfo(np.int32).max:
        raise ShapeError("the image is too large for the numba kernels; use the numpy kernels")
    return np.ascontiguousarray(positions, np.int32).ravel()
