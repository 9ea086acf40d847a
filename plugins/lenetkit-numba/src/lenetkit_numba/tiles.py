"""The innermost loops: tiles of sums that stay in registers from the first product to the last.

Compilers do not find this form by themselves, so each function here writes LLVM instructions.
Arrays are flat and contiguous, positions count values, and a vector is `L` consecutive values: the
same place in `L` images. Tables contain positions, as int32.
"""

from __future__ import annotations

from typing import Any

from lenetkit_numba.target import PIXELS, SUMS
from lenetkit_numba.writer import BYTE, Writer, vectorized


@vectorized(literals=1)
def correlate(
    w: Writer, maps: int, x: Any, tile: Any, taps: Any, weights: Any, y: Any, places: Any
) -> None:
    """y[m, p] = bias[m] + Σ_taps weights[row, m] · x[p + away], for the pixels p of a tile.

    `x` is (array, position, starts), with the tile's pixels in `starts`; `taps` (table, first,
    last), each entry a pair (away, row); `weights` (array, position, bias, position); `y` (array,
    position, values a map), with the tile's pixels in `places`.
    """
    array, at, step = y
    pixels = [w.sum(at, w.entry(places, w.sum(w.times(tile, PIXELS), p))) for p in range(PIXELS)]
    for m, row in enumerate(_correlated(w, maps, x, tile, taps, weights)):
        for pixel, value in zip(pixels, row, strict=True):
            w.store(value, array, w.sum(pixel, w.times(step, m)))


@vectorized(literals=2)
def correlate_and_pool(
    w: Writer,
    maps: int,
    mean: bool,
    x: Any,
    tile: Any,
    taps: Any,
    weights: Any,
    y: Any,
    codes: Any,
    codes_at: Any,
) -> None:
    """As `correlate`, then ReLU, then the largest or the mean of the tile: one value a map.

    A tile is a pooling window. Bit p of a code tells whether pixel p gets a gradient: the first
    largest, if it is above 0, or, for the mean, all that are above 0. `codes` are laid out as `y`.
    """
    array, at, step = y
    pool = _mean if mean else _largest
    for m, row in enumerate(_correlated(w, maps, x, tile, taps, weights)):
        place = w.sum(w.times(step, m), w.times(tile, w.L))
        value, code = pool(w, row)
        w.store(value, array, w.sum(at, place))
        w.store(code, codes, w.sum(codes_at, place))


def _correlated(
    w: Writer, maps: int, x: Any, tile: Any, taps: Any, weights: Any
) -> list[list[Any]]:
    """The sums of a tile, for each map and each pixel."""
    array, at, starts = x
    table, first, last = taps
    values, values_at, bias, bias_at = weights
    pixels = [
        w.at(array, w.sum(at, w.entry(starts, w.sum(w.times(tile, PIXELS), p))))
        for p in range(PIXELS)
    ]
    sums = []
    for m in range(maps):
        start = w.spread(w.scalar(bias, w.sum(bias_at, m)))
        sums.append([w.variable(start) for _ in pixels])
    own = w.at(values, values_at)
    with w.loop(first, last) as tap:
        away = w.entry(table, w.times(tap, 2))
        row = w.at(own, w.times(w.entry(table, w.sum(w.times(tap, 2), 1)), maps))
        seen = [w.load(pixel, away) for pixel in pixels]
        for m in range(maps):
            factor = w.spread(w.scalar(row, m))
            for total, value in zip(sums[m], seen, strict=True):
                w.add_product(total, value, factor)
    return [[w.builder.load(total) for total in row] for row in sums]


def _largest(w: Writer, values: list[Any]) -> tuple[Any, Any]:
    """max(0, the largest), and its bit; NaN beats everything, and has no bit."""
    b, zero = w.builder, w.everywhere(0.0)
    best, code = values[0], w.everywhere(1, BYTE)
    for p, value in enumerate(values[1:], 1):
        larger, nan = b.fcmp_ordered(">", value, best), b.fcmp_unordered("uno", value, value)
        wins = b.or_(larger, nan)
        best = b.select(wins, value, best)
        code = b.select(wins, w.everywhere(1 << p, BYTE), code)
    code = b.select(b.fcmp_ordered(">", best, zero), code, w.everywhere(0, BYTE))
    return b.select(b.fcmp_ordered("<=", best, zero), zero, best), code


def _mean(w: Writer, values: list[Any]) -> tuple[Any, Any]:
    """The mean of max(0, value), and the bits of those above 0."""
    b, zero, code = w.builder, w.everywhere(0.0), w.everywhere(0, BYTE)
    rectified = []
    for p, value in enumerate(values):
        bit = b.select(
            b.fcmp_ordered(">", value, zero), w.everywhere(1 << p, BYTE), w.everywhere(0, BYTE)
        )
        code = b.or_(code, bit)
        rectified.append(b.select(b.fcmp_ordered("<=", value, zero), zero, value))
    total = rectified[0]
    for value in rectified[1:]:
        total = b.fadd(total, value)
    return b.fmul(total, w.everywhere(1 / PIXELS)), code


@vectorized(literals=1)
def unpool(
    w: Writer, mean: bool, dy: Any, dy_at: Any, codes: Any, codes_at: Any, x: Any, tile: Any
) -> None:
    """The gradients of a pooling window's pixels: `dy` where the code has a bit, else 0.

    `x` is (array, position, places), with the window's pixels in `places`.
    """
    b = w.builder
    array, at, places = x
    gradient = w.load(dy, dy_at)
    if mean:
        gradient = b.fmul(gradient, w.everywhere(1 / PIXELS))
    code = w.load_as(BYTE, codes, codes_at)
    for p in range(PIXELS):
        bit = b.and_(code, w.everywhere(1 << p, BYTE))
        there = b.icmp_unsigned("!=", bit, w.everywhere(0, BYTE))
        place = w.entry(places, w.sum(w.times(tile, PIXELS), p))
        value = b.select(there, gradient, w.everywhere(0.0))
        w.store(value, array, w.sum(at, place))


@vectorized(literals=1)
def outer(
    w: Writer, maps: int, x: Any, taps: Any, tap: Any, dy: Any, pixels: Any, sums: Any, sums_at: Any
) -> None:
    """sums[m, t] = Σ_p Σ_images dy[p, m] · x[p + away_t], for SUMS / maps taps from `tap` on.

    `x` is (array, position, starts), `dy` (array, position, places); their tables contain all
    `pixels`. `taps` is a table of pairs (away, row).
    """
    array, at, starts = x
    gradients, gradients_at, places = dy
    count = SUMS // maps
    shifted = [
        w.at(array, w.sum(at, w.entry(taps, w.times(w.sum(tap, t), 2)))) for t in range(count)
    ]
    totals = [[w.variable(w.everywhere(0.0)) for _ in shifted] for _ in range(maps)]
    with w.loop(0, pixels) as pixel:
        start = w.entry(starts, pixel)
        seen = [w.load(pointer, start) for pointer in shifted]
        own = w.at(gradients, w.sum(gradients_at, w.entry(places, pixel)))
        for m in range(maps):
            gradient = w.load(own, w.times(m, w.L))
            for total, value in zip(totals[m], seen, strict=True):
                w.add_product(total, value, gradient)
    flat = [w.builder.load(total) for row in totals for total in row]
    flat += [w.everywhere(0.0)] * (-len(flat) % w.L)
    for first in range(0, len(flat), w.L):
        w.store(w.lane_sums(flat[first : first + w.L]), sums, w.sum(sums_at, first))


@vectorized(returns=True)
def total(w: Writer, x: Any, x_at: Any, count: Any, step: Any) -> Any:
    """The sum of `count` vectors, `step` values apart, over all lanes."""
    result = w.variable(w.everywhere(0.0))
    with w.loop(0, count) as index:
        value = w.load(x, w.sum(x_at, w.times(index, step)))
        w.builder.store(w.builder.fadd(w.builder.load(result), value), result)
    lanes = [w.builder.load(result), *[w.everywhere(0.0)] * (w.L - 1)]
    return w.builder.extract_element(w.lane_sums(lanes), w.index(0))


@vectorized()
def gather(
    w: Writer, images: Any, at: Any, step: Any, block: Any, block_at: Any, places: Any, first: Any
) -> None:
    """Copy `L` values of `L` images, `step` apart, to `L` places of a block."""
    rows = [w.load(images, w.sum(at, w.times(step, n))) for n in range(w.L)]
    for k, row in enumerate(w.transposed(rows)):
        w.store(row, block, w.sum(block_at, w.entry(places, w.sum(first, k))))


@vectorized()
def scatter(
    w: Writer, block: Any, block_at: Any, places: Any, first: Any, images: Any, at: Any, step: Any
) -> None:
    """The inverse of `gather`."""
    rows = [w.load(block, w.sum(block_at, w.entry(places, w.sum(first, k)))) for k in range(w.L)]
    for n, row in enumerate(w.transposed(rows)):
        w.store(row, images, w.sum(at, w.times(step, n)))


@vectorized()
def move(w: Writer, source: Any, source_at: Any, target: Any, target_at: Any) -> None:
    """Copy one vector."""
    w.store(w.load(source, source_at), target, target_at)
