"""The matrix products of a convolution's passes, for any memory order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from lenetkit.arrays import Array
from lenetkit.operations import settings
from lenetkit.operations.base import Scratch
from lenetkit.operations.blocks import Blocks
from lenetkit.operations.memory import Order


@dataclass(frozen=True)
class Products(ABC):
    """The operands of both passes, a few rows of the output at a time."""

    order: ClassVar[Order]

    padded: Array
    """The input, (H, W, …) in this order, with its padding."""
    band: Array
    """(groups, width·maps, inner); see `band`."""
    blocks: Blocks

    @property
    def batch(self) -> int:
        """The number of images."""
        return self.order.restore(self.padded).shape[0]

    @staticmethod
    @abstractmethod
    def describe(blocks: Blocks, batch: int) -> str:
        """The products' shapes, in a few words."""

    @abstractmethod
    def outputs(self, rows: slice, y: Array, scratch: Scratch) -> None:
        """Write some rows of the output, (rows, OW, …) in this order."""

    @abstractmethod
    def gradients(
        self, rows: slice, dy: Array, d_band: Array, dx: Array | None, scratch: Scratch
    ) -> None:
        """Add the gradients of band and input due to some rows of dy, (rows, OW, …).

        `dx`, if needed, begins with the first input row that `rows` read.
        """


def in_pieces(matrices: Array, cost: int) -> Array:
    """(…, R, K) as (…, pieces, R / pieces, K), in pieces of the fastest size.

    `cost` is the multiply-adds per row.
    """
    *before, R, K = matrices.shape
    small, counts = settings.SMALL_PRODUCT, range(1, R // settings.MIN_ROWS + 1)
    count = next((n for n in counts if R % n == 0 and R // n * cost <= small), 1)
    return matrices.reshape(*before, count, R // count, K)
