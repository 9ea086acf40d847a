"""The band matrix of a convolution: its weights, repeated for each output of a block.

(groups, width·maps, inner): a row for each value that a block computes, a column for each value
that it reads, and a last one for the bias; zero where a pixel is outside an output's window.
"""

from __future__ import annotations

import numpy as np

from lenetkit.arrays import Array
from lenetkit.operations import memory
from lenetkit.operations.base import Scratch
from lenetkit.operations.blocks import Blocks


def fill(weight: Array, bias: Array | None, blocks: Blocks, scratch: Scratch) -> Array:
    """The weights as a band matrix for each group, (groups, width·maps, inner)."""
    band = memory.zeros("band", (blocks.groups, blocks.rows, blocks.inner), scratch, weight)
    grouped = weight.reshape(blocks.groups, 1, blocks.maps, *weight.shape[1:])
    diagonals(band, blocks)[...] = grouped
    if bias is not None:
        biases(band, blocks)[...] = bias.reshape(blocks.groups, 1, blocks.maps)
    return band


def biases(band: Array, blocks: Blocks) -> Array:
    """The band's last column as a (groups, width, maps) view."""
    return band[:, :, -1].reshape(blocks.groups, blocks.width, blocks.maps)


def diagonals(band: Array, blocks: Blocks) -> Array:
    """The band's weights as a (groups, width, maps, C, kh, kw) view: one copy for each output.

    Output w of a block reads the columns stride·w, stride·w + dilation, … of its input.
    """
    kh, kw = blocks.window.kernel
    item = band.itemsize
    pixel = blocks.channels * item
    row = blocks.span * pixel
    line = blocks.inner * item
    return np.ndarray(
        (blocks.groups, blocks.width, blocks.maps, blocks.channels, kh, kw),
        band.dtype,
        band,
        0,
        (
            blocks.rows * line,
            blocks.maps * line + blocks.window.stride[1] * pixel,
            line,
            item,
            row,
            blocks.window.dilation[1] * pixel,
        ),
    )
