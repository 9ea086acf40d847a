"""Arrays (N, C, H, W) in the orders in memory that kernels meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.operations.memory import BATCH_LAST, CHANNELS_LAST, Order

Array = NDArray[Any]
ORDERS: list[Order | None] = [None, BATCH_LAST, CHANNELS_LAST]
"""None: as NumPy makes them."""
orders = st.sampled_from(ORDERS)


def lying(x: Array, order: Order | None) -> Array:
    """The same values in an order."""
    return x.copy() if order is None else order.restore(order.arrange(x).copy())
