"""What run folders say, intact or damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lenetkit.comparison.record import RunRecord, find_runs, read_record
from lenetkit.errors import RunError
from lenetkit.runs.run import Run
from lenetkit.training.divergence import DivergedError
from tests.support.small_run import write_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def finished(inputs: tuple[Path, Path]) -> Path:
    """A finished run; tests that change it copy it."""
    spec, data = inputs
    folder = spec.parent / "finished"
    with Run.create(spec, out=folder, data_dir=data, report=print) as run:
        run.train(pictures=False)
    return folder


@pytest.fixture
def begun(inputs: tuple[Path, Path], tmp_path: Path) -> Run:
    """A run whose folder is locked, after four steps."""
    spec, data = inputs
    with Run.create(spec, out=tmp_path / "begun", data_dir=data, report=print) as run:
        for step, _ in enumerate(run.events()):
            if step == 4:
                break
    return run


def test_a_finished_run(finished: Path) -> None:
    record = read_record(finished)
    result = json.loads((finished / "result.json").read_text("utf-8"))
    assert (record.state, record.reason, record.epochs) == ("finished", "", 3)
    assert record.figures["test_accuracy"] == result["test_accuracy"]
    assert record.digests == result["dataset_digest"]
    row = record.row()
    assert row["path"] == str(finished)
    assert row["seconds"] == result["seconds"]
    assert {"name", "dataset", "epochs", "test_accuracy", "state", "changes"} <= row.keys()
    assert repr(record).endswith(": finished>")


def test_an_interrupted_and_a_running_run(begun: Run, inputs: tuple[Path, Path]) -> None:
    record = read_record(begun.folder.path)
    assert (record.state, record.epochs) == ("interrupted", 1)
    assert "train_accuracy" in record.figures
    assert record.dataset
    with Run.resume(begun.folder.path, data_dir=inputs[1]):
        assert read_record(begun.folder.path).state == "running"
    assert read_record(begun.folder.path).state == "interrupted"


@pytest.mark.filterwarnings("ignore")
def test_a_diverged_run_says_why_until_it_is_resumed(
    inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    spec, data = inputs
    wild = {"train.optimizer": {"type": "sgd", "lr": 1e30}, "train.schedule": "constant"}
    run = Run.create(spec, out=tmp_path / "wild", set=wild, data_dir=data, report=print)
    with pytest.raises(DivergedError):
        run.train(pictures=False)
    record = read_record(tmp_path / "wild")
    assert record.state == "diverged"
    assert "learning rate" in record.reason
    tame = {"train.optimizer.lr": 1e-3}
    with Run.resume(
        tmp_path / "wild", set=tame, data_dir=data, allow_different=True, report=print
    ) as again:
        again.train(pictures=False)
    assert read_record(tmp_path / "wild").state == "finished"
    assert not (tmp_path / "wild" / "diverged.json").exists()


def test_runs_are_found_three_folders_deep_in_natural_order(finished: Path, tmp_path: Path) -> None:
    for place in ("10", "9", "a/b/c", "a/b/c/d", ".hidden", "not a run"):
        (tmp_path / "runs" / place).mkdir(parents=True)
    for place in ("10", "9", "a/b/c", "a/b/c/d", ".hidden"):
        shutil.copy(finished / "result.json", tmp_path / "runs" / place)
    found = find_runs(tmp_path / "runs")
    places = [record.path.relative_to(tmp_path / "runs").as_posix() for record in found]
    assert places == ["9", "10", "a/b/c"]
    assert {record.state for record in found} == {"damaged"}
    assert "spec.yaml: no such file" in found[0].reason
    assert find_runs(finished)[0].state == "finished"


def test_changes_are_told_of_the_first_run_or_of_the_shipped_spec(
    finished: Path, tmp_path: Path
) -> None:
    for name, lr, title in (("1", "0.01", "small"), ("2", "0.5", "small"), ("3", "0.01", "lenet5")):
        shutil.copytree(finished, tmp_path / name)
        spec, result = (tmp_path / name / file for file in ("spec.yaml", "result.json"))
        text = spec.read_text("utf-8").replace("lr: 0.01", f"lr: {lr}")
        spec.write_text(text.replace("name: small", f"name: {title}"), "utf-8")
        told = json.loads(result.read_text("utf-8")) | {"name": title}
        result.write_text(json.dumps(told), "utf-8")
    first, second, third = find_runs(tmp_path)
    assert first.changes == {}
    assert second.changes == {"train.optimizer.lr": 0.5}
    assert third.changes["train.batch_size"] == 5


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such file; expected a folder of runs"):
        find_runs(tmp_path / "none")
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(RunError):
        find_runs(tmp_path / "file")
    assert find_runs(tmp_path) == []


def test_a_run_that_ended_before_its_first_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("", "utf-8")
    (record,) = find_runs(tmp_path)
    assert (record.state, record.reason) == ("incomplete", "it ended before its first checkpoint")


SMALL_FILES = ("spec.yaml", "result.json", "metrics.csv", "checkpoint.safetensors")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_folders_are_records(finished: Path, tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(finished, folder)
    for name in data.draw(st.sets(st.sampled_from(SMALL_FILES), min_size=1)):
        path = folder / name
        content = bytearray(path.read_bytes())
        match data.draw(st.sampled_from(["cut", "flip", "gone", "folder", "other"])):
            case "cut":
                path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
            case "flip":
                content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(
                    st.integers(1, 255)
                )
                path.write_bytes(content)
            case "gone":
                path.unlink()
            case "folder":
                path.unlink()
                path.mkdir()
            case _:
                path.write_bytes(data.draw(st.sampled_from([b"[1]", b"{}", b"\xff\xfe", b"null"])))
    for record in find_runs(tmp_path):
        assert isinstance(record, RunRecord)
        json.dumps(record.row(), default=str)
        if record.state == "damaged":
            assert record.reason
