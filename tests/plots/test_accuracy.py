"""The picture of the accuracies."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from numpy.typing import ArrayLike

from lenetkit.plots import accuracy_figure
from lenetkit.plots.accuracy import spread
from lenetkit.plots.percent import axis_range, stretch, unstretch


def draw(
    epochs: ArrayLike, train: ArrayLike, test: ArrayLike, validation: ArrayLike | None = None
) -> Figure:
    figure = accuracy_figure(
        epochs, train, test, title="lenet5", dataset="MNIST", validation=validation
    )
    figure.draw_without_rendering()
    return figure


def finals(figure: Figure) -> list[Annotation]:
    return [text for text in figure.axes[0].texts if isinstance(text, Annotation)]


def test_lines_are_in_percent() -> None:
    lines = draw([1, 2], [0.9, 0.95], [0.91, 0.93], [0.92, 0.94]).axes[0].get_lines()
    drawn = {str(line.get_label()): list(np.asarray(line.get_ydata())) for line in lines}
    assert drawn == {
        "train": pytest.approx([90, 95]),
        "test": pytest.approx([91, 93]),
        "validation": pytest.approx([92, 94]),
    }
    assert len({line.get_color() for line in lines}) == 3
    assert len({line.get_marker() for line in lines}) == 3


def test_final_values_are_written() -> None:
    texts = [final.get_text() for final in finals(draw([1, 2], [0.9, 0.99456], [0.91, 0.9905]))]
    assert texts == ["train 99.46 %", "test 99.05 %"]


@pytest.mark.parametrize("end", [(0.99, 0.99, 0.99), (0.9901, 0.99, 0.9902), (1.0, 1.0, 1.0)])
def test_final_values_do_not_overlap(end: tuple[float, float, float]) -> None:
    train, test, validation = ([0.9, value] for value in end)
    figure = draw([1, 2], train, test, validation)
    # Only the text: the extent of an annotation holds its arrow too.
    boxes = [Text.get_window_extent(final) for final in finals(figure)]
    boxes.sort(key=lambda box: box.y0)
    assert len(boxes) == 3
    assert all(below.y1 <= above.y0 for below, above in pairwise(boxes))


def test_spread_keeps_order_and_distance() -> None:
    assert spread([0.5, 0.1], 0.2) == pytest.approx([0.5, 0.1])
    assert spread([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    assert spread([1.0, 0.99, 0.98], 0.1) == pytest.approx([1.0, 0.9, 0.8])
    assert spread([0.0, 0.01], 0.1) == pytest.approx([0.0, 0.1])


def test_stuck_run_is_seen_to_be_stuck() -> None:
    axes = draw(np.arange(1, 11), np.full(10, 0.1124), np.full(10, 0.1135)).axes[0]
    assert axes.get_ylim() == (0, 100)
    assert axes.get_yscale() == "linear"


def test_late_differences_and_a_low_start_are_both_visible() -> None:
    axes = draw([1, 2, 3], [0.9, 0.985, 0.993], [0.92, 0.98, 0.99]).axes[0]
    to_axes = axes.transData + axes.transAxes.inverted()
    low, almost, best = (float(to_axes.transform((3, value))[1]) for value in (90.0, 99.0, 99.3))
    assert 0 <= low < 0.15
    assert best - almost > 0.08
    assert best < 1
    assert "stretched" in axes.get_ylabel()
    assert "99" in [label.get_text() for label in axes.get_yticklabels()]


def test_close_values_get_an_even_narrow_axis() -> None:
    limits = axis_range([99.0, 99.3])
    assert not limits.stretched
    assert 98.4 < limits.low < 99.0
    assert 99.3 < limits.high <= 100


@pytest.mark.parametrize(
    "percents", [[0, 0], [100, 100], [0, 100], [10, 99.5], [79.9, 80], [96], [50, 94]]
)
def test_range_holds_all_values_and_stays_possible(percents: list[float]) -> None:
    limits = axis_range(percents)
    assert 0 <= limits.low <= min(percents)
    assert max(percents) <= limits.high <= 100
    assert limits.high - limits.low >= 0.5


def test_stretched_axis_puts_decades_at_equal_distances_and_comes_back() -> None:
    np.testing.assert_allclose(np.diff(stretch([0, 90, 99, 100])), 1, atol=0.05)
    percents = np.linspace(0, 100, 101)
    np.testing.assert_allclose(unstretch(stretch(percents)), percents, atol=1e-9)


def test_one_epoch_is_one_tick() -> None:
    axes = draw([1], [0.91], [0.925]).axes[0]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_epochs_not_measured_are_left_out() -> None:
    figure = draw([1, 2, 3], [np.nan] * 3, [0.9, np.nan, 0.92])
    (line,) = figure.axes[0].get_lines()
    np.testing.assert_array_equal(line.get_xdata(), [1, 3])
    assert [final.get_text() for final in finals(figure)] == ["test 92.00 %"]


def test_says_so_without_any_epoch() -> None:
    figure = draw([], [], [])
    assert not figure.axes
    assert "No accuracy was recorded." in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("wrong", [99.0, -0.1])
def test_percent_instead_of_fractions_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="test: accuracies must be fractions"):
        draw([1], [0.5], [wrong])


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="train"):
        draw([1, 2], [0.5], [0.5, 0.6])
