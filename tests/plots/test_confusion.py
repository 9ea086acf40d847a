"""The table of which classes were read as which."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots import confusion_figure
from lenetkit.plots.confusion_colours import confusion_colours
from lenetkit.plots.fonts import ELLIPSIS
from lenetkit.plots.page import FAINT

RNG = np.random.default_rng(1)


def draw(confusion: ArrayLike, classes: list[str] | None = None) -> Figure:
    names = classes or [str(place) for place in range(len(np.asarray(confusion)))]
    return confusion_figure(confusion, names, title="lenet5", dataset="MNIST")


def cells(figure: Figure) -> dict[tuple[float, float], Text]:
    """Texts of the table by row and column."""
    return {(text.get_position()[1], text.get_position()[0]): text for text in figure.axes[0].texts}


def test_counts_stand_in_row_of_truth_and_column_of_prediction() -> None:
    texts = cells(draw([[6742, 12], [0, 980]]))
    assert texts[0, 0].get_text() == "6,742"
    assert texts[0, 1].get_text() == "12"
    assert texts[1, 0].get_text() == "0"
    assert texts[1, 1].get_text() == "980"


def test_zeros_are_faint_beside_the_diagonal_only() -> None:
    texts = cells(draw([[0, 3], [0, 5]]))
    assert texts[1, 0].get_color() == FAINT
    assert texts[0, 0].get_color() != FAINT


def test_recall_stands_right_and_precision_below() -> None:
    texts = draw([[90, 10], [30, 70]]).axes[0].texts
    right = {t.get_position()[1]: t.get_text() for t in texts if t.get_position()[0] > 1.5}
    below = {t.get_position()[0]: t.get_text() for t in texts if t.get_position()[1] > 1.5}
    assert (right[0], right[1]) == ("90.0", "70.0")
    assert (below[0], below[1]) == ("75.0", "87.5")


def test_an_almost_perfect_share_is_not_rounded_to_perfection() -> None:
    figure = draw([[6742, 1], [0, 30_000]])
    assert "100.0" in [text.get_text() for text in figure.axes[0].texts]  # recall of class 1
    assert [text.get_text() for text in figure.axes[0].texts].count("99.9") == 2
    assert "accuracy 99.99 %" in figure.texts[1].get_text()


def test_classes_never_seen_or_never_predicted_have_no_share() -> None:
    texts = [text.get_text() for text in draw([[5, 0], [0, 0]]).axes[0].texts]
    assert texts.count("–") == 2
    assert texts.count("100.0") == 2


def test_accuracy_stands_in_the_heading() -> None:
    assert "accuracy 80.00 % (160 of 200 images)" in draw([[90, 10], [30, 70]]).texts[1].get_text()
    assert "no images" in draw([[0, 0], [0, 0]]).texts[1].get_text()


def colours(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Colours of a table of counts without empty classes."""
    recall = np.diag(counts) / counts.sum(axis=1)
    return confusion_colours(counts - np.diag(np.diag(counts)), recall)


def test_small_errors_are_seen_beside_large_diagonals() -> None:
    counts = np.diag([6742, 6742, 6742])
    counts[0, 1], counts[0, 2] = 1, 20
    drawn = colours(counts)[..., :3]
    white = np.ones(3)
    np.testing.assert_array_equal(drawn[1, 0], white)
    assert np.abs(drawn[0, 1] - white).max() > 0.2
    assert drawn[0, 2].sum() < drawn[0, 1].sum()
    assert drawn[0, 0, 2] > drawn[0, 0, 0]  # blue
    assert drawn[0, 2, 0] > drawn[0, 2, 2]  # orange


def test_numbers_contrast_with_their_cell() -> None:
    counts = RNG.integers(0, 30, (10, 10)) + np.diag(np.arange(10) * 100)
    drawn = colours(counts)
    texts = cells(draw(counts))
    weights = np.array([0.299, 0.587, 0.114])
    for row, column in np.ndindex(10, 10):
        if counts[row, column]:
            ink = np.array(to_rgb(texts[row, column].get_color()))
            assert abs(float((ink - drawn[row, column, :3]) @ weights)) > 0.35


@pytest.mark.parametrize("classes", [1, 2, 10, 26])
def test_numbers_fit_into_their_cells(classes: int) -> None:
    counts = RNG.integers(0, 12, (classes, classes))
    counts[np.diag_indices(classes)] = 6742
    figure = draw(counts)
    axes = figure.axes[0]
    (x0, y0), (x1, y1) = axes.transData.transform([(0, 0), (1, 1)])
    texts = [text for text in axes.texts if text.get_text() == "6,742"]
    assert len(texts) == classes
    box = texts[0].get_window_extent()
    assert box.width <= 0.95 * abs(x1 - x0)
    assert box.height <= 0.95 * abs(y1 - y0)
    assert texts[0].get_window_extent().height >= 6  # pixels
    assert max(figure.get_size_inches()) < 17


def test_many_classes_leave_zeros_out_and_stay_readable() -> None:
    figure = draw(np.eye(47) * 6742, ["x"] * 47)
    texts = figure.axes[0].texts
    assert "0" not in [text.get_text() for text in texts]
    (number, *_) = (text for text in texts if text.get_text() == "6,742")
    assert number.get_window_extent().height >= 6  # pixels
    assert max(figure.get_size_inches()) < 17


def test_long_class_names_are_turned_and_cut() -> None:
    long = "a very long name that goes on and on"
    texts = draw(np.eye(3), ["T-shirt/top", long, "x"]).axes[0].texts
    whole = [text for text in texts if text.get_text() == "T-shirt/top"]
    assert sorted(text.get_rotation() for text in whole) == [0, 90]
    assert long not in [text.get_text() for text in texts]
    cut = [text.get_text() for text in texts if ELLIPSIS in text.get_text()]
    assert len(cut) == 2
    assert all(text.startswith("a very") and text.endswith("on") for text in cut)


@pytest.mark.parametrize(
    ("confusion", "classes"),
    [
        ([[1, 2]], ["a"]),
        ([[1, 2], [3, 4]], ["a"]),
        (np.zeros((0, 0)), []),
        ([[1, -2], [3, 4]], ["a", "b"]),
    ],
)
def test_impossible_tables_are_refused(confusion: ArrayLike, classes: list[str]) -> None:
    with pytest.raises(ValueError, match="confusion"):
        confusion_figure(confusion, classes, title="", dataset="")
