"""Random draws: each has a stream of its own, from (seed, purpose, index)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Draws:
    """The purposes of random draws; each has its own stream."""

    SHUFFLE = 1
    TRANSFORMS = 2
    LAYERS = 3
    CURVATURE = 4
    TEST = 5
    LIMIT = 6
    VALIDATION = 7


def generator(seed: int, purpose: int, index: int = 0) -> np.random.Generator:
    """The generator of one draw."""
    return np.random.default_rng([seed, purpose, index])


def stratified(
    labels: NDArray[np.int64], count: int, rng: np.random.Generator, *, leave: bool
) -> NDArray[np.intp] | None:
    """`count` rows, drawn so that each class has its share of them, in ascending order.

    With `leave`, at least one row of each class is not drawn; otherwise at least one is. None if
    that is impossible.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    low, high = (0 * sizes, sizes - 1) if leave else (np.ones_like(sizes), sizes)
    if not low.sum() <= count <= high.sum():
        return None
    exact = sizes * (count / max(len(labels), 1))
    quotas = np.clip(np.floor(exact).astype(np.int64), low, high)
    while lacking := count - int(quotas.sum()):
        step = 1 if lacking > 0 else -1
        room = np.flatnonzero(quotas < high if step > 0 else quotas > low)
        wanting = np.argsort(-step * (exact - quotas)[room], kind="stable")
        quotas[room[wanting[: abs(lacking)]]] += step
    order = rng.permutation(len(labels))
    order = order[np.argsort(classes[order], kind="stable")]  # shuffled within each class
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[place < np.repeat(quotas, sizes)])
