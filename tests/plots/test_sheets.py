"""The sheets of mistakes and of samples."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from lenetkit.plots import MAX_MISTAKES, MAX_SAMPLES, mistakes_figure, samples_figure
from lenetkit.plots.page import DPI

DIGITS = [str(digit) for digit in range(10)]


def images(number: int, channels: int = 1, height: int = 28, width: int = 28) -> ArrayLike:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (number, channels, height, width)).astype(np.uint8)


def mistakes(number: int, channels: int = 1, classes: list[str] = DIGITS) -> Figure:
    true = np.arange(number) % 10
    chances = np.linspace(0.999, 0.3, number)
    return mistakes_figure(
        images(number, channels),
        true,
        (true + 1) % 10,
        chances,
        classes,
        title="lenet5",
        dataset="MNIST",
    )


def captions(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_total_counts_mistakes_that_were_not_handed_over() -> None:
    figure = mistakes_figure(
        images(2), [1, 2], [2, 3], [0.9, 0.8], DIGITS, title="", dataset="", total=155
    )
    assert any("2 worst of 155 mistakes" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize(("number", "channels"), [(1, 3), (8, 1), (9, 1), (11, 3), (95, 1)])
def test_one_tile_for_each_mistake_up_to_the_most(number: int, channels: int) -> None:
    figure = mistakes(number, channels)
    shown = min(number, MAX_MISTAKES)
    assert len(figure.axes[0].images) == shown
    assert len(captions(figure)) == 2 * shown
    details = figure.texts[1].get_text()
    assert ("40 worst of 95" in details) == (number == 95)


def test_captions_tell_truth_reading_and_probability() -> None:
    assert captions(mistakes(2)) == ["true 0 → read 1", "99.9 %", "true 1 → read 2", "30.0 %"]


def test_order_is_the_callers() -> None:
    pixels = np.array([0, 255, 51], np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 1, 4, 4), np.uint8)
    figure = mistakes_figure(
        pixels, [1, 2, 3], [0, 0, 0], [0.2, 0.9, 0.5], DIGITS, title="", dataset=""
    )
    tiles = figure.axes[0].images
    assert [float(np.asarray(tile.get_array()).max()) for tile in tiles] == pytest.approx(
        [0, 1, 0.2]
    )
    assert captions(figure)[::2] == [f"true {true} → read 0" for true in (1, 2, 3)]


@pytest.mark.parametrize(
    ("chance", "text"), [(1.0, "100.0 %"), (0.99999, "99.9 %"), (0.5, "50.0 %")]
)
def test_near_certainty_is_not_rounded_to_certainty(chance: float, text: str) -> None:
    figure = mistakes_figure(images(1), [1], [2], [chance], DIGITS, title="", dataset="")
    assert captions(figure)[1] == text


def test_long_names_take_two_lines_within_their_tile() -> None:
    names = ["airplane", "automobile", *(f"class $number$ {n} of a long list" for n in range(8))]
    figure = mistakes(4, classes=names)
    assert captions(figure)[:3] == ["true airplane", "→ read automobile", "99.9 %"]
    side = figure.axes[0].images[0].get_window_extent().width
    figure.draw_without_rendering()
    assert all(t.get_window_extent().width < side * 1.15 for t in figure.axes[0].texts)


@pytest.mark.parametrize("none", [np.zeros((0, 1, 28, 28), np.uint8), []])
def test_no_mistakes_are_said_to_be_none(none: ArrayLike) -> None:
    figure = mistakes_figure(none, [], [], [], DIGITS, title="lenet5", dataset="MNIST")
    words = [text.get_text() for text in figure.texts]
    assert "No mistakes: every image was read correctly." in words
    assert "Mistakes · data set: MNIST" in words


@pytest.mark.parametrize("number", [1, 23, 150])
def test_samples_show_their_labels(number: int) -> None:
    labels = np.arange(number) % 10
    figure = samples_figure(images(number), labels, DIGITS, title="", dataset="MNIST")
    shown = min(number, MAX_SAMPLES)
    assert len(figure.axes[0].images) == shown
    assert captions(figure) == [str(label) for label in labels[:shown]]


def test_no_samples() -> None:
    figure = samples_figure(images(0), [], DIGITS, title="", dataset="MNIST")
    assert "There are no images to show." in [text.get_text() for text in figure.texts]


def test_tiles_do_not_overlap_and_lie_on_whole_pixels() -> None:
    figure = samples_figure(images(23), np.arange(23) % 10, DIGITS, title="t", dataset="MNIST")
    corners = {
        (round(box.x0, 3), round(box.y0, 3))
        for box in (tile.get_window_extent() for tile in figure.axes[0].images)
    }
    assert len(corners) == 23
    assert all(x % 1 == 0 and y % 1 == 0 for x, y in corners)
    lefts = sorted({x for x, _ in corners})
    assert min(np.diff(lefts)) > figure.axes[0].images[0].get_window_extent().width
    assert (figure.get_size_inches() * DPI)[1] % 1 == pytest.approx(0, abs=1e-6)


def test_images_keep_their_proportions() -> None:
    figure = samples_figure(images(1, 3, 20, 40), [0], DIGITS, title="", dataset="")
    box = figure.axes[0].images[0].get_window_extent()
    assert box.width == pytest.approx(2 * box.height)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, (0, 1)), (0.2, 0.7, (0.2, 0.7)), (-1.0, 1.0, (0, 1)), (0.0, 255.0, (0, 1))],
)
def test_floats_keep_their_scale_unless_it_is_too_wide(
    low: float, high: float, expected: tuple[float, float]
) -> None:
    pixels = np.linspace(low, high, 16).reshape(1, 1, 4, 4)
    figure = samples_figure(pixels, [0], DIGITS, title="", dataset="")
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    assert (drawn.min(), drawn.max()) == pytest.approx(expected)


def test_pixels_that_are_not_finite_are_drawn_as_zero() -> None:
    pixels = np.full((1, 1, 2, 2), np.nan)
    pixels[0, 0, 0] = 1.0, np.inf
    figure = samples_figure(pixels, [0], DIGITS, title="", dataset="")
    np.testing.assert_array_equal(
        np.asarray(figure.axes[0].images[0].get_array()), [[1, 0], [0, 0]]
    )


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (np.zeros((2, 2, 4, 4)), [0, 0], "images are"),
        (np.zeros((2, 4, 4)), [0, 0], "images are"),
        (np.zeros((2, 1, 4, 4)), [0], "2 images"),
        (np.zeros((1, 1, 4, 4)), [10], "class 10 is not among the 10 classes"),
        (np.zeros((1, 1, 4, 4)), [-1], "class -1"),
    ],
)
def test_what_does_not_fit_is_refused(pixels: ArrayLike, labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        samples_figure(pixels, labels, DIGITS, title="", dataset="")
