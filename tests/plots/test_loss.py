"""The picture of the training loss."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from lenetkit.plots import loss_figure
from lenetkit.plots.loss import running_mean


def draw(steps: ArrayLike, losses: ArrayLike, steps_per_epoch: float | None = None) -> Figure:
    figure = loss_figure(
        steps, losses, title="lenet5", dataset="MNIST", steps_per_epoch=steps_per_epoch
    )
    figure.draw_without_rendering()
    return figure


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def test_few_values_are_drawn_as_they_are() -> None:
    (line,) = draw([1, 2, 3], [2.3, 1.9, 1.6]).axes[0].get_lines()
    np.testing.assert_array_equal(line.get_xydata(), [[1, 2.3], [2, 1.9], [3, 1.6]])


def test_many_values_stay_and_get_a_running_mean_named_in_the_legend() -> None:
    losses = np.linspace(2, 1, 14_000)
    figure = draw(np.arange(14_000), losses)
    raw, mean = figure.axes[0].get_lines()
    np.testing.assert_array_equal(raw.get_ydata(), losses)
    assert (raw.get_alpha() or 1) < (mean.get_alpha() or 1)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["loss of each recorded step", "running mean over 351 recorded steps"]
    np.testing.assert_allclose(np.asarray(mean.get_ydata()), running_mean(losses, 351))


def test_running_mean_by_its_definition() -> None:
    values = np.array([9.0, 3.0, 1.0, 2.0, 4.0, 8.0])
    expected = [9, 13 / 3, 19 / 5, 18 / 5, 15 / 4, 14 / 3]
    np.testing.assert_allclose(running_mean(values, 5), expected)
    np.testing.assert_array_equal(running_mean(values, 1), values)


def test_running_mean_recovers_after_a_huge_value() -> None:
    values = np.concatenate(([1e30], np.full(20, 0.5)))
    np.testing.assert_array_equal(running_mean(values, 5)[3:], 0.5)


@pytest.mark.parametrize(
    ("last", "scale"), [(2.29, "linear"), (0.5, "linear"), (0.01, "log"), (1e6, "log")]
)
def test_scale_follows_the_range(last: float, scale: str) -> None:
    axes = draw(np.arange(200), np.geomspace(2.3, last, 200)).axes[0]
    assert axes.get_yscale() == scale
    assert ("log scale" in axes.get_ylabel()) == (scale == "log")


def test_linear_axis_starts_at_zero() -> None:
    low, high = draw(np.arange(200), np.full(200, 2.303)).axes[0].get_ylim()
    assert low == 0
    assert 2.303 < high < 3


def test_losses_of_zero_are_counted_where_the_axis_is_logarithmic() -> None:
    losses = np.geomspace(2.3, 0.01, 400)
    losses[[100, 200, 300]] = 0
    figure = draw(np.arange(400), losses)
    assert figure.axes[0].get_yscale() == "log"
    assert "below the axis: 3" in words(figure)


def test_log_labels_are_plain_numbers() -> None:
    axes = draw(np.arange(400), np.geomspace(2.3, 0.01, 400)).axes[0]
    labels = {label.get_text() for label in axes.get_yticklabels()}
    assert {"0.01", "0.1", "1"} <= labels


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    figure = draw([1, 2, 3, 4], [2.3, np.inf, np.nan, 1.0])
    line, marks = figure.axes[0].get_lines()
    np.testing.assert_array_equal(line.get_xdata(), [1, 4])
    np.testing.assert_array_equal(marks.get_xdata(), [2, 3])
    assert "not finite, left out: 2" in words(figure)


@pytest.mark.parametrize("last", [1.5, 0.01])
@pytest.mark.parametrize("count", [12, 400, 14_000])
@pytest.mark.parametrize("spike", [40.0, 1e6, 1e300, np.inf])
def test_a_spike_flattens_nothing(last: float, count: int, spike: float) -> None:
    losses = np.geomspace(2.3, last, count)
    calm = draw(np.arange(count), losses).axes[0]
    steps = [count // 3, count // 2 + 1]
    spiky = losses.copy()
    spiky[steps] = spike
    figure = draw(np.arange(count), spiky)
    axes = figure.axes[0]
    assert axes.get_yscale() == calm.get_yscale()
    np.testing.assert_allclose(axes.get_ylim(), calm.get_ylim(), rtol=0.05)
    *curves, marks = axes.get_lines()
    np.testing.assert_array_equal(marks.get_xdata(), steps)
    if count > 30:
        mean = np.asarray(curves[1].get_ydata())
        assert np.nanmax(mean) <= 2.3
    said = "not finite, left out: 2" if np.isinf(spike) else f"above the axis: 2, up to {spike:.3g}"
    assert said in words(figure)


def test_a_loss_that_goes_up_and_stays_there_is_no_spike() -> None:
    losses = np.concatenate((np.full(300, 2.3), np.full(300, 1e4)))
    figure = draw(np.arange(600), losses)
    assert figure.axes[0].get_ylim()[1] > 1e4
    assert "above the axis" not in words(figure)


@pytest.mark.parametrize("losses", [[], [np.nan]])
def test_says_so_where_there_is_nothing_to_draw(losses: list[float]) -> None:
    figure = draw(np.arange(len(losses)), losses, 10)
    assert not figure.axes
    assert "No finite loss" in words(figure)


@pytest.mark.parametrize(("losses", "top"), [([2.3], 2.3), ([0.0, 0.0], 0.0)])
def test_a_single_value_and_zeros_fit_the_axes(losses: list[float], top: float) -> None:
    axes = draw(np.arange(len(losses)), losses, 5).axes[0]
    assert axes.get_ylim()[1] > top
    low, high = axes.get_xlim()
    shown = [
        label.get_text()
        for label, x in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
        if low <= x <= high
    ]
    assert shown == [str(step) for step in range(len(losses))]


def test_epochs_stand_above_the_steps() -> None:
    axes = draw(np.arange(1, 1001), np.full(1000, 2.0), 100).axes[0]
    (above,) = axes.child_axes
    assert above.get_xlabel() == "epochs completed"
    np.testing.assert_allclose(above.get_xlim(), np.array(axes.get_xlim()) / 100)
    assert np.all(np.asarray(above.get_xticks()) % 1 == 0)


@pytest.mark.parametrize("steps_per_epoch", [None, 0, 5000])
def test_no_epochs_below_one_epoch(steps_per_epoch: float | None) -> None:
    axes = draw(np.arange(1, 1001), np.full(1000, 2.0), steps_per_epoch).axes[0]
    assert not axes.child_axes


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"steps \(2,\) and losses \(3,\)"):
        draw([1, 2], [1, 2, 3])
