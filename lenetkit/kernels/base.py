"""The kernel protocol: convolution and pooling over images.

Arrays are (N, C, H, W) to everyone; the memory order behind that shape is the kernels' business.
A kernel set is a plugin of the group `lenetkit.kernels`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.errors import ShapeError
from lenetkit.options import Configurable

if TYPE_CHECKING:
    from lenetkit.layer import Layer

Array = NDArray[np.floating[Any]]
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

        Raises ShapeError where not one window fits.
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


class Kernels(Configurable):
    """Base of all kernel sets.

    Each forward returns its result and what its backward needs. `scratch` hands out memory that
    stays valid until the same layer's next forward. No kernel writes to its input; a backward may
    write to `dy`. Results have the dtype of the input.
    """

    group: ClassVar[str] = "lenetkit.kernels"

    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        """(count, a layer that does the work of the first `count` of these layers), where faster.

        `layers` are those that a network has still to run, never none. The fused layer keeps the
        contract of all layers, may lack `second_backward`, and gets the parameters of the one
        layer among the `count` that has any; its randomness is that of the first.
        """
        return None

    def algorithm(self, layer: Layer, in_shape: tuple[int, ...], batch: int) -> str:
        """How these kernels compute a layer, one that they fused included, in a few words.

        For `batch` images of `in_shape`: what they choose by shape belongs here, for `lenetkit
        bench` to show. Empty where there is nothing to tell, or the layer is none of theirs.
        """
        return ""

    def versions(self) -> dict[str, str]:
        """What else computes than lenetkit and NumPy, such as `{"numba": "0.61.0"}`.

        A run records it, and does not go on with another without a word.
        """
        return {}

    def best_threads(self, macs: int) -> int:
        """How many threads are fastest for a network of `macs` multiply-adds an image."""
        from lenetkit.threads import best_blas_threads

        return best_blas_threads(macs)

    def limited(self, threads: int) -> AbstractContextManager[None]:
        """Inside the block these kernels, and all matrix products, use at most `threads` threads.

        A kernel set with threads of its own says here how the two share the processors.
        """
        from lenetkit.threads import limited_blas

        return limited_blas(threads)

    def threads(self) -> int:
        """How many threads a pass uses here and now; with another number, last bits may differ."""
        from lenetkit.threads import blas_threads

        return blas_threads()

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
        """Write dL/dweight and, if there was a bias, dL/dbias; return dL/dx where it is needed."""

    @abstractmethod
    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        """The largest value of each window; padding never wins."""

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
