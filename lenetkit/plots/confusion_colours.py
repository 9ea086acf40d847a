"""The colours of confusions: errors in orange, what was read correctly in blue."""

from __future__ import annotations

import matplotlib
import numpy as np
from numpy.typing import NDArray


def confusion_colours(
    errors: NDArray[np.int64], recall: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Colours (K, K, 4): the diagonal by recall (K,), which may be NaN, everything else by errors.

    The root of their counts (K, K) decides, so that single errors show beside many.
    """
    share = np.sqrt(errors / max(1, int(errors.max())))
    colours = np.asarray(matplotlib.colormaps["Oranges"](0.08 + 0.72 * share))
    colours[errors == 0] = 1.0
    diagonal = np.arange(len(errors))
    blue = matplotlib.colormaps["Blues"](0.12 + 0.5 * np.nan_to_num(recall) ** 2)
    colours[diagonal, diagonal] = blue
    return colours
