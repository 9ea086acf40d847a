"""What holds for every picture: it names its subject, stays on the page and leaves no trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from lenetkit import plots
from lenetkit.plots.fonts import ELLIPSIS

DIGITS = [str(digit) for digit in range(10)]
LONG = ["T-shirt/top", "an $\\alpha$ name_of very great length indeed", *DIGITS[2:]]
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 1, 28, 28)).astype(np.uint8)
LABELS = np.arange(24) % 10
FALLING = 2.3 * np.exp(-np.arange(700) / 90) * RNG.lognormal(0, 0.5, 700) + 0.001


def table(classes: int) -> np.ndarray:
    """Counts of up to 6,742 on the diagonal and small ones beside it."""
    counts = RNG.integers(0, 12, (classes, classes))
    counts[np.diag_indices(classes)] = RNG.integers(900, 6743, classes)
    return counts


def loss(title: str, dataset: str) -> Figure:
    return plots.loss_figure(
        np.arange(700), FALLING, title=title, dataset=dataset, steps_per_epoch=100
    )


def diverged(title: str, dataset: str) -> Figure:
    values = np.where(np.arange(700) > 500, np.nan, np.exp(np.arange(700) / 12))
    return plots.loss_figure(
        np.arange(700), values, title=title, dataset=dataset, steps_per_epoch=100
    )


def no_loss(title: str, dataset: str) -> Figure:
    return plots.loss_figure([], [], title=title, dataset=dataset, steps_per_epoch=None)


def spiky(title: str, dataset: str) -> Figure:
    values = np.where(np.arange(700) % 233 == 100, 1e6, FALLING)
    values[50] = np.inf
    return plots.loss_figure(
        np.arange(700), values, title=title, dataset=dataset, steps_per_epoch=100
    )


def loss_epochs(title: str, dataset: str) -> Figure:
    train, test, validation = [0.9, 0.1, 0.003], [0.8, 0.12, 0.02], [0.8, 0.11, 0.0199]
    return plots.loss_epochs_figure(
        [1, 2, 3], train, test, title=title, dataset=dataset, validation=validation
    )


def accuracy(title: str, dataset: str) -> Figure:
    train, test, validation = [0.9, 0.98, 1.0], [0.93, 0.985, 0.99], [0.94, 0.98, 0.9901]
    return plots.accuracy_figure(
        [1, 2, 3], train, test, title=title, dataset=dataset, validation=validation
    )


def stuck(title: str, dataset: str) -> Figure:
    eleven = np.full(20, 0.1135)
    return plots.accuracy_figure(np.arange(20), eleven, eleven, title=title, dataset=dataset)


def history(title: str, dataset: str) -> Figure:
    columns: dict[str, Any] = {"epoch": [1, 2, 3]}
    columns |= {"train_loss": [0.9, 0.1, 0.003], "test_loss": [0.8, 0.1, 1e9]}
    columns |= {"train_accuracy": [0.9, 0.98, 1.0], "test_accuracy": [0.93, 0.985, 0.99]}
    return plots.history_figure(columns, title=title, dataset=dataset)


def history_of_a_regression(title: str, dataset: str) -> Figure:
    columns: dict[str, Any] = {"epoch": [1, 2], "train_loss": [0.9, 0.1]}
    columns["train_rmse"] = [1.3, 0.4]
    return plots.history_figure(columns, title=title, dataset=dataset)


def no_history(title: str, dataset: str) -> Figure:
    return plots.history_figure({}, title=title, dataset=dataset)


def targets(title: str, dataset: str) -> Figure:
    values = np.linspace(-1, 3, 5000).reshape(2500, 2)
    return plots.targets_figure(values, values**2, title=title, dataset=dataset)


def no_targets(title: str, dataset: str) -> Figure:
    return plots.targets_figure([], [], title=title, dataset=dataset)


def confusion_2(title: str, dataset: str) -> Figure:
    return plots.confusion_figure(table(2), ["cat", "dog"], title=title, dataset=dataset)


def confusion_of_long_names(title: str, dataset: str) -> Figure:
    return plots.confusion_figure(table(10), LONG, title=title, dataset=dataset)


def mistakes(title: str, dataset: str) -> Figure:
    chances = np.linspace(1, 0, 24)
    return plots.mistakes_figure(
        IMAGES, LABELS, LABELS[::-1], chances, DIGITS, title=title, dataset=dataset
    )


def mistakes_of_long_names(title: str, dataset: str) -> Figure:
    return plots.mistakes_figure(
        IMAGES[:9], LABELS[:9], LABELS[1:10], np.ones(9), LONG, title=title, dataset=dataset
    )


def no_mistakes(title: str, dataset: str) -> Figure:
    return plots.mistakes_figure([], [], [], [], DIGITS, title=title, dataset=dataset)


def samples(title: str, dataset: str) -> Figure:
    return plots.samples_figure(IMAGES, LABELS, LONG, title=title, dataset=dataset)


def layers(title: str, dataset: str, names: Sequence[str] = LONG) -> Figure:
    shares = RNG.random((len(names), 9))
    norms = np.where(shares < 0.2, np.nan, 10 ** (-12 * shares))
    norms[3] = 0
    return plots.layers_figure(
        2 ** np.arange(9),
        {"dead": shares, "‖dL/dw‖": norms, "nothing": np.full_like(norms, np.nan)},
        names,
        FALLING,
        constant=2.3,
        title=title,
        dataset=dataset,
    )


def many_layers(title: str, dataset: str) -> Figure:
    return layers(title, dataset, [f"layer{i}" for i in range(700)])


Maker = Callable[[str, str], Figure]
MAKERS: list[Maker] = [
    history,
    history_of_a_regression,
    no_history,
    targets,
    no_targets,
    loss,
    diverged,
    no_loss,
    spiky,
    loss_epochs,
    accuracy,
    stuck,
    confusion_2,
    confusion_of_long_names,
    mistakes,
    mistakes_of_long_names,
    no_mistakes,
    samples,
    layers,
    many_layers,
]
every_figure = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def words(figure: Figure) -> str:
    texts = (text for text in figure.findobj(Text) if isinstance(text, Text))
    return "\n".join(text.get_text() for text in texts)


def assert_on_page(figure: Figure) -> None:
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) >= 0, box
    assert box.x1 <= width, box
    assert box.y1 <= height, box


@every_figure
def test_names_its_subject_and_keeps_to_the_page(make: Maker) -> None:
    figure = make("lenet5 run 7", "synthetic digits")
    assert "lenet5 run 7" in words(figure)
    assert "synthetic digits" in words(figure)
    assert_on_page(figure)


@every_figure
def test_very_long_names_are_shortened_and_stay_on_the_page(make: Maker) -> None:
    figure = make("start_" + "lenet5_$very$_long_name_" * 40 + "_end", "synthetic digits " * 60)
    assert_on_page(figure)
    title, details = (text.get_text() for text in figure.texts[:2])
    assert ELLIPSIS in title
    assert title.startswith("start_")
    assert title.endswith("_end")
    assert title.count("\n") <= 1
    assert details.count("\n") <= 2


@every_figure
def test_names_are_never_read_as_mathematics(make: Maker) -> None:
    figure = make("cost $x_1^2$ and \\frac", "100$ $")
    assert all(not text.get_parse_math() for text in figure.texts)
    assert figure.texts[0].get_text() == "cost $x_1^2$ and \\frac"


@every_figure
def test_keeps_apart_from_the_callers_settings(make: Maker) -> None:
    plain = make("lenet5", "MNIST")
    theirs: dict[Any, Any] = {
        "text.color": "red",
        "font.size": 30,
        "text.parse_math": True,
        "axes.grid": True,
    }
    with matplotlib.rc_context(theirs):
        before = dict(matplotlib.rcParams)
        swayed = make("lenet5", "MNIST")
        assert dict(matplotlib.rcParams) == before
    assert tuple(plain.get_size_inches()) == tuple(swayed.get_size_inches())
    looks = [
        [(text.get_color(), text.get_fontsize(), text.get_parse_math()) for text in figure.texts]
        for figure in (plain, swayed)
    ]
    assert looks[0] == looks[1]


def test_an_empty_title_leaves_no_gap() -> None:
    with_title, without = loss("lenet5", "MNIST"), loss("", "MNIST")
    assert without.get_figheight() < with_title.get_figheight()
    assert without.texts[0].get_text().startswith("Training loss")


def test_neither_pyplot_nor_a_display_is_needed() -> None:
    program = (
        "import sys, lenetkit.plots as plots\n"
        "plots.loss_figure([1], [2], title='', dataset='', steps_per_epoch=None)"
        ".canvas.draw()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
