"""Compare a training step with the course report's own method.

The report's method: float64; convolution and pooling with an im2col that loops over the window;
max pooling with argmax; Adam for each parameter separately. Both train LeNet-5 on the same batches
of 64, in turns, in one process; medians are compared.

    python benchmarks/report_method.py [--steps 60] [--data-dir DIR]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import lenetkit
from lenetkit.network.network import Network
from lenetkit.operations import blas
from lenetkit.training.data import load_training_data

Array = NDArray[Any]
BATCH = 64


def im2col(x: Array, size: int, stride: int) -> Array:
    """(N, C, H, W) → (N·OH·OW, C·size·size), one slice copied per window position."""
    N, C, H, W = x.shape
    OH, OW = (H - size) // stride + 1, (W - size) // stride + 1
    columns = np.zeros((N, C, size, size, OH, OW))
    for i in range(size):
        for j in range(size):
            rows = slice(i, i + stride * OH, stride)
            columns[:, :, i, j] = x[:, :, rows, j : j + stride * OW : stride]
    return columns.transpose(0, 4, 5, 1, 2, 3).reshape(N * OH * OW, -1)


def col2im(columns: Array, shape: tuple[int, ...], size: int, stride: int) -> Array:
    """The inverse of `im2col`, adding where windows overlap."""
    N, C, H, W = shape
    OH, OW = (H - size) // stride + 1, (W - size) // stride + 1
    pieces = columns.reshape(N, OH, OW, C, size, size).transpose(0, 3, 4, 5, 1, 2)
    x = np.zeros(shape)
    for i in range(size):
        for j in range(size):
            rows = slice(i, i + stride * OH, stride)
            x[:, :, rows, j : j + stride * OW : stride] += pieces[:, :, i, j]
    return x


class Convolution:
    """5×5 convolution; keeps its im2col for backward."""

    def __init__(self, weight: Array, bias: Array) -> None:
        self.params = [weight, bias]

    def forward(self, x: Array) -> Array:
        """(N, C, H, W) → (N, O, OH, OW)."""
        weight, bias = self.params
        self.shape, self.columns = x.shape, im2col(x, 5, 1)
        y = self.columns @ weight.reshape(len(weight), -1).T + bias
        side = x.shape[2] - 4
        return y.reshape(len(x), side, side, -1).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        """dL/dx; stores the parameters' gradients."""
        weight, _ = self.params
        flat = dy.transpose(0, 2, 3, 1).reshape(-1, len(weight))
        self.grads = [(self.columns.T @ flat).T.reshape(weight.shape), flat.sum(axis=0)]
        return col2im(flat @ weight.reshape(len(weight), -1), self.shape, 5, 1)


class MaxPooling:
    """2×2 max pooling with im2col and argmax."""

    params: ClassVar[list[Array]] = []
    grads: ClassVar[list[Array]] = []

    def forward(self, x: Array) -> Array:
        """(N, C, H, W) → (N, C, H/2, W/2)."""
        N, C, H, W = self.shape = x.shape
        columns = im2col(x, 2, 2).reshape(-1, 4)
        self.winner = columns.argmax(axis=1)
        return columns.max(axis=1).reshape(N, H // 2, W // 2, C).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        """dL/dx."""
        flat = dy.transpose(0, 2, 3, 1).ravel()
        columns = np.zeros((flat.size, 4))
        columns[np.arange(flat.size), self.winner] = flat
        N, C, H, W = self.shape
        return col2im(columns.reshape(N * H // 2 * (W // 2), C * 4), self.shape, 2, 2)


class Relu:
    """max(0, x)."""

    params: ClassVar[list[Array]] = []
    grads: ClassVar[list[Array]] = []

    def forward(self, x: Array) -> Array:
        """Any shape."""
        self.dead = x <= 0
        return np.where(self.dead, 0, x)

    def backward(self, dy: Array) -> Array:
        """dL/dx."""
        return np.where(self.dead, 0, dy)


class Affine:
    """x · Wᵀ + b; flattens its input."""

    def __init__(self, weight: Array, bias: Array) -> None:
        self.params = [weight, bias]

    def forward(self, x: Array) -> Array:
        """(N, …) → (N, out)."""
        self.shape, self.x = x.shape, x.reshape(len(x), -1)
        return self.x @ self.params[0].T + self.params[1]

    def backward(self, dy: Array) -> Array:
        """dL/dx; stores the parameters' gradients."""
        self.grads = [dy.T @ self.x, dy.sum(axis=0)]
        return (dy @ self.params[0]).reshape(self.shape)


def report_step(network: Network) -> Callable[[Array, Array], float]:
    """A training step with the report's method, from the network's initial weights."""
    t = {name: values.astype(np.float64) for name, values in network.tensors().items()}
    layers: list[Any] = [
        Convolution(t["conv1.weight"], t["conv1.bias"]),
        Relu(),
        MaxPooling(),
        Convolution(t["conv2.weight"], t["conv2.bias"]),
        Relu(),
        MaxPooling(),
        Affine(t["fc1.weight"], t["fc1.bias"]),
        Relu(),
        Affine(t["fc2.weight"], t["fc2.bias"]),
        Relu(),
        Affine(t["fc3.weight"], t["fc3.bias"]),
    ]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for layer in layers for p in layer.params]
    done = 0

    def step(images: Array, labels: Array) -> float:
        nonlocal done
        x = images / 255.0
        for layer in layers:
            x = layer.forward(x)
        x = np.exp(x - x.max(axis=1, keepdims=True))
        p = x / x.sum(axis=1, keepdims=True)
        loss = -float(np.log(p[np.arange(len(p)), labels] + 1e-7).mean())
        p[np.arange(len(p)), labels] -= 1
        dy = p / len(p)
        for layer in reversed(layers):
            dy = layer.backward(dy)
        done += 1
        pairs = [(p, g) for layer in layers for p, g in zip(layer.params, layer.grads, strict=True)]
        for (p, g), (m, v) in zip(pairs, moments, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            rate = 1e-3 * np.sqrt(1 - 0.999**done) / (1 - 0.9**done)
            p -= rate * m / (np.sqrt(v) + 1e-7)
        return loss

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    network = lenetkit.build("lenet5-report", {"train.epochs": 1})
    data = load_training_data(network.plan, arguments.data_dir)
    theirs = report_step(network)
    ours = lenetkit.train(network, data)
    order = np.random.default_rng(0).permutation(len(data.train))
    times: dict[str, list[float]] = {"report's method": [], "lenetkit": []}
    for step in range(arguments.steps):
        rows = order[step * BATCH : (step + 1) * BATCH]
        clock = time.perf_counter()
        theirs(data.train.images[rows], data.train.labels[rows])
        middle = time.perf_counter()
        next(ours)
        times["report's method"].append(middle - clock)
        times["lenetkit"].append(time.perf_counter() - middle)
    steps = len(data.train) / BATCH
    medians = {name: statistics.median(values[5:]) for name, values in times.items()}
    for name, seconds in medians.items():
        print(f"{name:16} {seconds * 1e3:7.2f} ms per step  {seconds * steps:6.1f} s per epoch")
    ratio = medians["lenetkit"] / medians["report's method"]
    print(f"ratio {ratio:.3f} (lenetkit / report's method), {blas.threads()} BLAS threads")


if __name__ == "__main__":
    main()
