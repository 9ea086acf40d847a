"""Convolution as many small matrix products, each for a block of neighbouring outputs.

The plain way, im2col (Chellapilla et al. 2006), copies the window of every output pixel and
multiplies it by the weights, (O × kh·kw·C) · (kh·kw·C × N). With few maps, as in LeNet-5, that
copies much and multiplies by a matrix too flat to be fast. Here `width` neighbouring outputs of a
row share one block of input pixels, `span` wide, and the weights become a band matrix
(width·O × kh·span·C), zero where a pixel lies outside an output's window: more arithmetic, less
copying, better shapes. A width of 1 is im2col. A bias is one more column, met by a row of ones
below each block, so that it costs neither pass a walk over the outputs.

The batch lies innermost, so that every copy and every product runs over N contiguous values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lenetkit.kernels import band as bands
from lenetkit.kernels import memory, workers
from lenetkit.kernels.base import Array, Scratch, Window
from lenetkit.kernels.blocks import Blocks, plan_blocks

_SMALL = 1_000_000
"""Multiply-adds up to which OpenBLAS computes a product as it stands, without copying the matrices
into an order of its own: half as fast again (measured)."""
_FEWEST_ROWS = 8
"""Rows that a piece of such a product keeps: fewer are slower than packing."""
_DEEP = 64
"""Depth from which on the weights' gradient is worth a copy of dy, batch outermost (measured)."""


class Saved(NamedTuple):
    """What every strip of both passes needs."""

    padded: Array
    band: Array
    blocks: Blocks


def forward(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, scratch: Scratch
) -> tuple[Array, Saved]:
    """y (N, O, OH, OW) for x (N, C, H, W) and weight (O, C/groups, kh, kw)."""
    saved = prepare(x, weight, bias, window, groups, scratch)
    y = scratch("y", (*saved.blocks.out, len(weight), len(x)), x.dtype)
    for_strips(saved, lambda rows, own: outputs(saved, rows, y[rows], own), scratch)
    return memory.batch_first(y), saved


def backward(
    saved: Saved,
    dy: Array,
    d_weight: Array,
    d_bias: Array | None,
    needs_input_grad: bool,
    scratch: Scratch,
) -> Array | None:
    """Write dL/dweight and dL/dbias; return dL/dx (N, C, H, W) where it is needed."""
    last = memory.contiguous("dy", memory.batch_last(dy), scratch)
    return gradients(
        saved, lambda rows, own: last[rows], d_weight, d_bias, needs_input_grad, scratch
    )


def prepare(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, scratch: Scratch
) -> Saved:
    """The operands of both passes; raises ShapeError where not one window fits."""
    blocks = plan_blocks(x.shape[2:], weight.shape, window, groups, bias is not None)
    padded = memory.pad(x, window.padding, 0, scratch)
    return Saved(padded, bands.fill(weight, bias, blocks, scratch), blocks)


def for_strips(
    saved: Saved,
    work: Callable[[slice, Scratch], None],
    scratch: Scratch,
    rows: int | None = None,
    multiple: int = 1,
) -> None:
    """Do `work` on the output's rows, or the first `rows`, a few at a time, a `multiple`.

    Threads share it; each brings scratch of its own.
    """
    blocks, N = saved.blocks, saved.padded.shape[-1]
    parts = blocks.parts(N, blocks.out[0] if rows is None else rows, multiple)

    def share(part: int, worker: int) -> None:
        own = workers.own(scratch, worker)
        for strip in blocks.strips(parts[part], N, multiple):
            work(strip, own)

    workers.run(share, len(parts))


def outputs(saved: Saved, rows: slice, y: Array, scratch: Scratch) -> None:
    """Write some rows of the output, (rows, OW, O, N)."""
    padded, band, blocks = saved
    _multiply(band, _gather(padded, blocks, rows, scratch), _by_block(y, blocks))


def gradients(
    saved: Saved,
    rows_of_dy: Callable[[slice, Scratch], Array],
    d_weight: Array,
    d_bias: Array | None,
    needs_input_grad: bool,
    scratch: Scratch,
    rows: int | None = None,
    multiple: int = 1,
) -> Array | None:
    """`backward` with the output's gradient a few rows at a time; see `for_strips`.

    `rows_of_dy(rows, scratch)` gives them as (rows, OW, O, N).
    """
    padded, band, blocks = saved
    N = padded.shape[-1]
    parts = blocks.parts(N, blocks.out[0] if rows is None else rows, multiple)
    read = [blocks.reads(part) for part in parts] if len(parts) > 1 else [slice(0, len(padded))]
    d_bands, d_inputs = [], []
    for part, lines in enumerate(read):
        d_bands.append(memory.zeros(f"d_band of part {part}", band.shape, scratch, band))
        if needs_input_grad:
            shape = (lines.stop - lines.start, *padded.shape[1:])
            d_inputs.append(memory.zeros(f"dx of part {part}", shape, scratch, padded))

    def share(part: int, worker: int) -> None:
        own = workers.own(scratch, worker)
        for strip in blocks.strips(parts[part], N, multiple):
            d_products = _by_block(rows_of_dy(strip, own), blocks)
            patches = _gather(padded, blocks, strip, own)
            d_bands[part] += _weight_gradient(patches, d_products, own)
            if needs_input_grad:
                d_patches = patches[:, :, :, : blocks.depth]  # their own values are used up
                _multiply(band[:, :, : blocks.depth].swapaxes(1, 2), d_products, d_patches)
                _scatter(
                    d_patches,
                    d_inputs[part][blocks.reads(strip).start - read[part].start :],
                    blocks,
                )

    workers.run(share, len(parts))
    d_band = d_bands[0]
    for more in d_bands[1:]:
        d_band += more
    d_weight[...] = bands.diagonals(d_band, blocks).sum(axis=1).reshape(d_weight.shape)
    if d_bias is not None:
        d_bias[...] = bands.biases(d_band, blocks).sum(axis=1).reshape(d_bias.shape)
    if not needs_input_grad:
        return None
    dx = d_inputs[0]
    if len(parts) > 1:
        dx = memory.zeros("dx", padded.shape, scratch, padded)
        for lines, more in zip(read, d_inputs, strict=True):
            dx[lines] += more
    return memory.unpad(dx, blocks.window.padding)


def _weight_gradient(patches: Array, d_products: Array, scratch: Scratch) -> Array:
    """Σ over all blocks of d_product · patchᵀ, (groups, width·maps, inner)."""
    G, rows, across, inner, N = patches.shape
    if d_products.shape[3] > N:  # a product a block would give more values than it takes
        return _flat(d_products).swapaxes(1, 2) @ _flat(patches)
    split = _split(d_products, inner * N)
    transposed = split.swapaxes(-1, -2)
    if inner >= _DEEP:
        copy = scratch("transposed", transposed.shape, transposed.dtype)
        copy[...] = transposed
        transposed = copy
    shape = (*split.shape[:4], inner, split.shape[4])
    products = scratch("d_weights", shape, patches.dtype)
    result: Array = np.matmul(patches[:, :, :, None], transposed, out=products).sum(axis=(1, 2))
    return result.swapaxes(-1, -2).reshape(G, -1, inner)


def _gather(padded: Array, blocks: Blocks, strip: slice, scratch: Scratch) -> Array:
    """The input of every block of a strip: (groups, rows, blocks in a row, inner, N)."""
    (kh, _), (sh, _), (dh, _) = blocks.window.kernel, blocks.window.stride, blocks.window.dilation
    _, Wp, all_channels, N = padded.shape
    counts = (blocks.groups, strip.stop - strip.start, blocks.out[1] // blocks.width)
    item = padded.itemsize
    channel = N * item
    pixel = all_channels * channel
    row = Wp * pixel
    pieces: Array = np.ndarray(
        (*counts, kh, blocks.span, blocks.channels, N),
        padded.dtype,
        padded,
        strip.start * sh * row,
        (
            *(blocks.channels * channel, sh * row, blocks.step * pixel),
            *(dh * row, pixel, channel, item),
        ),
    )
    patches = scratch("patches", (*counts, blocks.inner, N), padded.dtype)
    np.copyto(patches[:, :, :, : blocks.depth].reshape(pieces.shape), pieces)
    patches[:, :, :, blocks.depth :] = 1
    return patches


def _scatter(d_patches: Array, dx: Array, blocks: Blocks) -> None:
    """Add each block's gradient where its input was read; blocks overlap, so it must add.

    `dx` begins with the first row that the blocks read.
    """
    (kh, _), (sh, _), (dh, _) = blocks.window.kernel, blocks.window.stride, blocks.window.dilation
    G, rows, across, _, N = d_patches.shape
    pieces = d_patches.reshape(G, rows, across, kh, blocks.span, blocks.channels, N)
    grouped = dx.reshape(*dx.shape[:2], G, blocks.channels, N)
    for u in range(kh):
        lines = grouped[u * dh : u * dh + sh * (rows - 1) + 1 : sh].transpose(2, 0, 1, 3, 4)
        for b in range(across):
            left = b * blocks.step
            line = lines[:, :, left : left + blocks.span]
            np.add(line, pieces[:, :, b, u], out=line)


def _multiply(matrices: Array, patches: Array, out: Array) -> None:
    """out[g, r, b] = matrices[g] · patches[g, r, b] for every block."""
    inner, N = patches.shape[-2:]
    if N == 1:  # one product over all blocks, instead of one a block
        out[...] = (_flat(patches) @ matrices.swapaxes(1, 2)).reshape(out.shape)
    else:
        split = _split(matrices, inner * N)[:, None, None]
        np.matmul(split, patches[:, :, :, None], out=_split(out, inner * N))


def _flat(blocks: Array) -> Array:
    """(groups, rows, blocks in a row, K, N) as (groups, rows·blocks·N, K)."""
    G, rows, across, K, N = blocks.shape
    return blocks.swapaxes(-1, -2).reshape(G, rows * across * N, K)


def _split(matrices: Array, cost: int) -> Array:
    """(…, R, K) as (…, pieces, R / pieces, K), pieces that are multiplied as fast as can be.

    `cost` is the multiply-adds of a row.
    """
    *before, R, K = matrices.shape
    pieces = (n for n in range(1, R // _FEWEST_ROWS + 1) if R % n == 0 and R // n * cost <= _SMALL)
    count = next(pieces, 1)
    return matrices.reshape(*before, count, R // count, K)


def _by_block(y: Array, blocks: Blocks) -> Array:
    """(rows, OW, O, N) as a (groups, rows, blocks in a row, width·maps, N) view."""
    rows, OW, _, N = y.shape
    across = OW // blocks.width
    split = y.reshape(rows, across, blocks.width, blocks.groups, blocks.maps, N)
    return split.transpose(3, 0, 1, 2, 4, 5).reshape(blocks.groups, rows, across, blocks.rows, N)
