"""What the NumPy operations are tuned to, as measured on two x86 machines (docs/performance.md).

They change how passes are cut, hence speed and rounding, and nothing else.
"""

COPY_COST = 12
"""Multiply-adds that take as long as copying a value into a block and back."""
STRIP = 1 << 18
"""Values gathered at a time: few enough to stay in a core's cache."""
SHARED_FROM = 25_000_000
"""Multiply-adds from which on another thread saves more than it costs to wake it."""
MAX_PARTS = 8
"""Parts that threads share; more would read more rows twice."""
SMALL_PRODUCT = 1_000_000
"""Multiply-adds up to which OpenBLAS computes a product as it stands, without packing the matrices:
half as fast again."""
MIN_ROWS = 8
"""Rows that a piece of a cut product keeps: fewer are slower than packing."""
MANY_CHANNELS = 32
"""Channels that are worth being the innermost axis; fewer make runs too short."""
DEEP = 64
"""Depth from which on the weights' gradient is worth a copy of dy with the batch outermost."""
