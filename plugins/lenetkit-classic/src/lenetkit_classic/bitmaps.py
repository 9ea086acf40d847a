"""The ten 7×12 bitmaps of the paper's fig. 3: the output codes of LeNet-5."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 7, 12
_ROWS = (
    "7c00e36c78f1e36c70000",
    "1871e0c183060c18fc000",
    "7c01f638618e30c1fc000",
    "fe0c30c3c0c183c6f8000",
    "7c0003367cf1e3cefc183",
    "7c03fe0c0f0f03c6f8000",
    "3cc3060fdcf1e3e6f8000",
    "fe0c1861830c183060000",
    "7d8f1e37d8f1e3c6f8000",
    "7d9f1e3cefc1830cf0000",
)
"""One digit each, row by row, the most significant bit first; a set bit is ink."""


def bitmaps() -> NDArray[np.float64]:
    """(10, 84): ink +1, paper −1."""
    size = WIDTH * HEIGHT
    bits = [[int(bit) for bit in f"{int(row, 16):0{size}b}"] for row in _ROWS]
    return np.array(bits, np.float64) * 2 - 1
