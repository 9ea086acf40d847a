"""Accuracies in percent: how they are written, and the range and scale of their axis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_STRETCH_OFFSET = 0.1  # percentage points; keeps 100 % at a finite position
STRETCHED_TICKS = (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 100)


class AxisRange(NamedTuple):
    """Limits of an accuracy axis in percent, and whether it is stretched towards 100 %."""

    low: float
    high: float
    stretched: bool = False


def axis_range(percents: ArrayLike) -> AxisRange:
    """A range in which the differences between `percents` (n,) are visible.

    A run that never learns is shown on 0 to 100 %; values close together get a narrow range; a run
    that starts low and ends near 100 % gets a stretched axis, on which 90 to 99 % is as long as 0
    to 90 %, since its last tenths would be invisible on a linear one.
    """
    values = np.asarray(percents, np.float64)
    low, high = float(values.min()), float(values.max())
    if high < 80:
        return AxisRange(0.0, 100.0)
    if high >= 95 and high - low > 4:
        ends = stretch([low, high])
        pad = np.ptp(ends) * 0.06
        lowest, highest = unstretch([ends[0] - pad, ends[1] + pad])
        return AxisRange(max(0.0, float(lowest)), min(100.0, float(highest)), stretched=True)
    margin = max((high - low) * 0.08, (1.0 - (high - low)) / 2)
    return AxisRange(max(0.0, low - margin), min(100.0, high + margin))


def stretch(percent: ArrayLike) -> NDArray[np.float64]:
    """Position of an accuracy on the stretched axis; 0, 90, 99 and 100 % are equally far apart."""
    error = np.maximum(100.0 - np.asarray(percent, np.float64), 0.0)
    return -np.log10(error + _STRETCH_OFFSET)


def unstretch(position: ArrayLike) -> NDArray[np.float64]:
    """The inverse of `stretch`."""
    error: NDArray[np.float64] = 10.0 ** -np.asarray(position, np.float64) - _STRETCH_OFFSET
    return 100.0 - error
