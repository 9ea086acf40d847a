"""A network in NumPy as taught in courses: im2col, layers with state, no reused memory.

The baseline for lenetkit's kernels. Its results are the same within rounding.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from contenders.base import LEARNING_RATE, AbsentError
from lenetkit.layers.activations import ReLU, Sigmoid, Tanh
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.linear import Linear
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.network import Network

Array = NDArray[Any]
Pair = tuple[int, int]


class Module(Protocol):
    """A layer that remembers its last input."""

    def forward(self, x: Array) -> Array:
        """The output for a batch."""

    def backward(self, dy: Array) -> Array:
        """dL/dx; stores the parameters' gradients in `grads`, if any."""


class Windows:
    """Every window of an image as a separate row, and the inverse."""

    def __init__(self, kernel: Pair, stride: Pair, padding: Pair) -> None:
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def cut(self, x: Array, fill: float = 0.0) -> Array:
        """(N, C, H, W) → (N, OH, OW, C, kh, kw)."""
        (ph, pw), (sh, sw) = self.padding, self.stride
        x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=fill)
        self.shape = x.shape
        windows = sliding_window_view(x, self.kernel, axis=(2, 3))[:, :, ::sh, ::sw]
        return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5))

    def add_up(self, windows: Array) -> Array:
        """(N, OH, OW, C, kh, kw) → (N, C, H, W): every value added where it came from."""
        (ph, pw), (sh, sw), (kh, kw) = self.padding, self.stride, self.kernel
        _, OH, OW, *_ = windows.shape
        x: Array = np.zeros(self.shape, windows.dtype)
        for u in range(kh):
            for v in range(kw):
                part = windows[..., u, v].transpose(0, 3, 1, 2)
                x[:, :, u : u + sh * OH : sh, v : v + sw * OW : sw] += part
        return x[:, :, ph : x.shape[2] - ph, pw : x.shape[3] - pw]


class PlainConv:
    """im2col and one matrix product."""

    def __init__(self, weight: Array, bias: Array | None, windows: Windows) -> None:
        self.params = [weight] if bias is None else [weight, bias]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.windows = windows

    def forward(self, x: Array) -> Array:
        columns = self.windows.cut(x)
        self.out = columns.shape[:3]
        self.columns = columns.reshape(math.prod(self.out), -1)
        weight = self.params[0]
        y = self.columns @ weight.reshape(len(weight), -1).T
        if len(self.params) > 1:
            y = y + self.params[1]
        result: Array = y.reshape(*self.out, -1).transpose(0, 3, 1, 2)
        return result

    def backward(self, dy: Array) -> Array:
        weight = self.params[0]
        rows = dy.transpose(0, 2, 3, 1).reshape(-1, len(weight))
        self.grads[0][...] = (rows.T @ self.columns).reshape(weight.shape)
        if len(self.params) > 1:
            self.grads[1][...] = rows.sum(axis=0)
        d_columns = rows @ weight.reshape(len(weight), -1)
        return self.windows.add_up(d_columns.reshape(*self.out, *weight.shape[1:]))


class PlainMaxPool:
    """im2col and argmax."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def forward(self, x: Array) -> Array:
        windows = self.windows.cut(x, -np.inf)
        flat = windows.reshape(*windows.shape[:4], -1)
        self.shape, self.winners = windows.shape, flat.argmax(axis=-1)[..., None]
        y = np.take_along_axis(flat, self.winners, axis=-1)[..., 0]
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        d_flat = np.zeros((*self.shape[:4], math.prod(self.shape[4:])), dy.dtype)
        np.put_along_axis(d_flat, self.winners, dy.transpose(0, 2, 3, 1)[..., None], axis=-1)
        return self.windows.add_up(d_flat.reshape(self.shape))


class PlainAvgPool:
    """im2col and the mean."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def forward(self, x: Array) -> Array:
        windows = self.windows.cut(x)
        self.shape = windows.shape
        return windows.mean(axis=(4, 5)).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        share = dy.transpose(0, 2, 3, 1)[..., None, None] / math.prod(self.windows.kernel)
        return self.windows.add_up(np.broadcast_to(share, self.shape))


class PlainLinear:
    """A matrix product of the flattened input."""

    def __init__(self, weight: Array, bias: Array | None) -> None:
        self.params = [weight] if bias is None else [weight, bias]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x: Array) -> Array:
        self.shape, self.x = x.shape, x.reshape(len(x), -1)
        y: Array = self.x @ self.params[0].T
        return y + self.params[1] if len(self.params) > 1 else y

    def backward(self, dy: Array) -> Array:
        self.grads[0][...] = dy.T @ self.x
        if len(self.params) > 1:
            self.grads[1][...] = dy.sum(axis=0)
        return (dy @ self.params[0]).reshape(self.shape)


class PlainActivation:
    """ReLU, sigmoid or tanh."""

    def __init__(self, kind: type[ReLU | Sigmoid | Tanh]) -> None:
        self.kind = kind

    def forward(self, x: Array) -> Array:
        if self.kind is ReLU:
            self.y = np.maximum(x, 0)
        else:
            self.y = np.tanh(x) if self.kind is Tanh else 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dy: Array) -> Array:
        if self.kind is ReLU:
            return dy * (self.y > 0)
        slope = 1 - self.y**2 if self.kind is Tanh else self.y * (1 - self.y)
        return dy * slope


class PlainFlatten:
    """One row per image."""

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.shape)


def module(planned: LayerPlan, tensors: dict[str, Array]) -> Module:
    """The plain twin of a layer, with copies of its tensors. Raises AbsentError if it has none."""
    layer = planned.layer
    mine = {name: tensors[f"{planned.name}.{name}"].copy() for name in planned.params}
    if isinstance(layer, Conv2d | MaxPool2d | AvgPool2d):
        window = layer.window
        grouped = isinstance(layer, Conv2d) and layer.groups > 1
        uncounted = isinstance(layer, AvgPool2d) and not layer.count_include_pad
        if window.dilation == (1, 1) and not grouped and not uncounted:
            windows = Windows(window.kernel, window.stride, window.padding)
            if isinstance(layer, Conv2d):
                return PlainConv(mine["weight"], mine.get("bias"), windows)
            return (PlainMaxPool if isinstance(layer, MaxPool2d) else PlainAvgPool)(windows)
    if isinstance(layer, Linear):
        return PlainLinear(mine["weight"], mine.get("bias"))
    if isinstance(layer, ReLU | Sigmoid | Tanh):
        return PlainActivation(type(layer))
    if isinstance(layer, Flatten):
        return PlainFlatten()
    raise AbsentError(f"plain NumPy has no twin of {planned.name}, {layer}")


class PlainNetwork:
    """A sequence of modules."""

    def __init__(self, network: Network) -> None:
        tensors = network.tensors()
        self.modules = [module(planned, tensors) for planned in network.plan.layers]
        self.trained = [m for m in self.modules if isinstance(m, PlainConv | PlainLinear)]

    def forward(self, x: Array) -> Array:
        """The outputs for a batch."""
        for each in self.modules:
            x = each.forward(x)
        return x

    def backward(self, dy: Array) -> None:
        """The gradients of all parameters."""
        for each in reversed(self.modules):
            dy = each.backward(dy)


class PlainAdam:
    """Adam, parameter by parameter."""

    def __init__(self, network: PlainNetwork) -> None:
        self.pairs = [pair for m in network.trained for pair in zip(m.params, m.grads, strict=True)]
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p, _ in self.pairs]
        self.t = 0

    def step(self) -> None:
        """Update every parameter in place."""
        self.t += 1
        for (p, g), (mean, square) in zip(self.pairs, self.moments, strict=True):
            mean += 0.1 * (g - mean)
            square += 0.001 * (g * g - square)
            unbiased = mean / (1 - 0.9**self.t)
            p -= LEARNING_RATE * unbiased / (np.sqrt(square / (1 - 0.999**self.t)) + 1e-8)
