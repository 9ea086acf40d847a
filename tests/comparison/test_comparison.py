"""Runs side by side: differences, groups, pairs, tables and curves."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit.comparison.comparison import Comparison
from lenetkit.comparison.mcnemar import McNemar
from lenetkit.comparison.settings import Difference
from lenetkit.comparison.tables import csv_text, group_table, latex_text, merged, run_table, tex
from lenetkit.comparison.words import value_text
from lenetkit.errors import RunError
from lenetkit.runs.run import Run
from tests.support.small_run import write_inputs

RUNS: dict[str, Mapping[str, Any]] = {
    "seed0": {},
    "seed1": {"train.seed": 1},
    "seed2": {"train.seed": 2},
    "lr": {"train.optimizer.lr": 0.02},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished runs by what is special about them; tests that change one copy it."""
    top = tmp_path_factory.mktemp("runs")
    spec, data = write_inputs(top)
    found = {}
    for name, changes in RUNS.items():
        found[name] = top / name
        changes = {"train.epochs": 2, **changes}
        run = Run.create(spec, out=top / name, set=changes, data_dir=data, report=print)
        run.train(pictures=False)
    return found


@pytest.fixture
def four(folders: dict[str, Path]) -> Comparison:
    return lenetkit.compare(folders.values())


def test_two_runs_that_differ_in_one_key(folders: dict[str, Path]) -> None:
    found = lenetkit.compare([folders["seed0"], folders["lr"]])
    assert found.differences == [Difference("train.optimizer.lr", (0.01, 0.02))]
    assert repr(found) == "<Comparison of 2 runs that differ in train.optimizer.lr>"
    assert lenetkit.compare([folders["lr"]] * 2).differences == []


def test_seeds_are_a_group_although_they_draw_other_samples(four: Comparison) -> None:
    """They hold out other samples, of which `standardize` learns other means."""
    assert [d.key for d in four.differences] == ["train.seed", "train.optimizer.lr"]
    seeds, alone = four.groups
    accuracies = [run.figures["test_accuracy"] for run in four.runs[:3]]
    assert seeds.runs == four.runs[:3]
    assert seeds.mean == pytest.approx(statistics.fmean(accuracies))
    assert seeds.sd == pytest.approx(float(np.std(accuracies, ddof=1)))
    assert (alone.runs, alone.sd) == (four.runs[3:], None)


def test_pairs_count_what_only_one_reads_right(four: Comparison) -> None:
    assert len(four.pairs) == 6
    pair = four.pairs[0]
    right = []
    for run in (pair.a, pair.b):
        rows = csv.DictReader((run.path / "predictions.csv").read_text("utf-8").splitlines())
        right.append([row["true"] == row["predicted"] for row in rows])
        assert np.mean(right[-1]) == pytest.approx(run.figures["test_accuracy"])
    assert pair.test == McNemar.of(*right)


def test_a_pair_in_words(four: Comparison) -> None:
    pair = four.pairs[0]
    swapped = type(pair)(pair.a, pair.b, McNemar(12, 31))
    assert four.sentence(swapped) == (
        "B reads 31 images right that A reads wrong, the other way 12: p = 0.005"
    )
    alike = type(pair)(pair.a, pair.b, McNemar(0, 0))
    assert four.sentence(alike) == "A and B read the same images right"


def test_a_run_without_predictions_has_no_pairs(folders: dict[str, Path], tmp_path: Path) -> None:
    old = shutil.copytree(folders["lr"], tmp_path / "old")
    (old / "predictions.csv").unlink()
    found = lenetkit.compare([folders["seed0"], old])
    assert found.pairs == []
    assert [run.path for run in found.untested] == [old]


def test_other_data_under_the_same_spec_is_a_difference(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    other = shutil.copytree(folders["seed0"], tmp_path / "other")
    result = json.loads((other / "result.json").read_text("utf-8"))
    result["dataset"] = "fashion"
    result["dataset_digest"]["test"] = "0" * 64
    (other / "result.json").write_text(json.dumps(result), "utf-8")
    found = lenetkit.compare([folders["seed0"], other])
    (difference,) = found.differences
    assert (difference.key, difference.values[1]) == ("dataset", "fashion")
    assert found.pairs == []
    assert len(found.groups) == 2


def test_a_run_that_went_on_with_another_spec_differs_in_its_parts(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    went_on = shutil.copytree(folders["seed0"], tmp_path / "went_on")
    earlier = (went_on / "spec.yaml").read_text("utf-8").replace("lr: 0.01", "lr: 0.5")
    text = f"# steps 1 to 3, in epochs 1 to 1\n{earlier}"
    (went_on / "spec-001.yaml").write_text(text, "utf-8")
    (difference,) = lenetkit.compare([folders["seed0"], went_on]).differences
    assert difference.key == "parts"
    assert difference.values == (None, [{"steps": "1–3", "train.optimizer.lr": 0.5}])
    assert value_text(difference.values[1]) == "steps 1–3 lr 0.5"


def test_unfinished_runs_are_in_no_group(folders: dict[str, Path], tmp_path: Path) -> None:
    begun = shutil.copytree(folders["seed1"], tmp_path / "begun")
    (begun / "result.json").unlink()
    found = lenetkit.compare([folders["seed0"], begun])
    assert [len(group.runs) for group in found.groups] == [1]
    rows, headers, _ = run_table(found)
    assert headers[-1] == "state"
    assert rows[1][-1] == "interrupted"
    found.plot(tmp_path / "both.svg")


def test_what_is_no_run_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    broken = shutil.copytree(folders["seed0"], tmp_path / "broken")
    (broken / "result.json").write_text("{", "utf-8")
    with pytest.raises(RunError, match=r"broken: cannot be compared: result.json: is damaged"):
        lenetkit.compare([folders["seed0"], broken])
    with pytest.raises(RunError, match="no such run folder"):
        lenetkit.compare([folders["seed0"], tmp_path / "none"])
    with pytest.raises(RunError, match="at least two runs to compare, found 1"):
        lenetkit.compare([folders["seed0"]])
    with pytest.raises(TypeError, match="several run folders"):
        lenetkit.compare(folders["seed0"])  # type: ignore[arg-type]


def test_rows_are_a_table(four: Comparison) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(four.rows())
    assert list(table["train.seed"]) == [0, 1, 2, 0]
    assert list(table["group"]) == [1, 1, 1, 2]
    assert list(table["test_accuracy"]) == [run.figures["test_accuracy"] for run in four.runs]


def test_csv_has_every_figure_in_full(four: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(four))))
    assert [row["run"] for row in rows] == ["A", "B", "C", "D"]
    assert [float(row["test_loss"]) for row in rows] == [r.figures["test_loss"] for r in four.runs]
    assert [row["train.optimizer.lr"] for row in rows] == ["0.01", "0.01", "0.01", "0.02"]


def test_groups_say_what_sets_them_apart(four: Comparison) -> None:
    rows, headers, _ = group_table(four)
    assert headers == ["runs", "lr", "n", "test mean ± sd"]
    assert [row[:3] for row in rows] == [["A, B, C", "0.01", "3"], ["D", "0.02", "1"]]
    assert "±" in rows[0][3]
    assert "±" not in rows[1][3]


NASTY = '50%_of $x$ & #1 {~^\\} "q" <|> --a\n\x1b[31m 数字'


def test_latex_is_escaped(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(folders["lr"], tmp_path / "a_b%c&d#$e{f}~^")
    text = latex_text(lenetkit.compare([folders["seed0"], copy]))
    for line in text.splitlines():
        bare = re.sub(r"\\\\$|\\[&%$#_{}]", "", line)
        if " & " in line:
            cells = re.split(r"(?<!\\)&", line.removesuffix(r" \\"))
            assert len(cells) == len(re.split(r"(?<!\\)&", text.splitlines()[4][:-3]))
        commands = re.sub(r"\\[a-z]+\d*(\{[^{}]*\})*|\{-\}", "", bare)
        assert not re.search(r"[$#_~^\\]|(?<!^)%", commands), line
        assert bare.count("{") == bare.count("}")
    assert tex(NASTY).isprintable()
    assert tex("a_b") == r"a\_b"
    assert tex("\\") == r"\textbackslash{}"


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_curves_are_drawn_and_always_the_same(four: Comparison, tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for path in paths:
        four.plot(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_letters_do_not_end_at_z(folders: dict[str, Path]) -> None:
    found = lenetkit.compare([folders["lr"]] * 28)
    letters = [row["run"] for row in found.rows()]
    assert letters[:2] + letters[25:] == ["A", "B", "Z", "AA", "AB"]


def test_regressions_have_rmse_and_no_mcnemar(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3)).astype(np.float32)
    targets = rows.sum(axis=1, keepdims=True)
    spec = {
        "lenetkit": 1,
        "name": "line",
        "input": [3],
        "layers": {"fc": {"type": "linear", "out_features": 1}},
        "loss": "mean_squared_error",
    }
    for seed in (0, 1):
        lenetkit.fit(
            spec,
            rows,
            targets,
            test=(rows, targets),
            epochs=2,
            seed=seed,
            out=tmp_path / f"run{seed}",
        )
    assert not (tmp_path / "run0" / "predictions.csv").exists()
    found = lenetkit.compare([tmp_path / "run0", tmp_path / "run1"])
    (group,) = found.groups
    assert group.figure == "test_rmse"
    assert group.sd is not None
    assert math.isfinite(group.mean)
    assert not found.pairs
    assert not found.untested
    assert {"test RMSE", "test R²"} <= set(run_table(found)[1])
    assert "test %" not in run_table(found)[1]
    figure = found.plot(tmp_path / "curves.png")
    assert [axes.get_ylabel() for axes in figure.axes[:1]] == ["RMSE, test"]


def test_other_training_data_alone_is_a_difference(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2
    spec = {
        "lenetkit": 1,
        "name": "own",
        "input": [3],
        "layers": {"fc": {"type": "linear", "out_features": 2}},
    }
    for name, given in (("a", rows), ("b", rows + 1)):
        lenetkit.fit(spec, given, labels, test=(rows, labels), epochs=1, out=tmp_path / name)
    lenetkit.fit(spec, rows, labels, epochs=1, out=tmp_path / "untested")
    untested = lenetkit.compare([tmp_path / "a", tmp_path / "untested"])
    assert (untested.pairs, untested.untested) == ([], [])
    found = lenetkit.compare([tmp_path / "a", tmp_path / "b"])
    (difference,) = found.differences
    assert difference.key == "dataset"
    assert len(set(difference.values)) == 2
    assert all(re.fullmatch(r"arrays \(training [0-9a-f]{8}\)", v) for v in difference.values)
    assert [len(group.runs) for group in found.groups] == [1, 1]


def changed(folder: Path, to: Path, **values: Any) -> Path:
    """A copy of a run with other values in its result."""
    copy = shutil.copytree(folder, to)
    result = json.loads((copy / "result.json").read_text("utf-8"))
    (copy / "result.json").write_text(json.dumps(result | values), "utf-8")
    return copy


def test_other_test_files_are_a_difference_where_transforms_differ_too(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    spec, data = write_inputs(tmp_path)
    settings = {"train.epochs": 1, "data.transforms": ["scale"]}
    run = Run.create(spec, out=tmp_path / "scaled", set=settings, data_dir=data, report=print)
    run.train(pictures=False)
    for name, keys in (("stripes", []), ("fashion", ["dataset"])):
        other = changed(tmp_path / "scaled", tmp_path / name, dataset=name)
        found = lenetkit.compare([folders["seed0"], other])
        assert [d.key for d in found.differences] == ["data.transforms", "train.epochs", *keys]


def test_what_weights_a_run_started_from_is_a_difference(tmp_path: Path) -> None:
    spec, data = write_inputs(tmp_path)
    for name, start in (("a", None), ("b", tmp_path / "a"), ("c", tmp_path / "a")):
        seed = {"train.epochs": 1, "train.seed": int(name == "c")}
        with Run.create(
            spec,
            out=tmp_path / name,
            set=seed,
            data_dir=data,
            init_from=start,
            report=print,
        ) as run:
            run.train(pictures=False)
    found = lenetkit.compare(tmp_path / name for name in "abc")
    seeds, weights = found.differences
    assert (seeds.key, weights.key) == ("train.seed", "init_from")
    assert weights.values[0] is None
    assert re.fullmatch(r"model\.safetensors [0-9a-f]{8}", weights.values[1])
    assert weights.values[1] == weights.values[2]
    assert [len(group.runs) for group in found.groups] == [1, 2]


def test_a_run_given_twice_is_no_second_sample(folders: dict[str, Path]) -> None:
    found = lenetkit.compare([folders["lr"]] * 2)
    assert [(group.mean, group.sd) for group in found.groups] == [
        (found.runs[0].figures["test_accuracy"], None)
    ]
    again = lenetkit.compare(found.runs[:1] * 2)
    assert [row["run"] for row in again.rows()] == ["A", "B"]


def test_records_of_damaged_runs_are_refused_too(folders: dict[str, Path], tmp_path: Path) -> None:
    broken = shutil.copytree(folders["seed0"], tmp_path / "broken")
    (broken / "spec.yaml").unlink()
    records = lenetkit.find_runs(tmp_path) * 2
    with pytest.raises(RunError, match=r"broken: cannot be compared: spec\.yaml: no such file"):
        lenetkit.compare(records)


def test_predictions_that_are_not_the_results_are_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    cut = shutil.copytree(folders["seed0"], tmp_path / "cut")
    lines = (cut / "predictions.csv").read_text("utf-8").splitlines()
    (cut / "predictions.csv").write_text("\n".join(lines[:2]), "utf-8")
    with pytest.raises(RunError, match=r"predictions\.csv: is damaged: \d of its 1 rows are right"):
        _ = lenetkit.compare([folders["seed0"], cut]).pairs
    accuracy = float(len({*lines[1].split(",")[1:3]}) == 1)
    cut = changed(cut, tmp_path / "alike", test_accuracy=accuracy)
    message = r"predictions\.csv: is damaged: it has 1 rows, that of .*seed0, of the same test set"
    with pytest.raises(RunError, match=message):
        _ = lenetkit.compare([folders["seed0"], cut]).pairs


def test_neighbouring_layers_with_the_same_values_are_one_row() -> None:
    values = ("relu", "tanh")
    keys = ("layers.relu1", "layers.relu2", "layers.conv2.kernel_size", "layers.relu3", "init")
    found = merged([Difference(key, values) for key in keys])
    assert [d.key for d in found] == ["layers.relu1, relu2", *keys[2:]]
    assert merged([Difference("layers.a", (1, 2)), Difference("layers.b", (2, 1))])[1:]
