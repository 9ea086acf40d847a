"""Tuning of the NumPy operations, as measured on two x86 machines (docs/performance.md).

It changes how passes are cut, hence speed and rounding, and nothing else.
"""

COPY_COST = 12
"""Multiply-adds that take as long as copying a value into a block and back."""
STRIP = 1 << 18
"""Values gathered at a time: few enough to fit in a core's cache."""
SHARED_FROM = 25_000_000
"""Multiply-adds from which another thread saves more than waking it costs."""
MAX_PARTS = 8
"""Most parts that threads share; more would read more rows twice."""
SMALL_PRODUCT = 1_000_000
"""Multiply-adds up to which OpenBLAS multiplies without packing the matrices: 1.5 times as fast."""
MIN_ROWS = 8
"""Fewest rows in a piece of a cut product: fewer are slower than packing."""
CHANNELS_LAST_FROM = 32
"""Channels from which they may be the innermost axis; fewer make runs too short."""
DEEP = 64
"""Depth from which a transposed copy of dy pays off in the weights' gradient."""
