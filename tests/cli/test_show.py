"""`lenetkit show`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lenetkit
from lenetkit.runs.run import Run
from tests.cli.conftest import Call


@pytest.fixture
def run(small: Path) -> Path:
    """A small run, in the current folder."""
    folder = Path("run")
    Run.create(small, out=folder, set={"train.epochs": 1}).train(pictures=False)
    return folder


@pytest.mark.parametrize("what", ["architecture", "filters", "features", "saliency"])
def test_each_writes_its_picture(call: Call, run: Path, what: str) -> None:
    said = call("show", run, "--what", what)
    assert (said.status, said.out) == (0, f"{what}.png\n")
    with Image.open(f"{what}.png") as picture:
        assert picture.width > 500


def test_without_an_image_the_first_test_image_is_shown(call: Call, run: Path) -> None:
    call("show", run, "--what", "features", "--out", "a.svg")
    assert "first test image of stripes" in Path("a.svg").read_text("utf-8")


def test_an_image_is_prepared_as_predict_does(call: Call, run: Path) -> None:
    stroke = np.zeros((40, 40), np.uint8)
    stroke[8:32, 18:23] = 255
    Image.fromarray(stroke).save("one.png")
    label = call("predict", run, "one.png", "--json").json[0]["digits"]
    said = call("show", run, "--what", "features", "--image", "one.png", "--out", "a.svg")
    assert said.status == 0
    svg = Path("a.svg").read_text("utf-8")
    assert "one.png" in svg
    if label:  # else it was too uncertain to be read, and is shown all the same
        assert f"answer: {label[0]['label']} (" in svg


def test_a_model_file_needs_no_suffix(call: Call, run: Path) -> None:
    (run / "model.safetensors").rename("model")
    assert call("show", "model", "--what", "filters").status == 0
    said = call("show", run / "model.safetensors")
    assert said.status == 2
    assert "model.safetensors" in said.err


def test_a_spec_has_an_architecture_only(call: Call, small: Path) -> None:
    assert call("show", small, "--lang", "zh", "--out", "a.pdf").out == "a.pdf\n"
    assert call("show", "lenet5").status == 0
    said = call("show", "lenet5", "--what", "filters")
    assert said.status == 2
    assert "lenet5: is a spec; expected for filters a model, as lenetkit train writes" in said.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--what", "filters", "--layer", "cnv1"), "has no 'cnv1'; did you mean 'conv1'?"),
        (("--layer", "fc1"), "--layer goes with --what filters or features, not architecture"),
        (("--image", "a.png"), "--image goes with --what features or saliency, not architecture"),
        (("--what", "features", "--image", "no.png"), "no.png: no such file; expected a picture"),
        (("--what", "features", "--image", "run/spec.yaml"), "is a text file; expected a PNG"),
        (("--out", "a.gif"), "a.gif: cannot save a picture as '.gif'; use .png, .pdf, .svg"),
        (
            ("--what", "features", "--data-dir", "run"),
            "no --image FILE is given, and no test",
        ),
    ],
)
def test_wrong_input_ends_with_status_2(
    call: Call, run: Path, options: tuple[str, ...], message: str
) -> None:
    said = call("show", run, *options)
    assert said.status == 2
    assert message in said.err


def test_summary_tells_the_receptive_field(call: Call, small: Path) -> None:
    facts = json.loads(call("summary", small, "--json").out)
    fields = {layer["name"]: layer["receptive_field"] for layer in facts["layers"]}
    assert fields == {"conv1": [3, 3], "relu1": [3, 3], "pool1": [4, 4]} | {
        "drop1": [4, 4],
        "fc1": [8, 8],
    }


def test_no_image_is_taken_for_one_of_a_model_of_arrays(call: Call, small: Path) -> None:
    """The spec's data set, here the default, is not what it was trained on."""
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8)
    network = lenetkit.fit(small, images, np.arange(20) % 3, epochs=1)
    network.save("own.safetensors")
    said = call("show", "own.safetensors", "--what", "saliency")
    assert said.status == 2
    assert "was trained on arrays from Python, which it does not hold" in said.err
