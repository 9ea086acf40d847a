"""`lenetkit runs` and `lenetkit compare`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lenetkit.runs.run import Run
from tests.cli.conftest import Call


@pytest.fixture
def three(small: Path) -> None:
    """Finished runs a and b that differ by seed, and c by the learning rate too, in runs/."""
    for name, seed, lr in (("a", 0, 0.01), ("b", 1, 0.01), ("c", 1, 0.02)):
        changes = {"train.epochs": 1, "train.seed": seed, "train.optimizer.lr": lr}
        with Run.create(small, out=f"runs/{name}", set=changes) as run:
            run.train(pictures=False)


def test_json_has_the_keys_of_the_contract(call: Call, three: None) -> None:
    rows = call("runs", "--json").json
    keys = {"path", "name", "dataset", "epochs", "test_accuracy", "seconds", "state", "changes"}
    assert all(keys <= row.keys() for row in rows)
    assert [row["changes"] for row in rows] == [
        {},
        {"train.seed": 1},
        {"train.seed": 1, "train.optimizer.lr": 0.02},
    ]
    facts = call("compare", "runs/b", "runs/c", "--json").json
    assert facts["differences"] == [{"key": "train.optimizer.lr", "values": [0.01, 0.02]}]
    keys = {"path", "test_accuracy", "train_accuracy", "test_loss"}
    assert all(keys <= row.keys() for row in facts["runs"])
    assert [group["runs"] for group in facts["groups"]] == [
        [facts["runs"][i]["path"]] for i in (0, 1)
    ]
    assert all(group["sd"] is None for group in facts["groups"])
    (group,) = call("compare", "runs/a", "runs/b", "--json").json["groups"]
    assert group["sd"] >= 0
    result = json.loads(Path("runs/a/result.json").read_text("utf-8"))
    assert facts["pairs"][0]["p"] <= 1
    assert rows[0]["test_accuracy"] == result["test_accuracy"]


def test_tables(call: Call, three: None) -> None:
    said = call("runs")
    assert said.out.splitlines()[0].split()[:3] == ["run", "name", "data"]
    assert "seed 1, lr 0.02" in said.out
    said = call("compare", "runs/a", "runs/b", "runs/c", "--out", "curves.svg")
    assert said.out.splitlines()[0].split()[:4] == ["run", "folder", "seed", "lr"]
    assert "A, B" in said.out
    assert "±" in said.out
    assert "(McNemar's exact test on the test set; not corrected for 3 pairs)" in said.out
    assert said.err == "curves: curves.svg\n"
    assert Path("curves.svg").is_file()
    assert "The specs do not differ." in call("compare", "runs/a", "runs/a").out
    assert call("compare", "runs/a", "runs/c", "--format", "latex").out.count("tabular") == 2
    assert call("compare", "runs/a", "runs/c", "--format", "csv").out.count("\n") == 3


def test_many_differences_have_a_table_of_their_own(call: Call, three: None) -> None:
    spec = Path("runs/c/spec.yaml")
    text = spec.read_text("utf-8").replace("relu1: relu", "relu1: tanh").replace("p: 0.2", "p: 0.3")
    spec.write_text(text.replace("batch_size: 5", "batch_size: 6"), "utf-8")
    said = call("compare", "runs/a", "runs/c").out
    assert "\nlayers.relu1  " in said
    assert "\nkey  " in said


def test_a_folder_without_runs_and_none_at_all(call: Call, tmp_path: Path) -> None:
    assert (call("runs").status, call("runs", "none").status) == (2, 2)
    Path("runs").mkdir()
    said = call("runs")
    assert (said.status, said.out, said.err) == (0, "", "no runs in runs\n")
    assert call("runs", "--json").json == []


def test_wrong_calls(call: Call, three: None) -> None:
    for words, message in (
        (["runs/a"], "error: expected at least two runs to compare, found 1"),
        (["runs/a", "runs/d"], "error: runs/d: no such run folder"),
        (["runs/a", "runs/b", "--out", "a.bmp"], "cannot save a picture as '.bmp'; use .png, .pdf"),
    ):
        said = call("compare", *words)
        assert (said.status, said.out) == (2, "")
        assert message in said.err.replace("\\", "/")


def test_a_run_of_an_earlier_version_is_told_how_to_get_its_predictions(
    call: Call, three: None
) -> None:
    Path("runs/c/predictions.csv").unlink()
    said = call("compare", "runs/a", "runs/b", "runs/c")
    assert "No McNemar's test of C, which lacks predictions.csv; `lenetkit train" in said.out
    assert call("train", "--resume", "runs/c", "--quiet").status == 0
    assert len(call("compare", "runs/a", "runs/c", "--json").json["pairs"]) == 1


def test_a_broken_folder_is_a_row_with_its_reason(call: Call, three: None) -> None:
    shutil.copytree("runs/a", "runs/d")
    Path("runs/d/result.json").write_text("{", "utf-8")
    said = call("runs")
    assert said.status == 0
    assert "damaged" in said.out
    assert "d: result.json: is damaged: " in said.out
