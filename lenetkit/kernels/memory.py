"""Memory order and padding, shared by the NumPy kernels.

Images lie in memory as (H, W, C, N), "batch last", behind a view that reads (N, C, H, W).
"""

from __future__ import annotations

from lenetkit.kernels.base import Array, Pair, Scratch


def batch_last(x: Array) -> Array:
    """(N, C, H, W) as an (H, W, C, N) view."""
    return x.transpose(2, 3, 1, 0)


def batch_first(x: Array) -> Array:
    """(H, W, C, N) as an (N, C, H, W) view."""
    return x.transpose(3, 2, 0, 1)


def contiguous(name: str, x: Array, scratch: Scratch) -> Array:
    """`x` itself where its memory is contiguous, else a copy in scratch."""
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


def pad(x: Array, padding: Pair, value: float, scratch: Scratch) -> Array:
    """(N, C, H, W) → contiguous (H + 2·ph, W + 2·pw, C, N), the border filled with `value`."""
    x = batch_last(x)
    ph, pw = padding
    if not (ph or pw):
        return contiguous("batch_last", x, scratch)
    H, W, C, N = x.shape
    out = scratch("padded", (H + 2 * ph, W + 2 * pw, C, N), x.dtype)
    out[:ph] = value
    out[ph + H :] = value
    out[ph : ph + H, :pw] = value
    out[ph : ph + H, pw + W :] = value
    out[ph : ph + H, pw : pw + W] = x
    return out


def unpad(x: Array, padding: Pair) -> Array:
    """The interior of a padded (H, W, C, N) array, as an (N, C, H, W) view."""
    ph, pw = padding
    return batch_first(x[ph : x.shape[0] - ph, pw : x.shape[1] - pw])
