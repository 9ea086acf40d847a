"""The operations that layers call: convolution and pooling over images.

Arrays are (N, C, H, W) to every caller; the memory order behind that shape is up to the
implementation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lenetkit.arrays import Array
from lenetkit.errors import ShapeError

Pair = tuple[int, int]
Scratch = Callable[[str, tuple[int, ...], Any], Array]
"""`scratch(name, shape, dtype)`: an uninitialized array that keeps its memory between passes."""


def pair(value: int | Pair) -> Pair:
    """`5` → `(5, 5)`: (vertical, horizontal)."""
    return (value, value) if isinstance(value, int) else value


@dataclass(frozen=True)
class Window:
    """A sliding window: each field is (vertical, horizontal), in pixels."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @property
    def extent(self) -> Pair:
        """The pixels that one window spans, dilation included."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    @property
    def tiles(self) -> bool:
        """Whether windows neither overlap nor leave gaps nor reach beyond the image."""
        return self.stride == self.kernel and self.padding == (0, 0) and self.dilation == (1, 1)

    def padded(self, height: int, width: int) -> Pair:
        """The input's size with its padding."""
        return height + 2 * self.padding[0], width + 2 * self.padding[1]

    def output_size(self, height: int, width: int) -> Pair:
        """⌊(size + 2·padding − extent) / stride⌋ + 1, vertically and horizontally.

        Raises ShapeError if no window fits.
        """
        padded, extent = self.padded(height, width), self.extent
        if extent[0] > padded[0] or extent[1] > padded[1]:
            spans = f"{extent[0]}×{extent[1]}" + (" (dilated)" if max(self.dilation) > 1 else "")
            with_padding = " with its padding" if max(self.padding) else ""
            raise ShapeError(
                f"kernel {spans} is larger than its input {padded[0]}×{padded[1]}{with_padding}; "
                "use a smaller kernel_size, more padding, or fewer layers that shrink the image"
            )
        return (
            (padded[0] - extent[0]) // self.stride[0] + 1,
            (padded[1] - extent[1]) // self.stride[1] + 1,
        )


class Operations(ABC):
    """The operations that layers call.

    Each forward returns its result and what its backward needs. `scratch` hands out memory that
    stays valid until the same layer's next forward. No operation writes to its input; a backward
    may write to `dy`. Results have the dtype of the input, can be written to, and share no memory
    with the inputs or each other, but for dx, which may be `dy`. An output is NaN or infinite
    wherever its window holds NaN.
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
