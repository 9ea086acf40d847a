"""Kernel sets: the operations, and how layers are run by them.

A kernel set is a plugin of the group `lenetkit.kernels`. Layers know it as `Operations` alone.
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
        """(count, a layer that does the work of the first `count` of these layers), where faster.

        `layers` are those that a network has still to run, never none. The fused layer keeps the
        contract of all layers, may lack `second_backward`, and gets the parameters of the one
        layer among the `count` that has any; its randomness is that of the first.
        """
        return None

    def algorithm(self, layer: Layer, in_shape: tuple[int, ...], batch: int) -> str:
        """How these kernels compute a layer, one that they fused included, in a few words.

        For `batch` images of `in_shape`: what they choose by shape belongs here, for `lenetkit
        bench` to show. Empty where there is nothing to tell, or the layer is none of theirs.
        """
        return ""

    def versions(self) -> dict[str, str]:
        """What else computes than lenetkit and NumPy, such as `{"numba": "0.61.0"}`.

        A run records it, and does not go on with another without a word.
        """
        return {}

    def best_threads(self, macs: int) -> int:
        """How many threads are fastest for a network of `macs` multiply-adds an image."""
        return blas.best_threads(macs)

    def limited(self, threads: int) -> AbstractContextManager[None]:
        """Inside the block these kernels, and all matrix products, use at most `threads` threads.

        A kernel set with threads of its own says here how the two share the processors.
        """
        return blas.limited(threads)

    def threads(self) -> int:
        """How many threads a pass uses here and now; with another number, last bits may differ."""
        return blas.threads()
