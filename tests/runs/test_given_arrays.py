"""Runs on arrays from Python: the same folder as from files, and what is needed to resume them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit import Run, StepDone
from lenetkit.cli.main import run as run_command
from lenetkit.errors import PluginError, RunError
from lenetkit.layers.activations import ReLU
from lenetkit.training.data import load_training_data
from tests.support.small_run import outcome

RNG = np.random.default_rng(0)
IMAGES, TESTS = RNG.integers(0, 256, (12, 8, 8), np.uint8), RNG.integers(0, 256, (6, 8, 8))
LABELS, ANSWERS = ["cat", "dog", "emu"] * 4, ["emu", "dog", "cat"] * 2
GIVEN: dict[str, Any] = {"data": (IMAGES, LABELS), "test": (TESTS, ANSWERS)}


@pytest.fixture(autouse=True)
def _in_the_folder(small: Path) -> None:
    """The current folder holds small.yaml."""


def test_fit_writes_a_run_folder() -> None:
    network = lenetkit.fit("small.yaml", IMAGES, LABELS, test=(TESTS, ANSWERS), epochs=3, out="a")
    run = Run.create("small.yaml", out="b", set={"train.epochs": 3}, **GIVEN)
    run.train(pictures=False)
    assert outcome(Path("a")) == outcome(Path("b"))
    plain = lenetkit.fit("small.yaml", IMAGES, LABELS, test=(TESTS, ANSWERS), epochs=3)
    assert network.params.tobytes() == plain.params.tobytes()
    assert [{**row, "seconds": 0} for row in network.history] == [
        {**row, "seconds": 0} for row in plain.history
    ]
    names = {path.name for path in Path("a").iterdir()}
    assert {"loss.png", "accuracy.png", "confusion_test.png", "mistakes.png"} <= names
    result = json.loads(Path("a/result.json").read_text("utf-8"))
    assert result["classes"] == ["cat", "dog", "emu"]
    assert (result["dataset"], result["differs"]) == ("arrays", {"train.epochs": "3"})
    assert lenetkit.load("a").predict(TESTS).tolist() == network.predict(TESTS).tolist()
    assert set(network.predict(TESTS).tolist()) <= {"cat", "dog", "emu"}


def test_without_a_test_set() -> None:
    network = lenetkit.fit("small.yaml", IMAGES, LABELS, out="a")
    assert "test_loss" not in network.history[0]
    result = json.loads(Path("a/result.json").read_text("utf-8"))
    assert result["test_accuracy"] is None
    assert Path("a/confusion_test.png").exists()


def test_the_best_epoch_is_what_fit_returns_and_the_folder_holds() -> None:
    network = lenetkit.fit("small.yaml", IMAGES, LABELS, validation=3, epochs=6, out="a")
    plain = lenetkit.fit("small.yaml", IMAGES, LABELS, validation=3, epochs=6)
    kept = lenetkit.load("a")
    assert network.params.tobytes() == kept.params.tobytes() == plain.params.tobytes()
    assert network.spec["data"]["validation"] == 3
    epoch = json.loads(Path("a/result.json").read_text("utf-8"))["model_epoch"]
    assert json.loads(plain.metadata["metrics"])["epoch"] == epoch


def test_a_run_on_arrays_resumes_with_the_same_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    Run.create("small.yaml", out="whole", **GIVEN).train(pictures=False)
    for event in Run.create("small.yaml", out="part", **GIVEN).events():
        if isinstance(event, StepDone) and event.step == 4:
            break
    said = r"^part: was trained on arrays from Python, .*: lenetkit\.Run\.resume\(\"part\", data="
    with pytest.raises(RunError, match=said):
        Run.resume("part")
    assert run_command(["train", "--resume", "part"]) == 2
    assert 'lenetkit.Run.resume("part", data=(images, labels))' in capsys.readouterr().err
    with pytest.raises(RunError, match=r"\n  data: other arrays than before \(test\)\n"):
        Run.resume("part", data=GIVEN["data"])
    with pytest.raises(RunError, match=r"\n  data: other arrays than before \(train\)\n"):
        Run.resume("part", **{**GIVEN, "data": (IMAGES[::-1], LABELS)})
    run = Run.resume("part", **GIVEN)
    run.train(pictures=False)
    assert outcome(Path("part")) == outcome(Path("whole"))
    assert run.network.labels == ("cat", "dog", "emu")


def test_a_run_takes_training_data(small: Path) -> None:
    data = load_training_data(lenetkit.load_plan(small))
    Run.create(small, out="a", data=data).train(pictures=False)
    Run.create(small, out="b").train(pictures=False)
    assert lenetkit.load("a").params.tobytes() == lenetkit.load("b").params.tobytes()


def test_a_run_of_a_dict() -> None:
    spec = lenetkit.build("small.yaml").spec
    Run.create(spec, out="a", set={"train.epochs": 1}, **GIVEN).train(pictures=False)
    result = json.loads(Path("a/result.json").read_text("utf-8"))
    assert result["differs"] == {"train.epochs": "1"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"data": IMAGES}, r"^expected data=\(images, labels\) or TrainingData, found ndarray$"),
        ({"test": (TESTS, ANSWERS)}, r"or TrainingData, found NoneType$"),
        ({**GIVEN, "data_dir": "x"}, r"^expected either data or data_dir, found both$"),
    ],
)
def test_other_data_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Run.create("small.yaml", out="a", **given)
    assert not Path("a").exists()


class Own(ReLU):
    """A layer without a registered name."""


def test_what_a_folder_cannot_hold_is_refused_before_it_is_made() -> None:
    with pytest.raises(PluginError, match=r"^layers\.relu1: Own is not registered in lenetkit\.l"):
        lenetkit.fit("small.yaml", IMAGES, LABELS, overrides={"layers.relu1": Own()}, out="a")
    assert not Path("a").exists()


def test_predictions_are_those_of_the_model() -> None:
    run = Run.create("small.yaml", out="a", **GIVEN)
    run.train(pictures=False)
    found, model = run.folder.read_predictions(), lenetkit.load("a")
    assert found["index"] == [*range(len(TESTS))]
    assert found["true"] == [2, 1, 0] * 2
    assert [LABELS[int(number)] for number in found["predicted"]] == model.predict(TESTS).tolist()
    likely = model.probabilities(TESTS).max(axis=1)
    assert found["probability"] == pytest.approx(likely, abs=1e-6)
