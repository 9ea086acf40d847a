"""A run that went on differently keeps the truth about every epoch, and says what the rate does."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from lenetkit.files import tensorfile
from lenetkit.network.plan import load_plan
from lenetkit.runs.run import Run
from lenetkit.training.loop import StepDone


def resumed(**settings: Any) -> tuple[dict[str, Any], list[str]]:
    """The result of resuming the run, and what was said."""
    said: list[str] = []
    run = Run.resume("run", report=said.append, **settings)
    return run.train(pictures=False), said


def create(small: Path, data: Path, **changes: Any) -> Run:
    return Run.create(small, out="run", data_dir=data, set=changes)


@pytest.fixture
def data(small: Path) -> Path:
    """The folder of the small spec's data."""
    return small.parent / "digits"


def rate(path: Path) -> float:
    return load_plan(path).spec.train.optimizer.lr


def test_three_resumes_keep_every_part(small: Path, data: Path) -> None:
    result = create(small, data, **{"train.schedule": "constant"}).train(pictures=False)
    assert "parts" not in result
    assert not list(Path("run").glob("spec-*"))
    changes: dict[str, Any] = {"train.epochs": 3, "train.optimizer.lr": 0.5}
    resumed(set=changes, allow_different=True, data_dir=data)
    resumed(set={"train.epochs": 4}, data_dir=data)
    result, _ = resumed(
        set={"train.epochs": 5, "train.optimizer.type": "adam", "train.optimizer.lr": 0.25},
        allow_different=True,
        data_dir=data,
    )
    expected = [
        ([1, 6], [1, 2], "spec-001.yaml"),
        ([7, 9], [3, 3], "spec-002.yaml"),
        ([10, 12], [4, 4], "spec-003.yaml"),
        ([13, 15], [5, 5], "spec.yaml"),
    ]
    parts = [{"steps": s, "epochs": e, "spec": name} for s, e, name in expected]
    assert result["parts"] == parts
    assert json.loads(Path("run/result.json").read_text("utf-8"))["parts"] == parts
    files = [Path("run", name) for _, _, name in expected]
    assert [rate(path) for path in files] == [0.01, 0.5, 0.5, 0.25]
    first = files[0].read_text("utf-8").splitlines()[0]
    assert first == "# steps 1 to 6, in epochs 1 to 2"
    first = files[3].read_text("utf-8").splitlines()[0]
    assert first == "# from step 13 on; before: spec-001.yaml, spec-002.yaml, spec-003.yaml"
    _, texts = tensorfile.read(Path("run/model.safetensors"))
    assert [part["steps"] for part in json.loads(texts["parts"])] == [6, 9, 12]
    with Run.resume("run", data_dir=data) as run:
        assert run.parts == parts


def test_a_part_that_ends_within_an_epoch(small: Path, data: Path) -> None:
    for event in create(small, data).events():
        if isinstance(event, StepDone) and event.step == 4:
            break
    result, _ = resumed(set={"train.optimizer.lr": 0.5}, allow_different=True, data_dir=data)
    assert [(part["steps"], part["epochs"]) for part in result["parts"]] == [
        ([1, 4], [1, 2]),
        ([5, 6], [2, 2]),
    ]


def test_a_resume_that_trains_nothing_is_no_part(small: Path, data: Path) -> None:
    create(small, data).train(pictures=False)
    changes = {"train.optimizer.lr": 0.5, "train.epochs": 3}
    settings: dict[str, Any] = {"set": changes, "allow_different": True, "data_dir": data}
    settings["report"] = print
    for _ in range(2):  # left, or killed, before its first step
        Run.resume("run", **settings).close()
    for event in Run.resume("run", **settings).events():
        assert isinstance(event, StepDone)
        break
    run = Run.resume("run", data_dir=data)
    assert [part["steps"] for part in run.parts] == [[1, 6], [7, 7]]
    assert run.train(pictures=False)["parts"][1]["steps"] == [7, 9]
    assert rate(Path("run/spec-001.yaml")) == 0.01


def test_the_same_settings_are_resumed_in_silence(small: Path, data: Path) -> None:
    for event in create(small, data).events():
        if isinstance(event, StepDone) and event.step == 4:
            break
    result, said = resumed(data_dir=data)
    assert said == []
    assert "parts" not in result
    assert resumed(data_dir=data)[1] == []


def test_a_rate_that_rises_is_said_with_what_keeps_it(small: Path, data: Path) -> None:
    create(small, data).train(pictures=False)
    lines = Path("run/metrics.csv").read_text("utf-8").splitlines()
    last = float(lines[-1].split(",")[1])
    with pytest.warns(UserWarning, match="the schedule one_cycle now spans 4 epochs, not 2") as got:
        Run.resume("run", set={"train.epochs": 4}, data_dir=data).close()
    (warning,) = got
    text = str(warning.message)
    assert f"it was {last:.3g} at step 6, is " in text
    assert "--set train.schedule=constant" in text
    word = next(w for w in text.split() if w.startswith("train.optimizer.lr="))
    kept = {"train.schedule": "constant", "train.optimizer.lr": float(word.partition("=")[2])}
    result, said = resumed(set={**kept, "train.epochs": 4}, allow_different=True, data_dir=data)
    assert said == []
    assert result["epochs"] == 4
    rows = Path("run/metrics.csv").read_text("utf-8").splitlines()[-2:]
    assert [float(row.split(",")[1]) for row in rows] == pytest.approx([last, last], rel=1e-4)


@pytest.mark.parametrize("schedule", ["constant", "{type: step, step_size: 1}"])
def test_a_rate_that_does_not_rise_is_not_mentioned(small: Path, data: Path, schedule: str) -> None:
    create(small, data, **{"train.schedule": schedule}).train(pictures=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Run.resume("run", set={"train.epochs": 4}, data_dir=data).close()
