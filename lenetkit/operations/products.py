"""What the passes of a convolution ask of its matrix products, whatever the order in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from lenetkit.arrays import Array
from lenetkit.operations.base import Scratch
from lenetkit.operations.blocks import Blocks
from lenetkit.operations.memory import Order

_SMALL = 1_000_000
"""Multiply-adds up to which OpenBLAS computes a product as it stands, without copying the matrices
into an order of its own: half as fast again (measured)."""
_FEWEST_ROWS = 8
"""Rows that a piece of such a product keeps: fewer are slower than packing."""


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
        """The products' shapes in a few words."""

    @abstractmethod
    def outputs(self, rows: slice, y: Array, scratch: Scratch) -> None:
        """Write some rows of the output, (rows, OW, …) in this order."""

    @abstractmethod
    def gradients(
        self, rows: slice, dy: Array, d_band: Array, dx: Array | None, scratch: Scratch
    ) -> None:
        """Add what some rows of dy, (rows, OW, …), give to the band's gradient and the input's.

        `dx`, where it is needed, begins with the first line that `rows` read.
        """


def in_pieces(matrices: Array, cost: int) -> Array:
    """(…, R, K) as (…, pieces, R / pieces, K), pieces that are multiplied as fast as can be.

    `cost` is the multiply-adds of a row.
    """
    *before, R, K = matrices.shape
    pieces = (n for n in range(1, R // _FEWEST_ROWS + 1) if R % n == 0 and R // n * cost <= _SMALL)
    count = next(pieces, 1)
    return matrices.reshape(*before, count, R // count, K)
