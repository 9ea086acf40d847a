"""What the tables of a convolution are: where everything lies.

All positions count values and are int32. In a block the `L` images of a batch lie side by side, so
that a step to the neighbouring pixel is a step of `L`.

    x block    (channels, padded height, padded width)
    y block    (groups · padded maps, pixels); pixels are the outputs, or the pooled ones
    dy grid    (height, margin + width + margin, groups · padded maps), the margins 0
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
        """Channels, height and width of what comes out."""
        OH, OW = self.out
        return (self.maps, OH // 2, OW // 2) if self.pooled else (self.maps, OH, OW)


class Places(NamedTuple):
    """Where in a block each value of an image lies, in either order that images come in."""

    one_by_one: Table
    """In the order C, H, W, for images one after the other."""
    side_by_side: Table
    """In the order H, W, C, for images that lie side by side as NumPy's kernels keep them."""

    def of(self, side_by_side: bool) -> Table:
        """The table for images that lie so."""
        return self.side_by_side if side_by_side else self.one_by_one


class Forward(NamedTuple):
    """Tables of the forward pass."""

    L: int
    groups: int
    maps: int
    """Of a group."""
    many: bool
    """Whether tiles have MANY maps, or FEW."""
    taps_used: int
    """Taps without those that fill the last tile of a weight gradient."""
    channel_step: int
    """Values of one group's channels in the x block."""
    tiles: int
    outputs: int
    """Pixels without those that fill the last tile."""
    starts: Table
    """For each pixel of each tile: where its window begins in the x block."""
    places: Table
    """For each pixel of each tile: where its output goes in a map of the y block."""
    taps: Table
    """Pairs (from the window's beginning to a tap, row of the weights), and some more of zeros."""
    y_step: int
    """Values of a map of the y block."""


class Backward(NamedTuple):
    """Tables of the backward pass; what it shares with the forward pass is there."""

    grid: Table
    """For each pixel of each forward tile: where its gradient lies in the dy grid."""
    pixels: int
    """In the dy grid, margins included."""
    maps: int
    """Padded, of all groups: values of a pixel, in vectors."""
    many: bool
    """Whether tiles of channels have MANY, or FEW."""
    channels: int
    """Of a group."""
    rows: int
    """Rows of a group's weights, one for each (u, v, map)."""
    tiles: int
    starts: Table
    """For each pixel of each tile of dx: the place in the dy grid that its taps count from."""
    places: Table
    """For each pixel of each tile: where it lies in a channel of the dx block."""
    taps: Table
    """Pairs (from that place to a tap, row of the weights), one run after the other."""
    runs: Table
    """For each tile: the first and the last of its taps, plus 1."""
    dx_step: int
    """Values of a channel of the dx block."""


class Geometry(NamedTuple):
    """All tables of a convolution, and the sizes of what they speak of, in values."""

    shape: Shape
    forward: Forward
    backward: Backward
    x: Places
    y: Places
    dy: Places
    """Like `y`, in the dy grid; where outputs are pooled, in the y block."""
    dx: Places
    x_size: int
    y_size: int
    grid_size: int
    dx_size: int
    work_size: int
    """What a member of the team needs beside its dy grid on the way back."""
    sums_size: int
    """What the weight gradients of one block take before they are added up."""
    rows: Pair
    """Values of the packed weights and of the packed bias."""
    rows_back: Pair
    """The same for the way back."""
