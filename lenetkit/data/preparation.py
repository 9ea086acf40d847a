"""Which preparation of pictures suits images: as a centred digit, or resized."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.source import Preparation

_SAMPLES = 2000
_EXCEPTIONS = 0.02  # share of images that may have ink at the edge


def suited(images: NDArray[Any]) -> Preparation:
    """`digit` if the images (N, C, H, W) are as MNIST's, else `resize`.

    As MNIST's means: one channel, light ink on dark, nothing at the edge. Fashion-MNIST's clothes
    reach the edge, colour images have three channels.
    """
    if images.shape[1] != 1 or not len(images):
        return "resize"
    every = max(1, len(images) // _SAMPLES)
    pixels = images[::every, 0].astype(np.float32)
    pixels /= max(float(pixels.max()), 1e-6)
    rows, columns = pixels[:, [0, -1]], pixels[:, :, [0, -1]]
    reaches = np.maximum(rows.max(axis=(1, 2)), columns.max(axis=(1, 2)))
    dark = float(np.median(pixels)) < 0.1 and float(pixels.mean()) < 0.5
    return "digit" if dark and float(np.mean(reaches > 0.25)) <= _EXCEPTIONS else "resize"
