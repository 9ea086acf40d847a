"""Convolution as many small matrix products, each for a block of neighbouring outputs.

The plain way, im2col (Chellapilla et al. 2006), copies the window of every output pixel and
multiplies it by the weights, (O × kh·kw·C) · (kh·kw·C × N). With few maps, as in LeNet-5, that
copies much and multiplies by a matrix too flat to be fast. Here `width` neighbouring outputs of a
row share one block of input pixels, `span` wide, and the weights become a band matrix
(width·O × kh·span·C), zero where a pixel lies outside an output's window: more arithmetic, less
copying, better shapes. A width of 1 is im2col.

The batch lies innermost, so that every copy and every product runs over N contiguous values.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lenetkit.kernels import memory
from lenetkit.kernels.base import Array, Pair, Scratch, Window

_ROWS_WANTED = 24
"""Rows of a band matrix from which on a product runs at full speed (measured)."""
_STRIP = 1 << 18
"""Values gathered at a time: few enough to stay in a core's cache."""


@dataclass(frozen=True)
class Blocks:
    """How a convolution is cut into products, for one shape of image."""

    window: Window
    out: Pair
    channels: int
    """Input channels of one group."""
    maps: int
    """Output channels of one group."""
    groups: int
    width: int
    """Neighbouring outputs in a block; divides the output's width."""

    @property
    def span(self) -> int:
        """Input columns that a block reads."""
        return self.window.stride[1] * (self.width - 1) + self.window.extent[1]

    @property
    def depth(self) -> int:
        """Values that a block reads: the inner size of the product."""
        return self.window.kernel[0] * self.span * self.channels

    def strips(self, batch: int) -> Iterator[slice]:
        """The output rows, a few at a time."""
        per_row = self.out[1] // self.width * self.depth * max(batch, 1)
        count = max(_STRIP // per_row, 1)
        for first in range(0, self.out[0], count):
            yield slice(first, min(first + count, self.out[0]))


class Saved(NamedTuple):
    """What the backward pass needs."""

    padded: Array
    band: Array
    blocks: Blocks
    in_size: Pair


@functools.cache
def plan_blocks(size: Pair, weight_shape: tuple[int, ...], window: Window, groups: int) -> Blocks:
    """The blocks for images of `size` (H, W): just wide enough for products at full speed."""
    out = window.output_size(*size)
    maps, channels = weight_shape[0] // groups, weight_shape[1]
    divisors = [w for w in range(1, out[1] + 1) if out[1] % w == 0]
    wide = [w for w in divisors if w * maps >= _ROWS_WANTED]
    width = wide[0] if wide and groups == 1 else 1
    return Blocks(window, out, channels, maps, groups, width)


def forward(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, scratch: Scratch
) -> tuple[Array, Saved]:
    """y (N, O, OH, OW) for x (N, C, H, W) and weight (O, C/groups, kh, kw)."""
    N, _, H, W = x.shape
    blocks = plan_blocks((H, W), weight.shape, window, groups)
    padded = memory.pad(x, window.padding, 0, scratch)
    band = _band(weight, blocks, scratch)
    y = scratch("y", (*blocks.out, len(weight), N), x.dtype)
    products = _by_block(y, blocks)
    for strip in blocks.strips(N):
        for g in range(groups):
            patches = _gather(padded, blocks, strip, g, scratch)
            _multiply(band[g], patches, products[strip, :, g])
    if bias is not None:
        y += bias[:, None]
    return memory.batch_first(y), Saved(padded, band, blocks, (H, W))


def backward(
    saved: Saved,
    weight: Array,
    dy: Array,
    d_weight: Array,
    needs_input_grad: bool,
    scratch: Scratch,
) -> Array | None:
    """Write dL/dweight; return dL/dx (N, C, H, W) where it is needed."""
    padded, band, blocks, _ = saved
    products = _by_block(memory.contiguous("dy", memory.batch_last(dy), scratch), blocks)
    N = dy.shape[0]
    d_band = memory.zeros("d_band", band.shape, scratch, dy)
    dx = memory.zeros("dx", padded.shape, scratch, dy) if needs_input_grad else None
    for strip in blocks.strips(N):
        for g in range(blocks.groups):
            patches = _gather(padded, blocks, strip, g, scratch)
            d_products = products[strip, :, g]
            d_band[g] += np.matmul(d_products, patches.swapaxes(-1, -2)).sum(axis=(0, 1))
            if dx is not None:
                _multiply(band[g].T, d_products, patches)  # their own values are used up
                _scatter(patches, dx, blocks, strip, g)
    d_weight[...] = _diagonals(d_band, blocks).sum(axis=1).reshape(weight.shape)
    return None if dx is None else memory.unpad(dx, blocks.window.padding)


def _gather(padded: Array, blocks: Blocks, strip: slice, group: int, scratch: Scratch) -> Array:
    """The input of each block of a strip of output rows: (rows, blocks in a row, depth, N)."""
    (sh, sw), (dh, _) = blocks.window.stride, blocks.window.dilation
    kh = blocks.window.kernel[0]
    _, Wp, C, N = padded.shape
    channels = slice(group * blocks.channels, (group + 1) * blocks.channels)
    count = (strip.stop - strip.start, blocks.out[1] // blocks.width)
    # Strides from sizes, not from padded.strides, which may hold anything where a size is 1.
    pixel = C * N * padded.itemsize
    row = Wp * pixel
    views = as_strided(
        padded[strip.start * sh :, :, channels],
        (*count, kh, blocks.span, blocks.channels, N),
        (
            sh * row,
            sw * blocks.width * pixel,
            dh * row,
            pixel,
            N * padded.itemsize,
            padded.itemsize,
        ),
        writeable=False,
    )
    patches = scratch("patches", views.shape, padded.dtype)
    patches[...] = views
    return patches.reshape(*count, blocks.depth, N)


def _scatter(d_patches: Array, dx: Array, blocks: Blocks, strip: slice, group: int) -> None:
    """Add each block's gradient where its input was read; blocks overlap, so it must add."""
    (sh, sw), (dh, _) = blocks.window.stride, blocks.window.dilation
    kh = blocks.window.kernel[0]
    rows, across, _, N = d_patches.shape
    pieces = d_patches.reshape(rows, across, kh, blocks.span, blocks.channels, N)
    channels = slice(group * blocks.channels, (group + 1) * blocks.channels)
    step = sw * blocks.width
    for u in range(kh):
        first = strip.start * sh + u * dh
        lines = dx[first : first + sh * (rows - 1) + 1 : sh, :, channels]
        for b in range(across):
            lines[:, b * step : b * step + blocks.span] += pieces[:, b, u]


def _multiply(matrix: Array, patches: Array, out: Array) -> None:
    """out[r, b] = matrix · patches[r, b] for every block."""
    if patches.shape[-1] == 1:  # one product over all blocks, instead of one a block
        rows, across, inner, _ = patches.shape
        flat = patches.reshape(rows * across, inner) @ matrix.T
        out[...] = flat.reshape(rows, across, -1, 1)
    else:
        np.matmul(matrix, patches, out=out)


def _by_block(y: Array, blocks: Blocks) -> Array:
    """(OH, OW, O, N) as an (OH, blocks in a row, groups, width·maps, N) view."""
    OH, OW = blocks.out
    rows = blocks.width * blocks.maps
    return y.reshape(OH, OW // blocks.width, blocks.groups, rows, y.shape[-1])


def _band(weight: Array, blocks: Blocks, scratch: Scratch) -> Array:
    """The weights as a band matrix for each group, (groups, width·maps, depth)."""
    shape = (blocks.groups, blocks.width * blocks.maps, blocks.depth)
    band = memory.zeros("band", shape, scratch, weight)
    grouped = weight.reshape(blocks.groups, 1, blocks.maps, *weight.shape[1:])
    _diagonals(band, blocks)[...] = grouped
    return band


def _diagonals(band: Array, blocks: Blocks) -> Array:
    """The band's weights as a (groups, width, maps, C, kh, kw) view: one copy for each output.

    Output w of a block reads the columns stride·w, stride·w + dilation, … of its input.
    """
    kh, kw = blocks.window.kernel
    item = band.itemsize
    pixel = blocks.channels * item
    row = blocks.span * pixel
    line = kh * row
    return as_strided(
        band,
        (blocks.groups, blocks.width, blocks.maps, blocks.channels, kh, kw),
        (
            blocks.width * blocks.maps * line,
            blocks.maps * line + blocks.window.stride[1] * pixel,
            line,
            item,
            row,
            blocks.window.dilation[1] * pixel,
        ),
    )
