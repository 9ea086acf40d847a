"""A finished run that goes on: its old result must not outlive what it told of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from lenetkit.runs.folder import RunFolder
from lenetkit.training import loop
from tests.cli.conftest import Call

MORE = ("train", "--resume", "run", "--quiet", "--epochs", "3")
PLOTTED = RunFolder(Path("run")).pictures.values()


@pytest.fixture
def finished(call: Call, small: Path) -> RunFolder:
    """A run of two epochs, in the folder `run`."""
    assert call("train", small, "--out", "run", "--quiet").status == 0
    return RunFolder(Path("run"))


def kill(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """End the run that follows when a step is done, with nothing more written."""
    real = loop.train

    def killed(*arguments: Any) -> Any:
        for event in real(*arguments):
            yield event
            if isinstance(event, loop.StepDone) and event.step == step:
                monkeypatch.setattr(loop, "train", real)
                raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train", killed)


@pytest.mark.parametrize("step", [7, 10])
def test_a_killed_extension_is_unfinished_and_goes_on(
    call: Call, finished: RunFolder, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    shutil.copytree("run", "whole")
    assert call("train", "--resume", "whole", "--quiet", "--epochs", "4").status == 0
    kill(monkeypatch, step)
    assert call(*MORE[:-1], "4").status == 130
    assert not finished.result.exists()
    assert not any(path.exists() for path in PLOTTED)
    said = call("plot", "run")
    assert said.status == 2
    assert said.err == (
        "error: run: the run has no result.json yet; finish it with "
        '`lenetkit train --resume "run"`\n'
    )
    assert call("train", "--resume", "run", "--quiet").status == 0
    assert all(path.is_file() for path in PLOTTED)
    for name in ("model.safetensors", "steps.csv"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()


def test_no_file_of_the_longer_run_meets_the_old_result(
    call: Call, finished: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, met = Path.replace, []

    def replace(self: Path, target: Path) -> Path:
        if finished.result.exists() and target not in PLOTTED:
            raise AssertionError(f"{target} was written beside the old result")
        met.append(Path(target).name)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    assert call(*MORE).status == 0
    assert {"spec.yaml", "steps.csv", "checkpoint.safetensors", "result.json"} <= set(met)


def test_a_kill_before_anything_else_is_written_costs_no_result(
    call: Call, finished: RunFolder
) -> None:
    before = {path.name: path.read_bytes() for path in finished.path.iterdir()}
    finished.discard_result()
    assert call("train", "--resume", "run", "--quiet").status == 0
    assert {path.name: path.read_bytes() for path in finished.path.iterdir()} == before
