"""Packs images into blocks and unpacks them: `L` images side by side, padded with zero images.

Outside of blocks, images of K values are one after the other (N, K) or side by side (K, N).
"""

from __future__ import annotations

from typing import Any

from lenetkit_numba.compiling import compiled
from lenetkit_numba.tiles import gather, move, scatter


@compiled
def pack(
    images: Any, side_by_side: bool, N: int, first: int, L: int, places: Any, block: Any, at: int
) -> None:
    """Copy images `first` … `first + L − 1` to the block at `at`, each value to its place."""
    K = places.size
    whole = min(L, N - first) == L
    k = 0
    if whole and side_by_side:
        for k in range(K):
            move(images, k * N + first, block, at + places[k])
        return
    if whole:
        k = K - K % L
        for start in range(0, k, L):
            gather(images, first * K + start, K, block, at, places, start)
    step, image = (N, 1) if side_by_side else (1, K)
    for rest in range(k, K):
        for n in range(L):
            place = at + places[rest] + n
            if first + n < N:
                block[place] = images[rest * step + (first + n) * image]
            else:
                block[place] = 0


@compiled
def unpack(
    block: Any, at: int, places: Any, images: Any, side_by_side: bool, N: int, first: int, L: int
) -> None:
    """The inverse of `pack`, without the padding images."""
    K = places.size
    whole = min(L, N - first) == L
    k = 0
    if whole and side_by_side:
        for k in range(K):
            move(block, at + places[k], images, k * N + first)
        return
    if whole:
        k = K - K % L
        for start in range(0, k, L):
            scatter(block, at, places, start, images, first * K + start, K)
    step, image = (N, 1) if side_by_side else (1, K)
    for rest in range(k, K):
        for n in range(min(L, N - first)):
            images[rest * step + (first + n) * image] = block[at + places[rest] + n]
