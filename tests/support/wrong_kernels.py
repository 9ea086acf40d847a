"""Kernel sets with one mistake each, and the check that is meant to catch it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.call import Call
from lenetkit.operations.base import Scratch, Window


class IgnoresDilation(NumpyKernels):
    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        scratch: Scratch,
    ) -> tuple[Array, Any]:
        y, saved = super().conv2d(x, weight, bias, window, groups, scratch)
        if window.dilation != (1, 1):
            near = Window(window.kernel, window.stride, window.padding)
            other, _ = super().conv2d(x, weight, bias, near, groups, Call(operations=self).scratch)
            y[...] = other[:, :, : y.shape[2], : y.shape[3]]
        return y, saved


class LastWriterWins(NumpyKernels):
    """dL/dx of overlapping windows is halved, as if one of two had been overwritten."""

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
        dx = super().conv2d_backward(saved, weight, dy, d_weight, d_bias, needs_input_grad, scratch)
        return dx / 2 if dx is not None and weight.shape[-1] > 1 else dx


class AddsToBiasGradient(NumpyKernels):
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
        if d_bias is not None:
            d_bias += dy.sum(axis=(0, 2, 3))
        return super().conv2d_backward(saved, weight, dy, d_weight, None, needs_input_grad, scratch)


class NeedsABias(NumpyKernels):
    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        scratch: Scratch,
    ) -> tuple[Array, Any]:
        bias = np.ones(len(weight), x.dtype) if bias is None else bias
        return super().conv2d(x, weight, bias, window, groups, scratch)


class NoWeightGradientAlone(NumpyKernels):
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
        if not needs_input_grad:
            return None
        return super().conv2d_backward(saved, weight, dy, d_weight, d_bias, True, scratch)


class PaddingWins(NumpyKernels):
    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        y, saved = super().max_pool2d(x, window, scratch)
        if max(window.padding):
            y[:, :, 0, 0] = np.maximum(y[:, :, 0, 0], 0)
        return y, saved


class TiesGoEverywhere(NumpyKernels):
    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        y, saved = super().max_pool2d(x, window, scratch)
        return y, (saved, x.copy(), y.copy(), window)

    def max_pool2d_backward(self, saved: Any, dy: Array, scratch: Scratch) -> Array:
        _, x, y, w = saved
        (ph, pw), (kh, kw), (sh, sw) = w.padding, w.kernel, w.stride
        padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=-np.inf)
        dx = np.zeros_like(padded)
        for i, j in np.ndindex(y.shape[2:]):
            rows, columns = slice(i * sh, i * sh + kh), slice(j * sw, j * sw + kw)
            wins = padded[:, :, rows, columns] == y[:, :, i : i + 1, j : j + 1]
            dx[:, :, rows, columns] += wins * dy[:, :, i : i + 1, j : j + 1]
        return dx[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]]


class AlwaysCountsPadding(NumpyKernels):
    def avg_pool2d(
        self, x: Array, window: Window, count_include_pad: bool, scratch: Scratch
    ) -> tuple[Array, Any]:
        return super().avg_pool2d(x, window, True, scratch)


class GivesEachPixelTheWhole(NumpyKernels):
    def avg_pool2d_backward(self, saved: Any, dy: Array, scratch: Scratch) -> Array:
        return super().avg_pool2d_backward(saved, dy * np.float32(saved.window.kernel[0]), scratch)


class ReluedInput(NumpyKernels):
    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        result = super().max_pool2d(x, window, scratch)
        x[...] = 0
        return result


class AddsToScratch(NumpyKernels):
    def avg_pool2d(
        self, x: Array, window: Window, count_include_pad: bool, scratch: Scratch
    ) -> tuple[Array, Any]:
        y, saved = super().avg_pool2d(x, window, count_include_pad, scratch)
        total = scratch("total", y.shape, y.dtype)
        if not np.isnan(total).all():  # chance contents would fail other checks too
            total[...] = 0
        total += y
        return total, saved


class AnyOrderOfSums(NumpyKernels):
    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        scratch: Scratch,
    ) -> tuple[Array, Any]:
        y, saved = super().conv2d(x, weight, bias, window, groups, scratch)
        noise = np.random.default_rng().uniform(1 - 1e-6, 1 + 1e-6, y.shape)
        return (y * noise.astype(y.dtype) if y.dtype == np.float32 else y), saved


class LosesLargeBatches(NumpyKernels):
    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        scratch: Scratch,
    ) -> tuple[Array, Any]:
        y, saved = super().conv2d(x, weight, bias, window, groups, scratch)
        y[7:] = 0
        return y, saved


class AlwaysDouble(NumpyKernels):
    def max_pool2d_backward(self, saved: Any, dy: Array, scratch: Scratch) -> Array:
        return super().max_pool2d_backward(saved, dy, scratch).astype(np.float64)


class MeanOfNothing(NumpyKernels):
    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        x.mean()
        return super().max_pool2d(x, window, scratch)


class OwnOrder(NumpyKernels):
    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        return super().max_pool2d(x.ravel(order="K").reshape(x.shape), window, scratch)


class KeepsItsCount(NumpyKernels):
    def max_pool2d(self, x: Array, window: Window, scratch: Scratch) -> tuple[Array, Any]:
        object.__setattr__(self, "_count", vars(self).get("_count", 0) + 1)
        return super().max_pool2d(x, window, scratch)


class WritesToTheFirstImages(NumpyKernels):
    """The buffer is asked for once, by its largest size: a smaller batch reads its beginning."""

    def avg_pool2d(
        self, x: Array, window: Window, count_include_pad: bool, scratch: Scratch
    ) -> tuple[Array, Any]:
        owner = getattr(scratch, "__self__", None)
        first = vars(owner).setdefault("first", len(x)) if owner is not None else len(x)
        y, saved = super().avg_pool2d(x, window, count_include_pad, scratch)
        return (y if len(x) == first else y * np.float32(first)), saved


WRONG_KERNELS = {
    IgnoresDilation(): "conv2d_follows_the_definition",
    LastWriterWins(): "conv2d_input_gradient_follows_the_definition",
    AddsToBiasGradient(): "conv2d_weight_gradients_follow_the_definition",
    NeedsABias(): "conv2d_without_bias",
    NoWeightGradientAlone(): "conv2d_without_input_gradient",
    PaddingWins(): "max_pool2d_follows_the_definition",
    TiesGoEverywhere(): "max_pool2d_gradient_goes_to_the_first_largest",
    AlwaysCountsPadding(): "avg_pool2d_follows_the_definition",
    GivesEachPixelTheWhole(): "avg_pool2d_gradient_is_spread_evenly",
    ReluedInput(): "inputs_are_not_written_to",
    AddsToScratch(): "scratch_contents_do_not_matter",
    AnyOrderOfSums(): "the_same_call_gives_the_same_bits",
    LosesLargeBatches(): "conv2d_follows_the_definition",
    AlwaysDouble(): "dtype_and_shape_are_kept",
    MeanOfNothing(): "empty_batch",
    OwnOrder(): "memory_order_does_not_matter",
    KeepsItsCount(): "kernels_hold_no_state",
    WritesToTheFirstImages(): "scratch_serves_batch_after_batch",
}
