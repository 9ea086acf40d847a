"""Curves of several runs over one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lenetkit.plots import Curves, overlay_figure, save_figure

EPOCHS = np.arange(1, 6)
ACCURACY = "test_accuracy"


def group(name: str, *finals: float) -> Curves:
    return Curves(name, [(EPOCHS, np.linspace(0.9, final, 5)) for final in finals])


def test_groups_differ_without_colour_and_their_runs_share_it() -> None:
    groups = [group(f"{i}", 0.95, 0.97) for i in range(40)]
    figure = overlay_figure({ACCURACY: groups}, title="a", dataset="b", what="c")
    lines = figure.axes[0].get_lines()
    means = [line for line in lines if line.get_marker() not in ("None", "", None)]
    assert len(means) == 40
    assert len({(line.get_marker(), line.get_linestyle()) for line in means}) == 40
    thin = [line for line in lines if line not in means]
    assert [line.get_color() for line in thin[::2]] == [line.get_color() for line in means]
    assert [line.get_color() for line in thin[1::2]] == [line.get_color() for line in means]
    drawn = np.asarray(means[0].get_ydata(), np.float64)
    assert np.allclose(drawn, 100 * np.linspace(0.9, 0.96, 5))
    assert any(text.get_text() == "and 10 more" for text in figure.texts)


def test_names_in_chinese_gaps_and_nothing_at_all(tmp_path: Path) -> None:
    nan = Curves("学习率 0.01", [(EPOCHS, np.full(5, np.nan))])
    broken = Curves("50 % $x$", [(EPOCHS, [0.5, np.nan, 0.9, np.inf, 0.95]), ([], [])])
    for panels in ({ACCURACY: [nan, broken], "test_loss": [broken, nan]}, {ACCURACY: [nan]}, {}):
        figure = overlay_figure(panels, title="手写数字", dataset="MNIST", what="runs")
        save_figure(figure, tmp_path / "a.png")
