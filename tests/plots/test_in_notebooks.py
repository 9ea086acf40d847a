"""Figures show themselves in notebooks, without pyplot and at a sensible size."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

import lenetkit
from lenetkit import plots
from lenetkit.training.evaluation import RealEvaluation
from tests.support.specs import small_plan


def test_a_figure_is_a_picture_of_its_width_on_a_screen() -> None:
    figure = plots.history_figure({}, title="a", dataset="b")
    show = figure._repr_mimebundle_
    bundle, metadata = show(include=None, exclude=None)
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.size == (1890, picture.height)
    assert metadata["image/png"]["width"] == 907
    assert bundle["text/plain"].startswith("<Figure size 1890x")


def test_the_same_figure_is_the_same_picture(tmp_path: Path) -> None:
    figure = plots.history_figure({"epoch": [1], "train_loss": [1]}, title="a", dataset="b")
    plots.save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == figure.png()


def test_networks_and_evaluations_are_plotted_and_saved(tmp_path: Path) -> None:
    network = lenetkit.Model(small_plan())
    images, labels = np.random.default_rng(0).integers(0, 256, (12, 8, 8)), np.arange(12) % 3
    network.fit(images, labels, epochs=2)
    drawn = network.plot(tmp_path / "history.png")
    assert "small" in drawn.texts[0].get_text()
    (line,) = drawn.axes[0].get_lines()
    assert np.array_equal(line.get_ydata(), [row["train_loss"] for row in network.history])
    confusion = network.evaluate(images, labels).plot(tmp_path / "confusion.svg", title="mine")
    assert confusion.texts[0].get_text() == "mine"
    targets = np.arange(6.0).reshape(3, 2)
    scatter = RealEvaluation(0.0, targets, targets + 1, "heights").plot(tmp_path / "real.pdf")
    x, y = scatter.axes[0].get_lines()[1].get_data()
    assert np.array_equal(np.asarray(y), np.asarray(x) + 1)
    assert len(list(tmp_path.iterdir())) == 3
