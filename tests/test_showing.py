"""Pictures of a network from Python: what is shown of which image, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import lenetkit
from lenetkit.errors import ArrayError, ImageError, OptionError
from lenetkit.showing import Shown, weights_of
from tests.plots.test_architecture import words
from tests.support.specs import plan_of

LAYERS: dict[str, Any] = {
    "conv1": {"type": "conv2d", "out_channels": 3, "kernel_size": 3},
    "relu1": "relu",
    "fc1": {"type": "linear", "out_features": 5},
    "fc2": {"type": "linear", "out_features": 4},
}
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)


@pytest.fixture(scope="module")
def network() -> lenetkit.Model:
    return lenetkit.build({"lenetkit": 1, "name": "n", "input": [1, 8, 8], "layers": LAYERS})


@pytest.mark.parametrize(
    ("what", "suffix"),
    [("architecture", "svg"), ("filters", "png"), ("features", "pdf"), ("saliency", "svg")],
)
def test_every_picture_is_written(
    network: lenetkit.Model, tmp_path: Path, what: Any, suffix: str
) -> None:
    image = IMAGE if what in ("features", "saliency") else None
    out = tmp_path / f"a.{suffix}"
    figure = lenetkit.show(network, what, image=image, out=out, lang="zh")
    assert out.stat().st_size > 1000
    assert figure.texts[0].get_text() == "n"


def test_features_are_those_of_every_layer_and_the_answer(network: lenetkit.Model) -> None:
    said = words(lenetkit.show(network, "features", image=IMAGE))
    assert {"input", *LAYERS} <= set(said)
    answer = int(network.predict(IMAGE[None])[0])
    chance = float(network.probabilities(IMAGE[None]).max())
    assert any(f"answer: {answer} ({100 * chance:.1f} %)" in text for text in said)
    alone = words(lenetkit.show(network, "features", image=IMAGE, layer="fc1"))
    assert "conv1" not in alone


def test_images_may_be_arrays_or_pictures(network: lenetkit.Model, tmp_path: Path) -> None:
    rgb = {"lenetkit": 1, "name": "n", "input": [3, 8, 8], "layers": LAYERS}
    colour = lenetkit.build(rgb)
    picture = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    path = tmp_path / "p.png"
    Image.fromarray(picture).save(path)
    given = Shown.of_file(colour, path)
    assert given.image.shape == (3, 8, 8)
    assert given.file == "p.png"
    for image in (path, str(path), given.image):
        lenetkit.show(colour, "saliency", image=image)
    lenetkit.show(network, "features", image=IMAGE[None])


def test_rows_of_features_too() -> None:
    spec = {"lenetkit": 1, "name": "n", "input": [4], "layers": {"fc2": LAYERS["fc2"]}}
    network = lenetkit.build(spec)
    lenetkit.show(network, "features", image=np.ones(4))
    with pytest.raises(ValueError, match="saliency needs a network of images"):
        lenetkit.show(network, "saliency", image=np.ones(4))


def test_regression_has_no_answer() -> None:
    spec = {"lenetkit": 1, "name": "n", "input": [1, 8, 8], "layers": LAYERS}
    network = lenetkit.build(spec | {"loss": "mean_squared_error", "task": "regression"})
    for what in ("features", "saliency"):
        said = words(lenetkit.show(network, what, image=IMAGE))
        assert not any("answer" in text for text in said)


def test_weights_of_linear_layers_over_images_are_maps(network: lenetkit.Model) -> None:
    name, weights = weights_of(network, "fc1")
    assert (name, weights.shape) == ("fc1.weight", (5, 3, 6, 6))
    np.testing.assert_array_equal(weights.reshape(5, -1), network.tensors()["fc1.weight"])
    assert weights_of(network, "fc2.weight")[1].shape == (4, 5)
    assert weights_of(network)[0] == "conv1.weight"


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        ("filter", {}, "what: found 'filter'; did you mean 'filters'?"),
        ("filters", {"layer": "cnv1"}, "layer: the network has no 'cnv1'; did you mean 'conv1'?"),
        ("filters", {"layer": "relu1"}, "relu1 has no weights to show; those that have: conv1, fc"),
        ("filters", {"image": IMAGE}, "image: filters needs none; expected it with features or"),
        ("features", {}, "image: features needs one: an array, or the path of a picture"),
        ("features", {"image": IMAGE, "layer": "x"}, "layer: the network has no 'x'; valid: conv1"),
        ("saliency", {"image": IMAGE, "layer": "fc1"}, "layer: saliency shows all; expected it"),
        ("architecture", {"layer": "fc1"}, "layer: architecture shows all"),
        ("architecture", {"lang": "fr"}, "lang: expected en or zh, found 'fr'"),
    ],
)
def test_what_does_not_exist_or_go_together_is_refused(
    network: lenetkit.Model, what: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        lenetkit.show(network, what, **options)


def test_a_plan_has_an_architecture_only() -> None:
    plan = plan_of(LAYERS, (1, 8, 8))
    lenetkit.show(plan)
    with pytest.raises(ValueError, match="filters needs a model, as build"):
        lenetkit.show(plan, "filters")


def test_a_network_without_weights_has_no_filters() -> None:
    spec = {"lenetkit": 1, "name": "n", "input": [4], "layers": {"r": "relu"}}
    with pytest.raises(ValueError, match="the network has no weights to show"):
        lenetkit.show(lenetkit.build(spec), "filters")


def test_images_that_do_not_fit_are_refused(network: lenetkit.Model, tmp_path: Path) -> None:
    with pytest.raises(ArrayError, match="9"):
        lenetkit.show(network, "features", image=np.zeros((9, 9), np.uint8))
    with pytest.raises(ImageError, match="no such file"):
        lenetkit.show(network, "features", image=tmp_path / "no.png")
