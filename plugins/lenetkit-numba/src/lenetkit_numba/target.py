"""What the processor offers: how wide its vectors are and how many its registers hold."""

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
    if config.CPU_NAME is not None:  # by NUMBA_CPU_NAME and NUMBA_CPU_FEATURES, for another machine
        return {f[1:] for f in (config.CPU_FEATURES or "").split(",") if f.startswith("+")}
    return {name for name, there in llvm.get_host_cpu_features().items() if there}


def detect(features: set[str]) -> Target:
    """The widest vectors among some instruction sets, by LLVM's names for them."""
    if "avx512f" in features:
        return Target(64, 32)
    if "avx" in features:
        return Target(32, 16)
    return Target(16, 32 if "neon" in features else 16)


TARGET = detect(_features())
PIXELS = 4
"""Output pixels of a tile: as many as a pooling window of 2×2 has."""
FEW, MANY = (4, 6) if TARGET.registers == 32 else (2, 3)
"""Maps of a tile, of one kind or the other; which wastes less depends on the layer's maps."""
SUMS = PIXELS * MANY
"""Sums of a tile. They stay in registers, and leave some for what is multiplied."""


def lanes(itemsize: int) -> int:
    """Images that lie side by side in a vector."""
    return TARGET.vector_bytes // itemsize


def many(maps: int) -> bool:
    """Whether tiles of MANY maps cover a layer's maps with no more left over than tiles of FEW."""
    return -maps % MANY <= -maps % FEW


def tile_maps(maps: int) -> int:
    """Maps of a tile for a layer of so many maps."""
    return MANY if many(maps) else FEW


def padded_maps(maps: int) -> int:
    """The layer's maps, rounded up to whole tiles."""
    return maps + -maps % tile_maps(maps)
