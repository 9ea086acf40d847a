"""Tiling of a convolution: blocks for products, strips for the cache, parts for threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

from lenetkit.operations import settings
from lenetkit.operations.base import Pair, Window


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
    bias: bool

    @cached_property
    def span(self) -> int:
        """Input columns that a block reads."""
        return self.step + self.window.extent[1] - self.window.stride[1]

    @cached_property
    def step(self) -> int:
        """Input columns from one block to the next."""
        return self.window.stride[1] * self.width

    @cached_property
    def depth(self) -> int:
        """Values that a block reads."""
        return self.window.kernel[0] * self.span * self.channels

    @cached_property
    def inner(self) -> int:
        """The inner size of the product: a block's values and, for a bias, a one."""
        return self.depth + self.bias

    @cached_property
    def rows(self) -> int:
        """Rows of a band matrix: the values that one block of one group computes."""
        return self.width * self.maps

    def reads(self, rows: slice) -> slice:
        """The rows of the padded input that some rows of the output depend on."""
        stride = self.window.stride[0]
        return slice(rows.start * stride, (rows.stop - 1) * stride + self.window.extent[0])

    def parts(self, batch: int, rows: int, multiple: int) -> list[slice]:
        """The first `rows` of the output, cut for threads; each part but the last a `multiple`."""
        work = rows * self._values(batch) * self.rows
        count = min(max(work // settings.SHARED_FROM, 1), settings.MAX_PARTS)
        return _cut(slice(0, rows), 1 << (count.bit_length() - 1), multiple)

    def strips(self, part: slice, batch: int, multiple: int) -> list[slice]:
        """The rows of a part, as many at a time as a core's cache holds."""
        values = (part.stop - part.start) * self._values(batch)
        return _cut(part, -(-values // settings.STRIP), multiple)

    def columns(self, rows: slice, batch: int) -> list[slice]:
        """Pieces of a row, if one row alone exceeds a cache; else all of it."""
        values = (rows.stop - rows.start) * self._values(batch)
        whole = slice(0, self.out[1])
        one_row = rows.stop - rows.start == 1
        return _cut(whole, -(-values // settings.STRIP), 1) if one_row else [whole]

    def _values(self, batch: int) -> int:
        """Values gathered for one row of the output."""
        return self.groups * (self.out[1] // self.width) * self.inner * max(batch, 1)


def _cut(rows: slice, count: int, multiple: int) -> list[slice]:
    """`rows` in at most `count` pieces, each but the last a `multiple`."""
    step = multiple * -(-(rows.stop - rows.start) // (count * multiple))
    return [slice(r, min(r + step, rows.stop)) for r in range(rows.start, rows.stop, step)]


@cache
def plan_blocks(
    size: Pair,
    weight_shape: tuple[int, ...],
    window: Window,
    groups: int,
    bias: bool,
    width: int | None = None,
) -> Blocks:
    """The blocks for images of `size` (H, W), of the width that minimizes copying and products."""
    out = window.output_size(*size)
    maps, channels = weight_shape[0] // groups, weight_shape[1]
    # A block's outputs must be evenly spaced in memory; several maps of several groups are not.
    widest = out[1] if groups == 1 or maps == 1 else 1
    widths = [width] if width else [w for w in range(1, widest + 1) if out[1] % w == 0]
    choices = [Blocks(window, out, channels, maps, groups, width, bias) for width in widths]
    return min(choices, key=lambda b: b.inner / b.width * (b.rows + settings.COPY_COST))
