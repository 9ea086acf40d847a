"""Memory order and padding, shared by the NumPy kernels.

Behind a view (N, C, H, W), pixels are the outer axes in memory; within a pixel the innermost axis
is either the batch or the channels.
"""

from __future__ import annotations

from typing import NamedTuple

from lenetkit.arrays import Array
from lenetkit.operations.base import Pair, Scratch


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


def pad(x: Array, padding: Pair, value: float, order: Order, scratch: Scratch) -> Array:
    """(N, C, H, W) → contiguous (H + 2·ph, W + 2·pw, …) in `order`, with a border of `value`."""
    x = order.arrange(x)
    ph, pw = padding
    if not (ph or pw):
        return contiguous("arranged", x, scratch)
    H, W, *pixel = x.shape
    out = scratch("padded", (H + 2 * ph, W + 2 * pw, *pixel), x.dtype)
    out[:ph] = value
    out[ph + H :] = value
    out[ph : ph + H, :pw] = value
    out[ph : ph + H, pw + W :] = value
    out[ph : ph + H, pw : pw + W] = x
    return out


def unpad(x: Array, padding: Pair, order: Order) -> Array:
    """The interior of a padded array, as a view (N, C, H, W)."""
    ph, pw = padding
    return order.restore(x[ph : x.shape[0] - ph, pw : x.shape[1] - pw])
