"""Memory order and padding, shared by the NumPy kernels."""

from __future__ import annotations

import numpy as np

from lenetkit.kernels.base import Array, Pair, Scratch


def channels_last(x: Array) -> Array:
    """(N, C, H, W) as an (N, H, W, C) view."""
    return x.transpose(0, 2, 3, 1)


def channels_first(x: Array) -> Array:
    """(N, H, W, C) as an (N, C, H, W) view."""
    return x.transpose(0, 3, 1, 2)


def empty_image(name: str, shape: tuple[int, ...], scratch: Scratch, like: Array) -> Array:
    """Scratch of the shape (N, C, H, W) that lies in memory as (N, H, W, C)."""
    N, C, H, W = shape
    return channels_first(scratch(name, (N, H, W, C), like.dtype))


def contiguous(name: str, x: Array, scratch: Scratch) -> Array:
    """`x` itself where its memory is contiguous, else a copy in scratch."""
    if x.flags.c_contiguous:
        return x
    copy = scratch(name, x.shape, x.dtype)
    copy[...] = x
    return copy


def pad_channels_last(x: Array, padding: Pair, value: float, scratch: Scratch) -> Array:
    """(N, C, H, W) → contiguous (N, H + 2·ph, W + 2·pw, C), the border filled with `value`."""
    x = channels_last(x)
    ph, pw = padding
    if not (ph or pw):
        return contiguous("channels_last", x, scratch)
    N, H, W, C = x.shape
    out = scratch("padded", (N, H + 2 * ph, W + 2 * pw, C), x.dtype)
    out[:, :ph] = value
    out[:, ph + H :] = value
    out[:, ph : ph + H, :pw] = value
    out[:, ph : ph + H, pw + W :] = value
    out[:, ph : ph + H, pw : pw + W] = x
    return out


def unpad(x: Array, padding: Pair) -> Array:
    """The (N, H, W, C) interior of a padded array, as an (N, C, H, W) view."""
    ph, pw = padding
    inner = x[:, ph : x.shape[1] - ph, pw : x.shape[2] - pw]
    return channels_first(inner)


def zeros(name: str, shape: tuple[int, ...], scratch: Scratch, like: Array) -> Array:
    """Scratch filled with zeros."""
    out = scratch(name, shape, like.dtype)
    out.fill(0)
    return out


def windows(x: Array, kernel: Pair, stride: Pair, dilation: Pair, out: Pair) -> Array:
    """(N, OH, OW, kh, kw, C): every window of a channels-last array, without a copy."""
    N, _, _, C = x.shape
    sn, sh, sw, sc = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (N, *out, *kernel, C),
        (sn, sh * stride[0], sw * stride[1], sh * dilation[0], sw * dilation[1], sc),
        writeable=False,
    )
