"""Kernel sets: operations, and how they run layers.

A kernel set is a plugin of the group `lenetkit.kernels`. Layers see only its `Operations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from lenetkit.layers.base import Layer
from lenetkit.operations import blas
from lenetkit.operations.base import Operations
from lenetkit.options import Configurable


class Kernels(Operations, Configurable):
    """Base of all kernel sets: the operations, and what may be fused, threaded and reported."""

    group: ClassVar[str] = "lenetkit.kernels"
    kind: ClassVar[str] = "kernel set"

    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        """(count, a layer equivalent to the first `count` of these layers), if that is faster.

        `layers` are those that a network has yet to run, at least one; a layer whose class derives
        from a known one may do anything. The fused layer keeps the contract of all layers, may lack
        `second_backward`, and gets the parameters of the one layer among the `count` that has any,
        and the random draws of the first.
        """
        return None

    def algorithm(self, layer: Layer, in_shape: tuple[int, ...], batch: int) -> str:
        """How these kernels compute a layer, fused ones included, for `batch` images of `in_shape`.

        A few words on what they choose by shape, in one line, shown by `lenetkit bench`. Empty if
        there is nothing to say.
        """
        return ""

    def versions(self) -> dict[str, str]:
        """The versions of other libraries that compute, such as `{"numba": "0.61.0"}`.

        A run records them, and is not resumed with others unless that is allowed.
        """
        return {}

    def best_threads(self, macs: int) -> int:
        """How many threads are fastest for a network of `macs` multiply-adds per image.

        From 1 to the number of processors.
        """
        return blas.best_threads(macs)

    def limited(self, threads: int) -> AbstractContextManager[None]:
        """Inside the block these kernels, and all matrix products, use at most `threads` threads.

        A kernel set with its own threads decides here how the two share the processors. Blocks
        nest; after one, all is as before it.
        """
        return blas.limited(threads)

    def threads(self) -> int:
        """How many threads a pass currently uses; with another number, last bits may differ."""
        return blas.threads()
