"""Networks that learn real numbers: targets, evaluation, files and runs."""

from __future__ import annotations

import copy
import csv
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import lenetkit
from lenetkit import Run, StepDone
from lenetkit.cli.main import run as run_command
from lenetkit.data.targets import Targets, are_real
from lenetkit.errors import ArrayError, DataError, ModelFileError, SpecError
from lenetkit.files import tensorfile
from lenetkit.training.evaluation import RealEvaluation
from tests.support.small_run import outcome

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
T = X @ [1.0, 2.0, -1.0, 0.5] + 0.1 * RNG.normal(size=200)
SPEC: dict[str, Any] = {
    "lenetkit": 1,
    "name": "line",
    "input": [4],
    "layers": {
        "fc1": {"type": "linear", "out_features": 16},
        "relu1": "relu",
        "fc2": {"type": "linear", "out_features": 1},
    },
    "loss": "mean_squared_error",
    "train": {"epochs": 30, "batch_size": 20, "optimizer": {"type": "adam", "lr": 0.01}},
}
TWO = {"layers.fc2.out_features": 2}


def fitted(targets: Any = T, **settings: Any) -> Any:
    return lenetkit.fit(SPEC, X, targets, **settings)


def test_real_targets_are_learned_and_predicted() -> None:
    network = fitted(test=(X, T), validation=0.2)
    assert network.spec["task"] == "regression"
    result = network.evaluate(X, T)
    assert isinstance(result, RealEvaluation)
    assert result.r2 > 0.95
    answers = network.predict(X)
    assert answers.shape == T.shape
    assert result.rmse == pytest.approx(float(np.sqrt(np.mean((answers - T) ** 2))))
    assert result.loss == pytest.approx(result.rmse**2, rel=1e-5)
    sets = ("train", "test", "validation")
    columns = [f"{name}_{figure}" for name in sets for figure in ("loss", "rmse", "r2")]
    assert list(network.history[0]) == ["epoch", "lr", *columns, "seconds"]
    errors = [row["validation_rmse"] for row in network.history]
    assert json.loads(network.metadata["metrics"])["validation_rmse"] == min(errors)
    assert repr(result).startswith("<Evaluation of 200 samples: RMSE 0.")
    for name in ("accuracy", "confusion"):
        with pytest.raises(AttributeError, match=f"^a regression has no '{name}'; it has loss, rm"):
            getattr(result, name)


@pytest.mark.parametrize(
    ("targets", "overrides"),
    [
        (T, {}),
        (T[:, None], {}),
        (np.stack([T, -T], 1), TWO),
        (np.rint(T).astype(int), {}),
        (np.rint(np.stack([T, 3 * T], 1)), TWO),
        (T.tolist(), {}),
        (T.astype(object), {}),
    ],
)
def test_predictions_have_the_form_of_the_targets(
    targets: Any, overrides: Any, tmp_path: Path
) -> None:
    network: Any = fitted(targets, overrides=overrides, epochs=2)
    network.save(tmp_path / "m.safetensors")
    loaded: Any = lenetkit.load(tmp_path / "m.safetensors")
    for twin in (network, loaded, copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert twin.predict(X).shape == np.shape(targets)
        assert twin.evaluate(X, targets).rmse == network.evaluate(X, targets).rmse
    assert yaml.safe_load(loaded.metadata["spec"])["task"] == "regression"
    assert loaded.classes == ()


def test_the_spec_says_the_task_or_the_first_targets_do() -> None:
    whole = np.arange(200) % 2
    classes = fitted(whole, overrides=TWO, epochs=1)
    assert "task" not in classes.spec
    assert classes.evaluate(X, whole).confusion.sum() == 200
    rows = np.eye(2)[whole]
    said = fitted(rows, overrides={**TWO, "task": "regression"}, epochs=1)
    assert said.evaluate(X, rows).rmse > 0
    with pytest.raises(ArrayError, match=r"^expected labels of whole numbers, .*, found -?\d"):
        classes.fit(X, T)  # it knows classes
    with pytest.raises(
        ArrayError, match=r"found -?0\.\d+; networks learn real numbers with loss: m"
    ):
        fitted(overrides={"loss": "softmax_cross_entropy"})
    forced = fitted(np.zeros(200, int), overrides={"task": "classification"}, epochs=1)
    assert forced.evaluate(X, np.zeros(200, int)).accuracy == 1


def test_a_loss_of_classes_is_a_mistake_of_the_spec() -> None:
    wrong = {**SPEC, "task": "regression", "loss": "softmax_cross_entropy"}
    said = r"^the spec: loss: softmax_cross_entropy takes classes only; task: regression needs one"
    with pytest.raises(SpecError, match=said):
        lenetkit.build(wrong)
    with pytest.raises(SpecError, match=r"^the spec: task: .*; did you mean 'regression'\?$"):
        lenetkit.build({**SPEC, "task": "regresion"})


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (T[1:], r"^expected 200 targets, one for each sample, found shape \(199,\)$"),
        (["a"] * 200, r"^expected real numbers as targets, found <U1$"),
        ([None, *T[1:]], r"^expected finite targets, found 1 that are nan or infinite$"),
        (np.where(T > 0, T, np.inf), r"^expected finite targets, found \d+ that are nan or inf"),
        (
            np.stack([T, T], 1),
            r"^found targets of shape \(200, 2\), 2 for each sample, but the network has 1 output; "
            r'overrides=\{"layers\.fc2\.out_features": 2\}$',
        ),
    ],
)
def test_other_targets_are_refused(targets: Any, said: str) -> None:
    with pytest.raises(ArrayError, match=said):
        lenetkit.fit(SPEC, X, targets, overrides={"task": "regression"})
    with pytest.raises(ArrayError, match=said):
        lenetkit.build(SPEC, {"task": "regression"}).evaluate(X, targets)


def test_what_needs_classes_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = fitted(epochs=1)
    with pytest.raises(ArrayError, match="gives real numbers, not probabilities"):
        network.probabilities(X)
    with pytest.raises(DataError, match=r"^task: regression learns real targets, and data sets"):
        network.fit()
    network.save(tmp_path / "m.safetensors")
    assert run_command(["evaluate", str(tmp_path / "m.safetensors")]) == 2
    assert "gives real numbers, not classes" in capsys.readouterr().err
    tensors, metadata = tensorfile.read(tmp_path / "m.safetensors")
    tensorfile.write(tmp_path / "m.safetensors", tensors, {**metadata, "target_axes": "3"})
    with pytest.raises(ModelFileError, match="target_axes: expected 1 or 2, found '3'"):
        lenetkit.load(tmp_path / "m.safetensors")


def test_a_run_of_a_regression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = fitted(test=(X, T), epochs=3, out="whole")
    given: dict[str, Any] = {"data": (X, T), "test": (X, T)}
    for event in Run.create(SPEC, out="part", set={"train.epochs": 3}, **given).events():
        if isinstance(event, StepDone) and event.step == 12:
            break
    run = Run.resume("part", **given)
    run.train(pictures=False)
    assert outcome(Path("part")) == outcome(Path("whole"))
    with Path("whole/metrics.csv").open(encoding="utf-8") as file:
        assert "test_rmse" in next(csv.reader(file))
    result = json.loads(Path("whole/result.json").read_text("utf-8"))
    assert (result["task"], result["test_r2"]) == ("regression", network.evaluate(X, T).r2)
    assert {path.name for path in Path("whole").glob("*.png")} == {"loss.png", "loss_epochs.png"}
    assert run_command(["plot", "whole"]) == 0
    assert run.history["test_rmse"] == pytest.approx([row["test_rmse"] for row in network.history])


def test_r2_is_as_it_is_defined() -> None:
    targets = np.stack([T, 5 + 0 * T, T**2], 1)
    mean = np.broadcast_to(targets.mean(axis=0), targets.shape)
    assert RealEvaluation(0.0, targets, targets, "").r2 == 1
    assert RealEvaluation(0.0, targets, mean, "").r2 == pytest.approx(1 / 3)
    assert RealEvaluation(0.0, targets[:, 1:2], targets[:, 1:2] + 1, "").r2 == 0
    assert np.isnan(RealEvaluation(0.0, targets[:1], targets[:1], "").r2)
    assert np.isnan(RealEvaluation(0.0, targets[:0], targets[:0], "").rmse)


@given(st.integers(1, 4), st.lists(st.integers(-3, 3), min_size=4, max_size=24), st.booleans())
def test_only_what_can_be_no_classes_is_real(columns: int, values: list[int], half: bool) -> None:
    found = np.array(values[: len(values) // columns * columns], float).reshape(-1, columns)
    found += 0.5 * half
    is_one_hot = columns > 1 and all(sorted(row) == [0] * (columns - 1) + [1] for row in found)
    assert are_real(found, columns) == (half or columns == 1 or not is_one_hot)
    if columns > 1:
        assert not are_real(found[:, 0] - 0.5 * half, columns)
    rows = Targets(columns, 2).read(found, len(found))
    np.testing.assert_array_equal(rows, found)
