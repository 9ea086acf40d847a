"""How often equal windows, and equal images, give different outputs, because sums are rounded.

Each of LeNet-5's convolutions sees constant images, all of whose windows are equal, and one image
repeated throughout the batch. The figures are those of the BLAS that NumPy uses on this machine;
OpenBLAS takes another for `OPENBLAS_CORETYPE=Haswell` (AVX2) or `SkylakeX` (AVX-512).

    python benchmarks/rounding.py --kernels numpy --batches 32,64,250
    python benchmarks/rounding.py --batches 1-128
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import threadpoolctl
from tabulate import tabulate

from lenetkit.kernels.base import Kernels
from lenetkit.layers.call import Call
from lenetkit.operations.base import Window
from lenetkit.registry.catalog import installed

LAYERS = {"conv1": (1, 28, 6, 5), "conv2": (6, 12, 16, 5)}
"""Channels, side, maps and kernel of LeNet-5's convolutions."""


@dataclass
class Found:
    """The worst of some batches."""

    windows: float = 0.0
    """The share of outputs that differ from the first, of constant images."""
    images: float = 0.0
    """The share of outputs that differ from the first image's, of equal images."""
    difference: float = 0.0
    """The largest difference, relative to the largest output."""


def measure(kernels: Kernels, layer: str, N: int, rng: np.random.Generator, found: Found) -> None:
    """One batch with random weights."""
    C, side, maps, kernel = LAYERS[layer]
    weight = rng.normal(size=(maps, C, kernel, kernel)).astype(np.float32) / kernel
    bias = rng.normal(size=maps).astype(np.float32)
    for constant in (True, False):
        image = rng.random((1, C, 1, 1) if constant else (1, C, side, side)).astype(np.float32)
        x = np.broadcast_to(image, (N, C, side, side)).copy()
        scratch = Call(operations=kernels).scratch
        y, _ = kernels.conv2d(x, weight, bias, Window((kernel, kernel)), 1, scratch)
        first = y[:1, :, :1, :1] if constant else y[:1]
        what = "windows" if constant else "images"
        share = float(np.mean(y != first))
        setattr(found, what, max(getattr(found, what), share))
        off = float(np.abs(y - first).max() / np.abs(y).max())
        found.difference = max(found.difference, off)


def main() -> None:
    """Print a table: a row for each layer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kernels", default="numpy")
    parser.add_argument("--batches", default="32,64,250", help="Sizes, such as 1-128 or 32,64.")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    sizes: list[int] = []
    for part in asked.batches.split(","):
        first, _, last = part.partition("-")
        sizes += range(int(first), int(last or first) + 1)
    kernels, rng = installed().registry(Kernels).get(asked.kernels)(), np.random.default_rng(0)
    rows = []
    for layer in LAYERS:
        found = Found()
        for N in sizes * asked.rounds:
            measure(kernels, layer, N, rng, found)
        shares = (f"{found.windows:.1%}", f"{found.images:.1%}", f"{found.difference:.1e}")
        rows.append((layer, *shares))
    blas = [i.get("architecture") for i in threadpoolctl.threadpool_info() if "architecture" in i]
    print(f"{asked.kernels}, BLAS for {', '.join(map(str, blas))}, batches {asked.batches}")
    print(tabulate(rows, ("layer", "equal windows", "equal images", "difference")))


if __name__ == "__main__":
    main()
