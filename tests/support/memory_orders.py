"""Arrays (N, C, H, W) in the memory orders that kernels are given."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.operations.memory import BATCH_LAST, CHANNELS_LAST, Order

Array = NDArray[Any]
ORDERS: list[Order | None] = [None, BATCH_LAST, CHANNELS_LAST]
"""None: NumPy's own order."""
orders = st.sampled_from(ORDERS)


def in_memory_order(x: Array, order: Order | None) -> Array:
    """The same values in a memory order."""
    return x.copy() if order is None else order.restore(order.arrange(x).copy())
