"""The picture of the losses by epoch."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from numpy.typing import ArrayLike

from lenetkit.plots import loss_epochs_figure


def draw(train: ArrayLike, test: ArrayLike, validation: ArrayLike | None = None) -> Figure:
    epochs = np.arange(1, len(np.asarray(train)) + 1)
    figure = loss_epochs_figure(
        epochs, train, test, title="lenet5", dataset="MNIST", validation=validation
    )
    figure.draw_without_rendering()
    return figure


def test_each_set_has_a_line_and_its_last_value() -> None:
    axes = draw([0.9, 0.5], [0.8, 0.6], [0.85, 0.55]).axes[0]
    drawn = {str(line.get_label()): list(np.asarray(line.get_ydata())) for line in axes.get_lines()}
    assert drawn == {"train": [0.9, 0.5], "test": [0.8, 0.6], "validation": [0.85, 0.55]}
    finals = {text.get_text() for text in axes.texts if isinstance(text, Annotation)}
    assert finals == {"train 0.5", "test 0.6", "validation 0.55"}


@pytest.mark.parametrize(("last", "scale"), [(0.5, "linear"), (0.003, "log")])
def test_the_axis_is_logarithmic_if_it_has_to_be(last: float, scale: str) -> None:
    axes = draw([0.9, last], [0.9, 0.9]).axes[0]
    assert axes.get_yscale() == scale
    assert ("log" in axes.get_ylabel()) == (scale == "log")


@pytest.mark.filterwarnings("error")
def test_a_loss_that_is_always_zero_has_an_axis() -> None:
    """As of a single class."""
    assert draw([0.0, 0.0], [0.0, 0.0]).axes[0].get_ylim() == (0.0, 1.0)


@pytest.mark.parametrize("spike", [1e6, np.inf])
def test_a_spike_flattens_nothing(spike: float) -> None:
    calm = np.linspace(2, 1, 15)
    spiky = np.where(np.arange(15) == 4, spike, calm)
    figure = draw(calm, spiky)
    assert figure.axes[0].get_ylim()[1] < 6
    text = figure.texts[1].get_text()
    assert ("above the axis: 1, up to 1e+06" in text) == np.isfinite(spike)
    assert ("not finite, left out: 1" in text) == np.isinf(spike)


@pytest.mark.parametrize("losses", [[], [np.nan]])
def test_says_so_where_there_is_nothing_to_draw(losses: list[float]) -> None:
    figure = draw(losses, losses)
    assert not figure.axes
    assert "No finite loss was recorded." in [text.get_text() for text in figure.texts]
