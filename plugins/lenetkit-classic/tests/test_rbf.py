"""The bitmaps and the layer that holds them."""

from __future__ import annotations

import numpy as np
import pytest
from lenetkit_classic.bitmaps import HEIGHT, WIDTH, bitmaps
from lenetkit_classic.initializers import DigitBitmaps
from lenetkit_classic.rbf import Rbf

from lenetkit.authoring import ShapeError


def test_bitmaps_are_ink_and_paper() -> None:
    assert bitmaps().shape == (10, 84)
    assert set(np.unique(bitmaps())) == {-1.0, 1.0}


def test_the_nearest_bitmaps_are_6_and_8() -> None:
    """Figures of the paper's fig. 3: their smallest squared distance is 48, and no other is."""
    codes = bitmaps()
    distances = ((codes[:, None] - codes) ** 2).sum(axis=2)
    pairs = np.argwhere(np.triu(distances == 48, 1))
    assert distances[~np.eye(10, dtype=bool)].min() == 48
    assert [6, 8] in pairs.tolist()


def test_a_one_looks_like_a_one() -> None:
    rows = bitmaps()[1].reshape(HEIGHT, WIDTH) > 0
    drawn = ["".join("#" if ink else "." for ink in row) for row in rows]
    assert drawn == [
        "...##..",
        "..###..",
        ".####..",
        "...##..",
        "...##..",
        "...##..",
        "...##..",
        "...##..",
        "...##..",
        ".######",
        ".......",
        ".......",
    ]


def test_bitmaps_fit_one_shape_only() -> None:
    with pytest.raises(ValueError, match=r"\(10, 84\).*\(10, 80\)"):
        DigitBitmaps().sample(np.random.default_rng(0), (10, 80), 80, 10)


def test_other_inputs_are_refused() -> None:
    with pytest.raises(ShapeError, match="expected 84 values, one per pixel of a bitmap, found 85"):
        Rbf().output_shape((85,))


def test_weights_are_fixed() -> None:
    assert Rbf().param_specs((84,)) == {}
    assert Rbf().state_specs((84,)).keys() == {"weight"}
