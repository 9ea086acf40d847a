"""Products over whole windows, for many channels: the channels are the innermost axis.

This is plain im2col (Chellapilla et al. 2006): windows are copied a run of channels at a time, and
those of some rows of all images make one tall product with the weights.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import ClassVar

import numpy as np

from lenetkit.arrays import Array
from lenetkit.operations.base import Scratch
from lenetkit.operations.blocks import Blocks
from lenetkit.operations.memory import CHANNELS_LAST, Order
from lenetkit.operations.products import Products, in_pieces


class ChannelsLast(Products):
    """One product for some rows, (rows·OW·N × inner) · (inner × maps), or for a piece of a row.

    Each block is one output.
    """

    order: ClassVar[Order] = CHANNELS_LAST

    @staticmethod
    def describe(blocks: Blocks, batch: int) -> str:
        return f"im2col, channels last, {blocks.out[1]}·{batch}×{blocks.inner}×{blocks.rows} a row"

    def outputs(self, rows: slice, y: Array, scratch: Scratch) -> None:
        for columns in self.blocks.columns(rows, self.batch):
            patches = self._gather(rows, columns, scratch)
            multiply(patches, self._transposed, self._by_group(y[:, columns]))

    def gradients(
        self, rows: slice, dy: Array, d_band: Array, dx: Array | None, scratch: Scratch
    ) -> None:
        for columns in self.blocks.columns(rows, self.batch):
            patches = self._gather(rows, columns, scratch)
            d_products = self._by_group(dy[:, columns])
            d_band += d_products.swapaxes(1, 2) @ patches
            if dx is not None:
                depth = self.blocks.depth
                d_patches = patches[:, :, :depth]  # their values are no longer needed
                multiply(d_products, self.band[:, :, :depth], d_patches)
                self._scatter(d_patches, rows, columns, dx)

    @cached_property
    def _transposed(self) -> Array:
        """The band as (groups, inner, maps), contiguous: faster to multiply by."""
        return np.ascontiguousarray(self.band.swapaxes(1, 2))

    def _by_group(self, y: Array) -> Array:
        """(rows, columns, N, O), contiguous, as (groups, rows·columns·N, maps)."""
        M = math.prod(y.shape[:3])
        return y.reshape(M, self.blocks.groups, self.blocks.maps).swapaxes(0, 1)

    def _gather(self, rows: slice, columns: slice, scratch: Scratch) -> Array:
        """The windows of some outputs, (groups, rows·columns·N, inner)."""
        blocks, padded = self.blocks, self.padded
        kh, (sh, sw), dh = blocks.window.kernel[0], blocks.window.stride, blocks.window.dilation[0]
        _, Wp, N, all_channels = padded.shape
        item = padded.itemsize
        image = all_channels * item
        pixel = N * image
        line = Wp * pixel
        counts = (rows.stop - rows.start, columns.stop - columns.start, N)
        pieces: Array = np.ndarray(
            (blocks.groups, *counts, kh, blocks.span, blocks.channels),
            padded.dtype,
            padded,
            rows.start * sh * line + columns.start * sw * pixel,
            (blocks.channels * item, sh * line, sw * pixel, image, dh * line, pixel, item),
        )
        patches = scratch("patches", (blocks.groups, *counts, blocks.inner), padded.dtype)
        np.copyto(patches[..., : blocks.depth].reshape(pieces.shape), pieces)
        patches[..., blocks.depth :] = 1
        return patches.reshape(blocks.groups, math.prod(counts), blocks.inner)

    def _scatter(self, d_patches: Array, rows: slice, columns: slice, dx: Array) -> None:
        """Add each window's gradient where its input was read; windows overlap."""
        blocks = self.blocks
        kh, (sh, sw), dh = blocks.window.kernel[0], blocks.window.stride, blocks.window.dilation[0]
        R, across = rows.stop - rows.start, columns.stop - columns.start
        each = (blocks.groups, R, across, self.batch, kh, blocks.span, blocks.channels)
        pieces = d_patches.reshape(each)
        grouped = dx.reshape(*dx.shape[:3], blocks.groups, blocks.channels)
        for u in range(kh):
            lines = grouped[u * dh : u * dh + sh * (R - 1) + 1 : sh]
            for v in range(blocks.span):
                left = columns.start * sw + v
                places = lines[:, left : left + sw * (across - 1) + 1 : sw].transpose(3, 0, 1, 2, 4)
                np.add(places, pieces[:, :, :, :, u, v], out=places)


def multiply(a: Array, b: Array, out: Array) -> None:
    """out = a · b of every group, in pieces of the fastest size."""
    cost = b.shape[1] * b.shape[2]
    np.matmul(in_pieces(a, cost), b[:, None], out=in_pieces(out, cost))
