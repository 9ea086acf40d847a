"""What the processor offers: the width of its vectors and the number of its registers."""

from __future__ import annotations

from typing import NamedTuple

import llvmlite.binding as llvm
from numba import config


class Target(NamedTuple):
    """A processor as the tiles see it."""

    vector_bytes: int
    registers: int


def _features() -> set[str]:
    """The instruction sets that Numba compiles for."""
    if config.CPU_NAME is not None:  # set for another machine, with NUMBA_CPU_NAME
        return {f[1:] for f in (config.CPU_FEATURES or "").split(",") if f.startswith("+")}
    return {name for name, there in llvm.get_host_cpu_features().items() if there}


def detect(features: set[str]) -> Target:
    """The widest vectors that these instruction sets (by LLVM's names) have."""
    if "avx512f" in features:
        return Target(64, 32)
    if "avx" in features:
        return Target(32, 16)
    return Target(16, 32 if "neon" in features else 16)


TARGET = detect(_features())
PIXELS = 4
"""Output pixels of a tile: as many as a 2×2 pooling window has."""
FEW, MANY = (4, 6) if TARGET.registers == 32 else (2, 3)
"""Maps of a tile, for either kind; which one wastes less depends on the layer's maps."""
SUMS = PIXELS * MANY
"""Sums of a tile. They stay in registers and leave some free for the factors."""


def lanes(itemsize: int) -> int:
    """Images side by side in a vector."""
    return TARGET.vector_bytes // itemsize


def many(maps: int) -> bool:
    """Whether tiles of MANY maps waste no more than tiles of FEW in covering a layer's maps."""
    return -maps % MANY <= -maps % FEW


def tile_maps(maps: int) -> int:
    """Maps of a tile for a layer with this many maps."""
    return MANY if many(maps) else FEW


def padded_maps(maps: int) -> int:
    """The number of maps, rounded up to whole tiles."""
    return maps + -maps % tile_maps(maps)
