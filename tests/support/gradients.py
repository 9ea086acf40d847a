"""The check of a gradient against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEP = 1e-5


def assert_gradient(
    gradient: NDArray[Any], loss: Callable[[], float], values: NDArray[Any]
) -> None:
    """`gradient` is d(loss)/d(values), within a millionth of its largest value.

    `loss` must read `values`, which are changed in place and put back.
    """
    assert values.dtype == np.float64
    expected = np.empty(values.shape)
    for index in np.ndindex(values.shape):
        value = values[index]
        values[index] = value + _STEP
        above = loss()
        values[index] = value - _STEP
        below = loss()
        values[index] = value
        expected[index] = (above - below) / (2 * _STEP)
    scale = max(np.abs(expected).max(initial=0), 0.01)  # anything smaller is rounding
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-6 * scale)
