"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lenetkit_numba import left_to_numpy


@pytest.fixture(autouse=True, scope="session")
def _few_images_too() -> Iterator[None]:
    """Nothing goes to NumPy, so that small tests try the compiled kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(left_to_numpy, "FEW", -1)
        yield
