"""The passes of a convolution over a batch, a block of images at a time.

Each runs on every member of a team, which takes blocks until none is left. Sums over images are
computed per block, then added over the blocks in order, so no result depends on the number of
threads or on who took which block.
"""

from __future__ import annotations

from typing import Any

from lenetkit_numba.blocks import pack, unpack
from lenetkit_numba.claims import claim, finish
from lenetkit_numba.compiling import compiled
from lenetkit_numba.tables import Backward, Forward
from lenetkit_numba.target import FEW, MANY, SUMS
from lenetkit_numba.tiles import correlate, correlate_and_pool, outer, total, unpool


@compiled
def pack_rows(weight: Any, bias: Any, rows: Any, starts: Any, tile: int) -> None:
    """Pack weight (groups, maps, K) as rows (groups, tiles, K, tile), and bias; fill with 0."""
    groups, maps, K = weight.shape
    tiles = -(-maps // tile)
    rows[:] = 0
    starts[:] = 0
    for g in range(groups):
        for o in range(maps):
            at = g * tiles + o // tile
            if bias.size:
                starts[at * tile + o % tile] = bias[g * maps + o]
            for k in range(K):
                rows[(at * K + k) * tile + o % tile] = weight[g, o, k]


@compiled
def pack_rows_back(weight: Any, rows: Any, starts: Any, tile: int) -> None:
    """Pack weight (groups, maps, channels, taps) as rows (groups, tiles, taps · maps, tile)."""
    groups, maps, channels, taps = weight.shape
    tiles, K = -(-channels // tile), taps * maps
    rows[:] = 0
    starts[:] = 0
    for g in range(groups):
        for o in range(maps):
            for c in range(channels):
                first = (g * tiles + c // tile) * K + o
                for k in range(taps):
                    rows[(first + k * maps) * tile + c % tile] = weight[g, o, c, k]


@compiled
def _convolve(f: Forward, block: Any, rows: Any, starts: Any, y: Any) -> None:
    """Compute the y block of an x block; both are (array, position)."""
    tile = MANY if f.many else FEW
    tiles = -(-f.maps // tile)
    taps = (f.taps, 0, f.taps_used)
    for g in range(f.groups):
        x = (block[0], block[1] + g * f.channel_step, f.starts)
        for p in range(f.tiles):
            for t in range(g * tiles, (g + 1) * tiles):
                weights = (rows, t * f.taps_used * tile, starts, t * tile)
                target = (y[0], y[1] + t * tile * f.y_step, f.y_step)
                if f.many:
                    correlate(MANY, x, p, taps, weights, target, f.places)
                else:
                    correlate(FEW, x, p, taps, weights, target, f.places)


@compiled
def _convolve_and_pool(
    f: Forward, mean: bool, block: Any, rows: Any, starts: Any, y: Any, codes: Any
) -> None:
    """The same with ReLU and pooling; `codes` (array, position) record where gradients go."""
    tile = MANY if f.many else FEW
    tiles = -(-f.maps // tile)
    taps = (f.taps, 0, f.taps_used)
    for g in range(f.groups):
        x = (block[0], block[1] + g * f.channel_step, f.starts)
        for p in range(f.tiles):
            for t in range(g * tiles, (g + 1) * tiles):
                weights = (rows, t * f.taps_used * tile, starts, t * tile)
                shift = t * tile * f.y_step
                target = (y[0], y[1] + shift, f.y_step)
                at = codes[1] + shift
                if f.many and mean:
                    correlate_and_pool(MANY, True, x, p, taps, weights, target, codes[0], at)
                elif f.many:
                    correlate_and_pool(MANY, False, x, p, taps, weights, target, codes[0], at)
                elif mean:
                    correlate_and_pool(FEW, True, x, p, taps, weights, target, codes[0], at)
                else:
                    correlate_and_pool(FEW, False, x, p, taps, weights, target, codes[0], at)


@compiled
def forward(
    claims: Any,
    member: int,
    f: Forward,
    N: int,
    x: Any,
    blocks: Any,
    weights: Any,
    work: Any,
    y: Any,
) -> None:
    """Convolve a batch. `x` and `y` are (array, side by side, places, values of a block).

    `blocks` stores the x blocks; `weights` is (rows, starts); `work` has a y block per member.
    """
    rows, starts = weights
    own = member * y[3]
    block = claim(claims)
    while block >= 0:
        image, at = block * f.L, block * x[3]
        pack(x[0], x[1], N, image, f.L, x[2], blocks, at)
        _convolve(f, (blocks, at), rows, starts, (work, own))
        unpack(work, own, y[2], y[0], y[1], N, image, f.L)
        finish(claims)
        block = claim(claims)


@compiled
def forward_and_pool(
    claims: Any,
    member: int,
    f: Forward,
    mean: bool,
    N: int,
    x: Any,
    blocks: Any,
    weights: Any,
    work: Any,
    y: Any,
    codes: Any,
) -> None:
    """The same with ReLU and 2×2 pooling; `codes` stores the codes of every block."""
    rows, starts = weights
    own = member * y[3]
    block = claim(claims)
    while block >= 0:
        image, at = block * f.L, block * x[3]
        pack(x[0], x[1], N, image, f.L, x[2], blocks, at)
        kept = (codes, block * y[3])
        _convolve_and_pool(f, mean, (blocks, at), rows, starts, (work, own), kept)
        unpack(work, own, y[2], y[0], y[1], N, image, f.L)
        finish(claims)
        block = claim(claims)


@compiled
def _unpool(f: Forward, b: Backward, mean: bool, dy: Any, codes: Any, grid: Any) -> None:
    """Spread the gradients of a y block over the dy grid; arrays are (array, position)."""
    for m in range(b.maps):
        target = (grid[0], grid[1] + m * f.L, b.grid)
        for p in range(f.tiles):
            at = m * f.y_step + p * f.L
            if mean:
                unpool(True, dy[0], dy[1] + at, codes[0], codes[1] + at, target, p)
            else:
                unpool(False, dy[0], dy[1] + at, codes[0], codes[1] + at, target, p)


@compiled
def _weight_gradients(f: Forward, b: Backward, block: Any, grid: Any, sums: Any) -> None:
    """A block's sums for each group, tile of taps and tile of maps, then each map's sum of dy."""
    tile = MANY if f.many else FEW
    tiles, taps = -(-f.maps // tile), SUMS // tile
    slots = SUMS + -SUMS % f.L
    at = sums[1]
    for g in range(f.groups):
        x = (block[0], block[1] + g * f.channel_step, f.starts)
        for tap in range(0, f.taps_used, taps):
            for t in range(g * tiles, (g + 1) * tiles):
                dy = (grid[0], grid[1] + t * tile * f.L, b.grid)
                if f.many:
                    outer(MANY, x, f.taps, tap, dy, f.outputs, sums[0], at)
                else:
                    outer(FEW, x, f.taps, tap, dy, f.outputs, sums[0], at)
                at += slots
    for m in range(b.maps):
        sums[0][at + m] = total(grid[0], grid[1] + m * f.L, b.pixels, b.maps * f.L)


@compiled
def _input_gradients(f: Forward, b: Backward, grid: Any, rows: Any, starts: Any, dx: Any) -> None:
    """Compute the dx block of a dy grid; both are (array, position)."""
    tile = MANY if b.many else FEW
    tiles, K = -(-b.channels // tile), b.rows
    step = b.maps // f.groups * f.L
    for g in range(f.groups):
        dy = (grid[0], grid[1] + g * step, b.starts)
        for p in range(b.tiles):
            taps = (b.taps, b.runs[2 * p], b.runs[2 * p + 1])
            for t in range(g * tiles, (g + 1) * tiles):
                weights = (rows, t * K * tile, starts, t * tile)
                target = (dx[0], dx[1] + t * tile * b.dx_step, b.dx_step)
                if b.many:
                    correlate(MANY, dy, p, taps, weights, target, b.places)
                else:
                    correlate(FEW, dy, p, taps, weights, target, b.places)


@compiled
def backward(
    claims: Any,
    member: int,
    f: Forward,
    b: Backward,
    mean: bool,
    N: int,
    blocks: Any,
    x_size: int,
    dy: Any,
    codes: Any,
    grids: Any,
    sums: Any,
    weights: Any,
    work: Any,
    dx: Any,
) -> None:
    """Compute each block's sums for the weight gradients, and dx.

    `dy` and `dx` are (array, side by side, places, values of a block); if `dx` is empty, no input
    gradient is computed. `grids` is (array, values of a dy grid), one grid per member; `work` is
    (array, values), per member a dx block, or a y block if outputs are pooled, as they are unless
    `codes` is empty. `sums` is (array, values of a block); `weights` is (rows, starts) as packed
    by `pack_rows_back`.
    """
    rows, starts = weights
    grid = (grids[0], member * grids[1])
    own = member * work[1]
    block = claim(claims)
    if block >= 0:
        grids[0][grid[1] : grid[1] + grids[1]] = 0
    while block >= 0:
        image, at = block * f.L, block * x_size
        if codes.size:
            pack(dy[0], dy[1], N, image, f.L, dy[2], work[0], own)
            _unpool(f, b, mean, (work[0], own), (codes, block * dy[3]), grid)
        else:
            pack(dy[0], dy[1], N, image, f.L, dy[2], grids[0], grid[1])
        _weight_gradients(f, b, (blocks, at), grid, (sums[0], block * sums[1]))
        if dx[0].size:
            _input_gradients(f, b, grid, rows, starts, (work[0], own))
            unpack(work[0], own, dx[2], dx[0], dx[1], N, image, f.L)
        finish(claims)
        block = claim(claims)


@compiled
def add_up(f: Forward, b: Backward, count: int, sums: Any, d_weight: Any, d_bias: Any) -> None:
    """Add all blocks' sums to dL/dweight (groups, maps, K) and dL/dbias, unless it is empty."""
    array, size = sums
    d_weight[:] = 0
    d_bias[:] = 0
    tile = MANY if f.many else FEW
    tiles, taps = -(-f.maps // tile), SUMS // tile
    slots = SUMS + -SUMS % f.L
    for block in range(1, count):
        for i in range(size):
            array[i] += array[block * size + i]
    if count == 0:
        return
    at = 0
    for g in range(f.groups):
        for tap in range(0, f.taps_used, taps):
            for t in range(tiles):
                for m in range(t * tile, min((t + 1) * tile, f.maps)):
                    for k in range(tap, min(tap + taps, f.taps_used)):
                        d_weight[g, m, k] = array[at + (m - t * tile) * taps + k - tap]
                at += slots
    for o in range(d_bias.size):
        d_bias[o] = array[at + o // f.maps * (b.maps // f.groups) + o % f.maps]
