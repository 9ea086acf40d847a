"""How pictures are prepared follows from the training images, unless the spec says it."""

from __future__ import annotations

import numpy as np
import pytest

from lenetkit.data.preparation import suited
from lenetkit.data.strokes import draw_digits

DIGITS = draw_digits(np.arange(300) % 10, np.random.default_rng(0))[:, None]


def test_images_as_mnists_are_digits() -> None:
    assert suited(DIGITS) == "digit"
    assert suited(DIGITS / np.float32(255)) == "digit"
    assert suited(np.pad(DIGITS, ((0, 0), (0, 0), (2, 2), (2, 2)))) == "digit"


@pytest.mark.parametrize(
    "images",
    [
        255 - DIGITS,
        DIGITS[:, :, 4:24, 4:24],
        np.repeat(DIGITS, 3, axis=1),
        np.random.default_rng(0).integers(0, 256, (50, 1, 28, 28)),
        DIGITS[:0],
    ],
    ids=["dark on light", "up to the edge", "three channels", "noise", "none"],
)
def test_other_images_are_resized(images: np.ndarray) -> None:
    assert suited(images) == "resize"
