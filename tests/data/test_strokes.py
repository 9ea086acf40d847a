"""Tests of the hand-drawn digits."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from lenetkit.data.strokes import draw_digits, read_glyphs


@pytest.fixture(scope="module")
def labels() -> npt.NDArray[np.intp]:
    return np.arange(600) % 10


@pytest.fixture(scope="module")
def digits(labels: npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
    return draw_digits(labels, np.random.default_rng(7))


def _ink_extent(digits: npt.NDArray[np.uint8], axis: int) -> npt.NDArray[np.intp]:
    """Return the height (axis 2 summed away) or width (axis 1) of each digit's ink in pixels."""
    inked: npt.NDArray[np.bool_] = np.any(digits, axis=axis)
    first = inked.argmax(axis=1)
    last = inked.shape[1] - inked[:, ::-1].argmax(axis=1)
    extent: npt.NDArray[np.intp] = last - first
    return extent


def test_same_seed_draws_same_digits(
    labels: npt.NDArray[np.intp], digits: npt.NDArray[np.uint8]
) -> None:
    again = draw_digits(labels, np.random.default_rng(7))
    np.testing.assert_array_equal(again, digits)


def test_other_seed_draws_other_digits(
    labels: npt.NDArray[np.intp], digits: npt.NDArray[np.uint8]
) -> None:
    other = draw_digits(labels, np.random.default_rng(8))
    assert (other != digits).any(axis=(1, 2)).all()


def test_generator_moves_on() -> None:
    rng = np.random.default_rng(7)
    same = np.full(4, 3)
    assert (draw_digits(same, rng) != draw_digits(same, rng)).any()


def test_label_type_does_not_matter(
    labels: npt.NDArray[np.intp], digits: npt.NDArray[np.uint8]
) -> None:
    drawn = draw_digits(labels.astype(np.uint8), np.random.default_rng(7))
    np.testing.assert_array_equal(drawn, digits)


def test_labels_are_left_alone(labels: npt.NDArray[np.intp]) -> None:
    copy = labels[:20].copy()
    draw_digits(copy, np.random.default_rng(7))
    np.testing.assert_array_equal(copy, labels[:20])


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257])
def test_shape_and_type(count: int) -> None:
    drawn = draw_digits(np.zeros(count, dtype=np.int64), np.random.default_rng(0))
    assert drawn.shape == (count, 28, 28)
    assert drawn.dtype == np.uint8


def test_ground_is_black_in_the_corners(digits: npt.NDArray[np.uint8]) -> None:
    assert not digits[:, [0, 0, -1, -1], [0, -1, 0, -1]].any()


def test_ink_is_bright(digits: npt.NDArray[np.uint8]) -> None:
    peaks = digits.max(axis=(1, 2))
    assert peaks.min() >= 200
    assert np.median(peaks) == 255


def test_ink_fills_the_box_along_its_longer_side(digits: npt.NDArray[np.uint8]) -> None:
    height, width = _ink_extent(digits, axis=2), _ink_extent(digits, axis=1)
    longer = np.maximum(height, width)
    assert longer.max() <= 20
    assert longer.min() >= 18


def test_centre_of_mass_is_in_the_middle(digits: npt.NDArray[np.uint8]) -> None:
    ink = digits / digits.sum(axis=(1, 2), keepdims=True)
    pixel_centres = np.arange(28) + 0.5
    centre_y = ink.sum(axis=2) @ pixel_centres
    centre_x = ink.sum(axis=1) @ pixel_centres
    # Half a pixel from the whole-pixel shift, and a little from rounding to 256 levels.
    assert np.abs(centre_y - 14).max() < 0.55
    assert np.abs(centre_x - 14).max() < 0.55


def test_every_digit_has_glyphs() -> None:
    glyphs = Counter(digit for digit, _, _ in read_glyphs())
    assert sorted(glyphs) == list(range(10))
    assert min(glyphs.values()) >= 4


def test_digits_of_a_label_differ(digits: npt.NDArray[np.uint8]) -> None:
    flat = digits.reshape(len(digits), -1)
    assert len(np.unique(flat, axis=0)) == len(digits)


def test_nearest_mean_separates_the_digits(digits: npt.NDArray[np.uint8]) -> None:
    truth = np.repeat(np.arange(10), 200)
    drawn = draw_digits(truth, np.random.default_rng(1)).reshape(10, 200, -1) / 255.0
    means = drawn.mean(axis=1)
    unseen = digits.reshape(len(digits), -1) / 255.0
    distances = np.square(unseen[:, None] - means).sum(axis=2)
    right = distances.argmin(axis=1) == np.arange(len(digits)) % 10
    per_label = [right[label::10].mean() for label in range(10)]
    assert np.mean(per_label) > 0.6
    assert min(per_label) > 0.3


@pytest.mark.parametrize("wrong", [-1, 10])
def test_label_out_of_range_is_named(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"must be 0 … 9, found {wrong}"):
        draw_digits(np.array([3, wrong]), np.random.default_rng(0))


@pytest.mark.parametrize("labels", [np.zeros((2, 2), dtype=int), np.zeros(3), np.array(5)])
def test_wrong_kind_of_labels(labels: npt.NDArray[np.integer]) -> None:
    with pytest.raises(ValueError, match="1-D array of integers"):
        draw_digits(labels, np.random.default_rng(0))
