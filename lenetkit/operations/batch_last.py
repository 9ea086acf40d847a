"""Products over blocks of neighbouring outputs, for few channels: the batch is the innermost axis.

The usual method, im2col (Chellapilla et al. 2006), copies the window of every output pixel and
multiplies it by the weights, (O × kh·kw·C) · (kh·kw·C × N). With few maps, as in LeNet-5, that
copies a lot and multiplies by a matrix too flat to be fast. Here `width` neighbouring outputs of a
row share one block of input pixels, `span` wide, and the weights become a band matrix
(width·O × kh·span·C), zero where a pixel is outside an output's window: more arithmetic, less
copying, better shapes. A width of 1 is im2col.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lenetkit.arrays import Array
from lenetkit.operations import settings
from lenetkit.operations.base import Scratch
from lenetkit.operations.blocks import Blocks
from lenetkit.operations.memory import BATCH_LAST, Order
from lenetkit.operations.products import Products, in_pieces


class BatchLast(Products):
    """One product a block, (width·maps × inner) · (inner × N)."""

    order: ClassVar[Order] = BATCH_LAST

    @staticmethod
    def describe(blocks: Blocks, batch: int) -> str:
        way = "im2col" if blocks.width == 1 else f"blocks of {blocks.width} outputs"
        return f"{way}, {blocks.rows}×{blocks.inner}×{batch} each"

    def outputs(self, rows: slice, y: Array, scratch: Scratch) -> None:
        patches = _gather(self.padded, self.blocks, rows, scratch)
        multiply(self.band, patches, _by_block(y, self.blocks))

    def gradients(
        self, rows: slice, dy: Array, d_band: Array, dx: Array | None, scratch: Scratch
    ) -> None:
        d_products = _by_block(dy, self.blocks)
        patches = _gather(self.padded, self.blocks, rows, scratch)
        d_band += _weight_gradient(patches, d_products, scratch)
        if dx is not None:
            depth = self.blocks.depth
            d_patches = patches[:, :, :, :depth]  # their values are no longer needed
            multiply(self.band[:, :, :depth].swapaxes(1, 2), d_products, d_patches)
            _scatter(d_patches, dx, self.blocks)


def _weight_gradient(patches: Array, d_products: Array, scratch: Scratch) -> Array:
    """Σ over all blocks of d_product · patchᵀ, (groups, width·maps, inner)."""
    G, rows, across, inner, N = patches.shape
    if d_products.shape[3] > N:  # a product per block would write more values than it reads
        return _flat(d_products).swapaxes(1, 2) @ _flat(patches)
    split = in_pieces(d_products, inner * N)
    transposed = split.swapaxes(-1, -2)
    if inner >= settings.DEEP:
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
    """Add each block's gradient where its input was read; blocks overlap.

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


def multiply(matrices: Array, patches: Array, out: Array) -> None:
    """out[g, r, b] = matrices[g] · patches[g, r, b] for every block."""
    inner, N = patches.shape[-2:]
    if N == 1:  # one product over all blocks, instead of one per block
        out[...] = (_flat(patches) @ matrices.swapaxes(1, 2)).reshape(out.shape)
    else:
        split = in_pieces(matrices, inner * N)[:, None, None]
        np.matmul(split, patches[:, :, :, None], out=in_pieces(out, inner * N))


def _flat(blocks: Array) -> Array:
    """(groups, rows, blocks in a row, K, N) as (groups, rows·blocks·N, K)."""
    G, rows, across, K, N = blocks.shape
    return blocks.swapaxes(-1, -2).reshape(G, rows * across * N, K)


def _by_block(y: Array, blocks: Blocks) -> Array:
    """(rows, OW, O, N) as a (groups, rows, blocks in a row, width·maps, N) view."""
    rows, OW, _, N = y.shape
    across = OW // blocks.width
    split = y.reshape(rows, across, blocks.width, blocks.groups, blocks.maps, N)
    return split.transpose(3, 0, 1, 2, 4, 5).reshape(blocks.groups, rows, across, blocks.rows, N)
