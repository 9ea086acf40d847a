"""The picture of the accuracies."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from numpy.typing import ArrayLike

from lenetkit.plots import accuracy_figure
from lenetkit.plots.accuracy import axis_ticks, stretch, unstretch
from lenetkit.plots.epochs import spread


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


RUNS = {
    "stuck": (np.full(15, 0.1124), np.full(15, 0.1135)),
    "fair": (np.linspace(0.1, 0.6, 15), np.linspace(0.1, 0.55, 15)),
    "good": (np.linspace(0.95, 1.0, 15), np.linspace(0.95, 0.9937, 15)),
}


def test_all_runs_have_the_same_axis() -> None:
    looks = set()
    for train, test in RUNS.values():
        figure = draw(np.arange(1, 16), train, test)
        axes = figure.axes[0]
        ticks = tuple(label.get_text() for label in axes.get_yticklabels())
        box = axes.get_position().bounds
        looks.add((axes.get_ylim(), axes.get_xlim(), ticks, box, tuple(figure.get_size_inches())))
    assert len(looks) == 1
    assert next(iter(looks))[0] == (0, 100)


@pytest.mark.parametrize(
    ("low", "high", "inches"), [(10, 60, 0.8), (60, 90, 0.6), (90, 99, 0.8), (99, 99.5, 0.2)]
)
def test_what_matters_is_far_apart(low: float, high: float, inches: float) -> None:
    figure = draw([1, 2], [0.1, 1.0], [0.1, 0.99])
    (_, y0), (_, y1) = figure.axes[0].transData.transform([(1, low), (1, high)])
    assert (y1 - y0) / figure.dpi > inches


@pytest.mark.parametrize("lowest", [0, 20, 50, 90, 97, 99])
def test_the_axis_begins_where_the_caller_says(lowest: float) -> None:
    figure = accuracy_figure(
        [1, 2], [0.1, 1.0], [0.995, 0.999], title="t", dataset="", lowest=lowest
    )
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_ylim() == (lowest, 100)
    below = f"below the axis: {1 if lowest > 10 else 0}"
    assert (below in figure.texts[1].get_text()) == (lowest > 10)
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert len(boxes) >= 5
    assert all(below.y1 <= above.y0 for below, above in pairwise(boxes))


def test_ticks_keep_their_distance_and_both_ends_of_the_axis() -> None:
    assert axis_ticks(0)[0] == 0
    for lowest in range(100):
        ticks = axis_ticks(lowest)
        assert ticks == sorted(set(ticks))
        assert lowest <= ticks[0]
        assert ticks[-1] == 100


def test_stretching_keeps_order_and_comes_back() -> None:
    percents = np.linspace(0, 100, 1001)
    assert np.all(np.diff(stretch(percents)) > 0)
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
