"""The kernel set that every installation has: plain NumPy.

Between kernels, images lie in memory as (N, H, W, C), "channels last", behind a view that reads
(N, C, H, W): products over channels are then contiguous, and every kernel's output is the next
one's input without a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lenetkit.kernels import im2col, pooling, rows
from lenetkit.kernels.base import Array, Kernels, Scratch, Window


@dataclass(frozen=True, kw_only=True)
class NumpyKernels(Kernels):
    """Convolution by matrix products, pooling by strided slices."""

    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        scratch: Scratch,
    ) -> tuple[Array, Any]:
        if rows.pays(x.shape, weight.shape, window, groups):
            y, by_rows = rows.forward(x, weight, bias, window, scratch)
            return y, (rows.backward, by_rows)
        y, by_columns = im2col.forward(x, weight, bias, window, groups, scratch)
        return y, (im2col.backward, by_columns)

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
        backward, saved = saved
        if d_bias is not None:
            dy.sum(axis=(0, 2, 3), out=d_bias)
        dx: Array | None = backward(saved, weight, dy, d_weight, needs_input_grad, scratch)
        return dx

    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        return pooling.max_forward(x, window, scratch)

    def max_pool2d_backward(self, saved: Any, dy: Array, scratch: Scratch) -> Array:
        return pooling.max_backward(saved, dy, scratch)

    def avg_pool2d(
        self, x: Array, window: Window, count_include_pad: bool, scratch: Scratch
    ) -> tuple[Array, Any]:
        return pooling.avg_forward(x, window, count_include_pad, scratch)

    def avg_pool2d_backward(self, saved: Any, dy: Array, scratch: Scratch) -> Array:
        return pooling.avg_backward(saved, dy, scratch)
