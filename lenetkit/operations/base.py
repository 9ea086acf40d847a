"""The operations that layers call: convolution and pooling over images.

Arrays are (N, C, H, W) to every caller; the memory order behind that shape is up to the
implementation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array
from lenetkit.errors import ShapeError
from lenetkit.operations.reach import Reach

Pair = tuple[int, int]
Padding = int | Pair | tuple[Pair, Pair]
"""The same on each side, [vertical, horizontal], or [[top, bottom], [left, right]]."""
Scratch = Callable[[str, tuple[int, ...], Any], Array]
"""`scratch(name, shape, dtype)`: an uninitialized array that keeps its memory between passes."""


def pair(value: int | Pair) -> Pair:
    """`5` → `(5, 5)`: (vertical, horizontal)."""
    return (value, value) if isinstance(value, int) else value


def sides(padding: Padding) -> tuple[Pair, Pair]:
    """((top, left), (bottom, right)) of a padding."""
    each = (padding, padding) if isinstance(padding, int) else padding
    (top, bottom), (left, right) = (pair(side) for side in each)
    return (top, left), (bottom, right)


@dataclass(frozen=True)
class Window:
    """A sliding window: each pair is (vertical, horizontal), in pixels."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    """Above and to the left of the image; below and to the right too, unless `after` is given."""
    dilation: Pair = (1, 1)
    after: Pair | None = None
    """The padding below and to the right, if it differs."""
    ceil_mode: bool = False
    """Whether pixels that no window covers get one more, which may reach beyond the padding."""

    @property
    def end(self) -> Pair:
        """The padding below and to the right."""
        return self.padding if self.after is None else self.after

    @property
    def is_padded(self) -> bool:
        """Whether there is any padding."""
        return max(*self.padding, *self.end) > 0

    @property
    def extent(self) -> Pair:
        """The pixels that one window spans, dilation included."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    @property
    def tiles(self) -> bool:
        """Whether windows neither overlap nor leave gaps nor reach beyond the image."""
        adjacent = self.stride == self.kernel and self.dilation == (1, 1)
        return adjacent and not (self.is_padded or self.ceil_mode)

    def padded(self, height: int, width: int) -> Pair:
        """The input's size with its padding."""
        (top, left), (bottom, right) = self.padding, self.end
        return top + height + bottom, left + width + right

    def output_size(self, height: int, width: int) -> Pair:
        """⌊(padded size − extent) / stride⌋ + 1, vertically and horizontally.

        With `ceil_mode` it is rounded up instead, unless the last window would begin in the padding
        below or to the right. Raises ShapeError if no window fits.
        """
        padded, extent = self.padded(height, width), self.extent
        if extent[0] > padded[0] or extent[1] > padded[1]:
            spans = f"{extent[0]}×{extent[1]}" + (" (dilated)" if max(self.dilation) > 1 else "")
            with_padding = " with its padding" if self.is_padded else ""
            raise ShapeError(
                f"kernel {spans} is larger than its input {padded[0]}×{padded[1]}{with_padding}; "
                "use a smaller kernel_size, more padding, or fewer layers that shrink the image"
            )
        counts = [(padded[axis] - extent[axis]) // self.stride[axis] + 1 for axis in (0, 1)]
        for axis, size in enumerate((height, width) if self.ceil_mode else ()):
            begins, stride = counts[axis] * self.stride[axis], self.stride[axis]
            lacks_some = begins - stride + extent[axis] < padded[axis]
            counts[axis] += lacks_some and begins < self.padding[axis] + size
        return counts[0], counts[1]

    def covering(self, height: int, width: int) -> Window:
        """The same windows over images of one size, with padding in the place of `ceil_mode`."""
        if not self.ceil_mode:
            return self
        out, padded = self.output_size(height, width), self.padded(height, width)
        lacking = (
            max(self.stride[axis] * (out[axis] - 1) + self.extent[axis] - padded[axis], 0)
            for axis in (0, 1)
        )
        bottom, right = (end + more for end, more in zip(self.end, lacking, strict=True))
        return replace(self, after=(bottom, right), ceil_mode=False)

    def pixels(self, height: int, width: int, *, padding: bool) -> NDArray[np.intp]:
        """The number of pixels in each window, (OH, OW), those of the padding counted or not."""
        counts = []
        for axis, size in enumerate((height, width)):
            first, last = (-self.padding[axis], size + self.end[axis]) if padding else (0, size)
            starts = np.arange(self.output_size(height, width)[axis]) * self.stride[axis]
            taps = np.arange(self.kernel[axis]) * self.dilation[axis] - self.padding[axis]
            places = starts[:, None] + taps
            counts.append(((first <= places) & (places < last)).sum(axis=1))
        return np.outer(*counts)

    def reach(self, height: int, width: int) -> tuple[Reach, Reach]:
        """What each row and each column of the output reads; padding is not part of the image."""
        rows, columns = self.output_size(height, width)
        return self._reach(0, height, rows), self._reach(1, width, columns)

    def _reach(self, axis: int, size: int, out: int) -> Reach:
        taps = np.arange(self.kernel[axis]) * self.dilation[axis] - self.padding[axis]
        places = np.arange(out)[:, None] * self.stride[axis] + taps
        inside = (places >= 0) & (places < size)
        start = np.where(inside, places, size).min(axis=1)
        stop = np.where(inside, places + 1, 0).max(axis=1)
        return Reach(start, stop)


class Operations(ABC):
    """The operations that layers call.

    Each forward returns its result and what its backward needs. `scratch` hands out memory that
    stays valid until the same layer's next forward. No operation writes to its input; a backward
    may write to `dy`. Results have the dtype of the input, can be written to, and share no memory
    with the inputs or each other, but for dx, which may be `dy`. An output is NaN or infinite
    wherever its window holds NaN.

    Padding may be uneven (`Window.end`), and pooling windows may reach beyond it
    (`Window.covering` gives the padding that they need).
    """

    @abstractmethod
    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        scratch: Scratch,
    ) -> tuple[Array, Any]:
        """Cross-correlation of x (N, C, H, W) with weight (O, C/groups, kh, kw)."""

    @abstractmethod
    def conv2d_backward(
        self,
        saved: Any,
        weight: Array,
        dy: Array,
        d_weight: Array,
        d_bias: Array | None,
        needs_input_grad: bool,
        scratch: Scratch,
    ) -> Array | None:
        """Write dL/dweight and, if there was a bias, dL/dbias; return dL/dx if it is needed."""

    @abstractmethod
    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        """The largest value of each window; NaN wins, padding never."""

    @abstractmethod
    def max_pool2d_backward(self, saved: Any, dy: Array, scratch: Scratch) -> Array:
        """dL/dx: each gradient goes to the first largest value of its window, row by row."""

    @abstractmethod
    def avg_pool2d(
        self, x: Array, window: Window, count_include_pad: bool, scratch: Scratch
    ) -> tuple[Array, Any]:
        """The mean of each window."""

    @abstractmethod
    def avg_pool2d_backward(self, saved: Any, dy: Array, scratch: Scratch) -> Array:
        """dL/dx: each gradient spread evenly over its window."""
