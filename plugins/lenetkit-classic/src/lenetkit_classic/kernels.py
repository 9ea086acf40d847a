"""A kernel set for batches of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lenetkit.authoring import Array, Conv2d, Layer, NumpyKernels, Pair, Scratch, Window


class Saved(NamedTuple):
    """What the backward pass of a single image needs."""

    patches: Array
    """(C·kh·kw, OH·OW): the window of every output pixel."""
    in_shape: tuple[int, ...]
    out: Pair


@dataclass(frozen=True, kw_only=True)
class SingleKernels(NumpyKernels):
    """NumPy's kernels, except that single images are convolved with im2col, one product per layer.

    Larger batches, and convolutions with stride, dilation, padding or groups, run as in `numpy`.
    im2col: Chellapilla, Puri & Simard 2006. Its transpose adds kh·kw shifted images: each is
    written, shifted, to a separate sheet, and one sum over the sheets adds them.
    """

    def algorithm(self, layer: Layer, in_shape: tuple[int, ...], batch: int) -> str:
        if isinstance(layer, Conv2d) and _is_single(batch, layer.groups, layer.window):
            return "im2col, one product"
        return super().algorithm(layer, in_shape, batch)

    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        scratch: Scratch,
    ) -> tuple[Array, Any]:
        if not _is_single(len(x), groups, window):
            return super().conv2d(x, weight, bias, window, groups, scratch)
        (kh, kw), (_, C, H, W) = window.kernel, x.shape
        OH, OW = out = window.output_size(H, W)
        image = np.ascontiguousarray(x)
        item = x.itemsize
        strides = (H * W * item, W * item, item, W * item, item)
        windows: Array = np.ndarray((C, kh, kw, OH, OW), x.dtype, image, 0, strides)
        patches = scratch("patches", windows.shape, x.dtype)
        np.copyto(patches, windows)
        patches = patches.reshape(C * kh * kw, OH * OW)
        y = np.matmul(weight.reshape(len(weight), -1), patches)
        if bias is not None:
            y += bias[:, None]
        return y.reshape(1, len(weight), OH, OW), Saved(patches, x.shape, out)

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
        if not isinstance(saved, Saved):
            return super().conv2d_backward(
                saved, weight, dy, d_weight, d_bias, needs_input_grad, scratch
            )
        flat = dy.reshape(len(weight), -1)
        if saved.out == (1, 1):  # an outer product, for which matmul is slow
            np.multiply(flat, saved.patches.T, out=d_weight.reshape(len(weight), -1))
        else:
            np.matmul(flat, saved.patches.T, out=d_weight.reshape(len(weight), -1))
        if d_bias is not None:
            flat.sum(axis=1, out=d_bias)
        if not needs_input_grad:
            return None
        d_patches = np.matmul(weight.reshape(len(weight), -1).T, flat)
        if saved.out == (1, 1):  # the window is the image
            return d_patches.reshape(saved.in_shape)
        return _sum_of_windows(d_patches, saved, weight.shape[2:], scratch)


def _is_single(batch: int, groups: int, window: Window) -> bool:
    """Whether this is one image, without groups, stride, dilation and padding."""
    plain = window.stride == window.dilation == (1, 1) and not window.is_padded
    return batch == groups == 1 and plain


def _sum_of_windows(
    d_patches: Array, saved: Saved, kernel: tuple[int, ...], scratch: Scratch
) -> Array:
    """dx (1, C, H, W): every value added to the pixel that the patches took it from."""
    (kh, kw), (OH, OW), (_, C, H, W) = kernel, saved.out, saved.in_shape
    sheets = scratch("sheets", (kh * kw, C * H * W), d_patches.dtype)
    sheets.fill(0)
    sheet, item = C * H * W, sheets.itemsize
    strides = tuple(
        item * step for step in (H * W, kw * sheet + W, sheet + 1, W, 1)
    )  # sheet (u, v) is shifted by u rows and v columns
    shifted: Array = np.ndarray((C, kh, kw, OH, OW), sheets.dtype, sheets, 0, strides)
    np.copyto(shifted, d_patches.reshape(shifted.shape))
    return sheets.sum(axis=0).reshape(saved.in_shape)
