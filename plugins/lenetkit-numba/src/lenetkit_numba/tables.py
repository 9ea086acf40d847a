"""The tables of a convolution: where everything is.

All positions are int32 and count values. In a block, `L` images of a batch are side by side, so the
next pixel is `L` values further on.

    x block    (channels, padded height, padded width)
    y block    (groups · padded maps, pixels); pixels are the outputs, or the pooled ones
    dy grid    (height, margin + width + margin, groups · padded maps), margins are 0
    dx block   (groups · padded channels, pixels of the image)

Maps are padded, group by group, to whole tiles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lenetkit.authoring import Pair, Window
from lenetkit_numba.target import lanes

Table = NDArray[np.int32]


class Shape(NamedTuple):
    """What a convolution's tables depend on."""

    channels: int
    """Input channels."""
    maps: int
    """Output channels."""
    size: Pair
    """Height and width of an image."""
    window: Window
    groups: int
    pooled: bool
    """Whether the outputs are pooled, 2×2 to one."""
    itemsize: int

    @property
    def lanes(self) -> int:
        """Images side by side."""
        return lanes(self.itemsize)

    @property
    def out(self) -> Pair:
        """Height and width of the convolution's output."""
        return self.window.output_size(*self.size)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the result."""
        OH, OW = self.out
        return (self.maps, OH // 2, OW // 2) if self.pooled else (self.maps, OH, OW)


class Places(NamedTuple):
    """The place in a block of each value of an image, for both memory orders of images."""

    one_by_one: Table
    """In the order C, H, W, for images one after the other."""
    side_by_side: Table
    """In the order H, W, C, for images side by side, as NumPy's kernels store them."""

    def of(self, side_by_side: bool) -> Table:
        """The table for this memory order."""
        return self.side_by_side if side_by_side else self.one_by_one


class Forward(NamedTuple):
    """Tables of the forward pass."""

    L: int
    groups: int
    maps: int
    """Per group."""
    many: bool
    """Whether tiles have MANY maps or FEW."""
    taps_used: int
    """Taps, without those that fill up the last tile of a weight gradient."""
    channel_step: int
    """Values of one group's channels in the x block."""
    tiles: int
    outputs: int
    """Pixels, without those that fill up the last tile."""
    starts: Table
    """For each pixel of each tile: where its window begins in the x block."""
    places: Table
    """For each pixel of each tile: where its output goes in a map of the y block."""
    taps: Table
    """Pairs (offset of a tap from the window's start, row of the weights), then some zeros."""
    y_step: int
    """Values per map of the y block."""


class Backward(NamedTuple):
    """Tables of the backward pass, apart from those that it shares with the forward pass."""

    grid: Table
    """For each pixel of each forward tile: where its gradient is in the dy grid."""
    pixels: int
    """Of the dy grid, margins included."""
    maps: int
    """Padded maps of all groups: vectors per pixel."""
    many: bool
    """Whether tiles have MANY channels or FEW."""
    channels: int
    """Per group."""
    rows: int
    """Rows of a group's weights, one per (u, v, map)."""
    tiles: int
    starts: Table
    """For each pixel of each tile of dx: the place in the dy grid that its taps are relative to."""
    places: Table
    """For each pixel of each tile: where it is in a channel of the dx block."""
    taps: Table
    """Pairs (offset of a tap from that place, row of the weights), run after run."""
    runs: Table
    """For each tile: its first tap, and its last tap plus 1."""
    dx_step: int
    """Values per channel of the dx block."""


class Geometry(NamedTuple):
    """All tables of a convolution, and the sizes, in values, of the memory they describe."""

    shape: Shape
    forward: Forward
    backward: Backward
    x: Places
    y: Places
    dy: Places
    """Like `y`, but in the dy grid; in the y block if outputs are pooled."""
    dx: Places
    x_size: int
    y_size: int
    grid_size: int
    dx_size: int
    work_size: int
    """What a member of the team needs for backward, besides its dy grid."""
    sums_size: int
    """Weight-gradient sums of one block, before they are added up."""
    rows: Pair
    """Values of the packed weights and of the packed bias."""
    rows_back: Pair
    """The same for backward."""
