"""What notebooks show of networks, evaluations, runs and histories: right figures, escaped."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit import Run
from lenetkit.conformance.report import Report, Result
from lenetkit.html.rendering import figure, setting
from lenetkit.layers.activations import ReLU
from lenetkit.model.model import Model
from lenetkit.network.plan import load_plan
from lenetkit.testing import layer_checks, run_checks
from lenetkit.testing.commands import RunCommand, run_command_in_a_folder
from lenetkit.training.divergence import DivergedError
from lenetkit.training.evaluation import Evaluation, RealEvaluation
from lenetkit.training.history import Columns, History
from tests.support.specs import small_plan

__all__ = ["run_command_in_a_folder"]

VOID = {"img", "br"}
HOSTILE = '<script>alert(1)</script>\x1b[2J"\u202e'


class Reader(HTMLParser):
    """The tags of some HTML, balanced, and its tables as rows of text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)
        match tag:
            case "table":
                self.tables.append([])
            case "tr":
                self.tables[-1].append([])
            case "td" | "th":
                self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if self._open[-1:] in (["td"], ["th"]):
            self.tables[-1][-1][-1] += data


def shown(thing: Any) -> Reader:
    """What a notebook shows of something."""
    return Reader(thing._repr_html_())


def evaluation(classes: int, names: tuple[str, ...] = (), n: int = 500) -> Evaluation:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, n)
    predicted = np.where(rng.random(n) < 0.7, labels, rng.integers(0, classes, n)).astype(np.intp)
    return Evaluation(0.5, labels, predicted, np.ones(n, np.float32), classes, "digits", names)


def test_a_plan_has_the_figures_of_summary(run_command: RunCommand) -> None:
    (table,) = shown(load_plan("lenet5")).tables
    facts = run_command("summary", "lenet5", "--json").json
    columns = ("params", "macs", "connections")
    for row, layer in zip(table[1:-1], facts["layers"], strict=True):
        shape = "×".join(map(str, layer["output_shape"]))
        counts = [f"{layer[name]:,}" if layer[name] else "" for name in columns]
        field = "×".join(map(str, layer["receptive_field"]))
        assert row == [layer["name"], layer["type"], layer["provider"], shape, field, *counts]
    assert table[-1] == [
        "total",
        "",
        "",
        "",
        "",
        *(f"{facts[f'total_{name}']:,}" for name in columns),
    ]


def test_a_network_says_how_far_it_is_trained() -> None:
    network = Model(small_plan())
    assert "No training recorded." in shown(network).text
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8))
    network.fit(images, np.arange(20) % 3, epochs=2, test=(images, np.arange(20) % 3))
    page = shown(network)
    accuracy = network.history[-1]["test_accuracy"]
    assert "Trained on arrays: after epoch 2" in page.text
    assert f"test accuracy {100 * accuracy:.2f}%" in page.text
    assert f"{network.plan.count():,}" in page.tables[0][-1]


@pytest.mark.parametrize("metrics", ["[]", "{", '{"epoch": "x", "test_accuracy": null}', "1e999"])
def test_a_network_of_a_damaged_file_is_shown(metrics: str) -> None:
    network = Model(small_plan())
    network.fit(np.random.default_rng(0).integers(0, 256, (5, 8, 8)), [0, 1, 2, 0, 1], epochs=1)
    network.history.clear()
    network.metadata["metrics"] = metrics
    assert "Trained on arrays." in shown(network).text


def test_a_confusion_matrix_is_counted_independently() -> None:
    found = evaluation(4)
    (table,) = shown(found).tables
    counts = np.zeros((4, 4), int)
    for was, told in zip(found.labels, found.predicted, strict=True):
        counts[was, told] += 1
    right = np.diag(counts)
    recall, precision = 100 * right / counts.sum(axis=1), 100 * right / counts.sum(axis=0)
    for i, row in enumerate(table[2:-1]):
        cells = [f"{n:,}" if n or i == j else "" for j, n in enumerate(counts[i])]
        assert row == [str(i), *cells, f"{recall[i]:.1f}%"]
    assert table[-1] == ["precision", *(f"{share:.1f}%" for share in precision), ""]
    page = shown(found).text
    assert f"accuracy {100 * right.sum() / 500:.2f}%" in page
    assert "loss 0.5000, 500 samples (digits)" in page


def test_one_sample_is_singular() -> None:
    found = evaluation(3, n=1)
    assert "1 sample (digits)" in shown(found).text
    assert "of 1 sample:" in repr(found)


def test_of_many_classes_only_the_worst_are_shown() -> None:
    found = evaluation(1000, n=20_000)
    page = found._repr_html_()
    assert len(page) < 20_000
    weakest, errors = shown(found).tables
    recall = found.recall()
    shares = [float(row[2].rstrip("%")) / 100 for row in weakest[1:]]
    assert shares == pytest.approx(np.sort(recall)[: len(shares)], abs=1e-4)
    assert len(weakest) == len(errors) == 21
    pairs = list(zip(found.labels.tolist(), found.predicted.tolist(), strict=True))
    for was, told, n in errors[1:]:
        assert pairs.count((int(was), int(told))) == int(n)


def test_evaluations_without_samples_or_without_errors_are_shown() -> None:
    assert "accuracy –, loss 0.5000, 0 samples" in shown(evaluation(3, n=0)).text
    labels = np.arange(100)
    perfect = Evaluation(0.0, labels, labels, np.ones(100, np.float32), 100)
    assert "All samples of all classes are right." in shown(perfect).text
    few = Evaluation(0.0, labels % 3, labels % 3, np.ones(100, np.float32), 3)
    assert shown(few).tables[0][2][1] == "34"


def test_a_regression_shows_rmse_and_r2() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(50, 2))
    outputs = targets + rng.normal(size=(50, 2)) / 10
    text = shown(RealEvaluation(0.1, targets, outputs, "heights")).text
    rmse = np.sqrt(((outputs - targets) ** 2).mean())
    spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    r2 = (1 - ((outputs - targets) ** 2).sum(axis=0) / spread).mean()
    assert f"RMSE {rmse:.4g}, R² {r2:.4f}, loss 0.1, 50 samples (heights)" in text


def test_a_history_is_a_table_of_its_rows() -> None:
    rows = History()
    assert "No epochs recorded." in shown(rows).text
    for epoch in range(1, 101):
        rows.append({"epoch": epoch, "lr": 0.01, "test_accuracy": epoch / 200, "seconds": 1.0})
    (table,) = shown(rows).tables
    assert table[0] == ["epoch", "last lr", "test accuracy", "seconds"]
    assert table[1] == ["1", "1.00e-02", "0.50%", "1.00"]
    assert table[-1] == ["100", "1.00e-02", "50.00%", "1.00"]
    assert len(table) == 1 + 3 + 1 + 20
    assert table[4] == ["… 77 more epochs …"]
    assert shown(Columns(rows.columns)).tables == [table]
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(rows).equals(pandas.DataFrame(Columns(rows.columns)))


def test_a_run_shows_settings_figures_and_curves(small: Path) -> None:
    run = Run.create(small, out="run", set={"train.optimizer.lr": 0.02})
    before = shown(run)
    assert "0 of 2 epochs" in before.text
    assert "img" not in before.tags
    run.train()
    page = shown(run)
    settings, epochs, layers = page.tables
    told = dict(settings)
    assert told["data set"] == "stripes: 12 training + 6 test samples"
    assert told["optimizer"].startswith("adam (lr 0.02, ")
    assert told["epochs"] == "2"
    assert [row[0] for row in epochs[1:]] == ["1", "2"]
    assert float(epochs[2][2]) == pytest.approx(run.history["train_loss"][1], abs=1e-4)
    assert layers[1][0] == "conv1"
    (address,) = (value for name, value in page.attributes if name == "src")
    assert str(address).startswith("data:image/png;base64,")
    assert "small: lr 0.02" in page.text


def test_a_run_says_that_it_diverged_and_why(small: Path) -> None:
    huge = {"train.optimizer": {"type": "sgd", "lr": 3e38}}
    run = Run.create(small, out="run", set=huge)
    with pytest.raises(DivergedError):
        run.train()
    text = shown(run).text
    assert "of 2 epochs; diverged" in text
    assert "Usually the learning rate is too high" in text


def test_a_run_says_which_steps_another_spec_trained(small: Path) -> None:
    run = Run.create(small, out="run")
    run.train(pictures=False)
    steps, changed = run.progress.step, {"train.epochs": 3, "train.optimizer.lr": 0.5}
    run = Run.resume("run", set=changed, allow_different=True, report=lambda said: None)
    told = dict(shown(run).tables[0])
    assert told["spec-001.yaml"] == f"trained steps 1 to {steps}"
    assert told["optimizer"].startswith("adam (lr 0.5, ")


def test_the_pictures_of_a_run_show_themselves(small: Path) -> None:
    run = Run.create(small, out="run")
    run.train(pictures=False)
    pictures = run.plot()
    assert {path.name for path in pictures} >= {"loss.png", "confusion_test.png"}
    page = shown(pictures)
    assert len([1 for name, _ in page.attributes if name == "src"]) == len(pictures)


def hostile_network() -> Model:
    """Names that are not what they seem; of layers, which a spec would refuse."""
    layers = {"fc1": {"type": "linear", "out_features": 2}}
    spec: dict[str, Any] = {"lenetkit": 1, "name": "x", "input": [3], "layers": layers}
    network = lenetkit.fit(spec, np.eye(3), [HOSTILE, "b", "b"], epochs=1)
    network.metadata["dataset"] = HOSTILE
    named = [replace(layer, name="<b>", type=HOSTILE) for layer in network.plan.layers]
    network.plan = replace(network.plan, layers=tuple(named))
    return network


def test_hostile_names_are_shown_as_text() -> None:
    network = hostile_network()
    evaluated = evaluation(2, (HOSTILE, "b"))
    many, few = evaluation(70, (HOSTILE,) * 70), evaluation(3, (HOSTILE, "a", "b"))
    report = Report((Result("check", HOSTILE, "failed", f"{HOSTILE}\nlikely cause: <b>"),))
    for view in (network, network.plan, evaluated, many, few, History([{HOSTILE: 1.0}]), report):
        page = view._repr_html_()
        assert Reader(page).tags & {"script", "b"} == set()
        assert not {"\x1b", "\u202e"} & set(page)
    for view in (network, evaluated, many, few, report):
        assert '<script>alert(1)</script>\\x1b[2J"\\u202e' in shown(view).text


def test_a_report_of_checks_is_shown() -> None:
    text = shown(run_checks(layer_checks(ReLU(), (3, 6, 5)))).text
    assert " 0 failed" in text
    assert "that do not apply" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("relu", "relu"),
        (True, "True"),
        (None, "none"),
        (1e-3, "0.001"),
        ({"type": "adam", "lr": 0.1, "betas": [0.9, 0.99]}, "adam (lr 0.1, betas 0.9, 0.99)"),
        ({"type": "adam"}, "adam"),
        ([{"type": "scale"}, "pad"], "scale, pad"),
        ([], "none"),
    ],
)
def test_settings_are_told_in_words(value: Any, text: str) -> None:
    assert setting(value) == text


def test_figures_are_written_as_their_names_demand() -> None:
    assert figure(0.5, "test_accuracy") == "50.00%"
    assert figure(float("nan"), "test_loss") == "–"
    assert figure(3.0, "epoch") == "3"
    assert figure(12345.678, "train_rmse") == "1.235e+04"
