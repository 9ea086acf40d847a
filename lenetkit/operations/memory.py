"""Memory order and padding, shared by the NumPy kernels.

Behind a view (N, C, H, W), pixels are the outer axes in memory; within a pixel the innermost axis
is either the batch or the channels.
"""

from __future__ import annotations

from typing import NamedTuple

from lenetkit.arrays import Array
from lenetkit.operations.base import Pair, Scratch, Window


class Order(NamedTuple):
    """A memory order of (N, C, H, W)."""

    name: str
    axes: tuple[int, int, int, int]
    inverse: tuple[int, int, int, int]

    def arrange(self, x: Array) -> Array:
        """(N, C, H, W) as a view with the axes in this order."""
        return x.transpose(self.axes)

    def restore(self, x: Array) -> Array:
        """An array in this order as a view (N, C, H, W)."""
        return x.transpose(self.inverse)

    def pixel(self, channels: int, batch: int) -> Pair:
        """The shape of one pixel of all images."""
        return (channels, batch) if self is BATCH_LAST else (batch, channels)


BATCH_LAST = Order("batch last", (2, 3, 1, 0), (3, 2, 0, 1))
"""(H, W, C, N): operations run over N contiguous values, even with few channels."""
CHANNELS_LAST = Order("channels last", (2, 3, 0, 1), (2, 3, 0, 1))
"""(H, W, N, C): for many channels; a pixel's channels are contiguous."""


def order_of(x: Array) -> Order:
    """The memory order of x (N, C, H, W); batch last if it has neither."""
    ordered = CHANNELS_LAST.arrange(x).flags.c_contiguous
    return CHANNELS_LAST if ordered and not BATCH_LAST.arrange(x).flags.c_contiguous else BATCH_LAST


def contiguous(name: str, x: Array, scratch: Scratch) -> Array:
    """`x` itself if it is contiguous, else a copy in scratch."""
    if x.flags.c_contiguous:
        return x
    copy = scratch(name, x.shape, x.dtype)
    copy[...] = x
    return copy


def zeros(name: str, shape: tuple[int, ...], scratch: Scratch, like: Array) -> Array:
    """Scratch filled with zeros."""
    out = scratch(name, shape, like.dtype)
    out.fill(0)
    return out


def pad(x: Array, window: Window, value: float, order: Order, scratch: Scratch) -> Array:
    """(N, C, H, W) → contiguous (padded H, padded W, …) in `order`, with a border of `value`."""
    x = order.arrange(x)
    if not window.is_padded:
        return contiguous("arranged", x, scratch)
    (top, left), (H, W, *pixel) = window.padding, x.shape
    out = scratch("padded", (*window.padded(H, W), *pixel), x.dtype)
    out[:top] = value
    out[top + H :] = value
    out[top : top + H, :left] = value
    out[top : top + H, left + W :] = value
    out[top : top + H, left : left + W] = x
    return out


def unpad(x: Array, window: Window, order: Order) -> Array:
    """The interior of a padded array, as a view (N, C, H, W)."""
    (top, left), (bottom, right) = window.padding, window.end
    return order.restore(x[top : x.shape[0] - bottom, left : x.shape[1] - right])
