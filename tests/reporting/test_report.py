"""Reports: what they show of which runs, self-contained, in both languages, whatever the names."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit.errors import LenetkitError, OptionError, RunError
from lenetkit.html.chinese import CHINESE
from lenetkit.reporting.counts import Counts
from lenetkit.reporting.report import MAX_BYTES
from lenetkit.runs.folder import RunFolder
from lenetkit.runs.run import Run
from tests.support.hostile_text import EVIL, forbidden
from tests.support.small_run import write_inputs

VOID = {"meta", "br", "img"}
WRITTEN = Path(__file__).parents[1] / "support" / "version_0_1_0"


class Page(HTMLParser):
    """A report, read as a browser does: balanced tags, unique ids, nothing from elsewhere."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text("utf-8")
        self.ids: Counter[str] = Counter()
        self.references: set[str] = set()
        self.alternatives: list[str] = []
        self.headings: list[str] = []
        self.text: list[str] = []
        self.lang = ""
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        assert tag not in ("script", "link", "iframe", "object")
        self.lang = found.get("lang", "") if tag == "html" else self.lang
        if "id" in found:
            self.ids[found["id"]] += 1
        for key, value in found.items():
            assert not key.startswith(("xmlns", "on"))
            if key in ("href", "src", "xlink:href"):
                assert value.startswith(("#", "data:image/png;base64,")), value[:80]
                self.references |= {value[1:]} if value.startswith("#") else set()
            self.references |= set(re.findall(r"url\(#([^)]*)\)", value))
            assert not re.search(r"url\((?!#)", value)
        if tag == "img":
            self.alternatives.append(found["alt"])
        if tag == "svg":
            assert found["role"] == "img"
            self.alternatives.append(found["aria-label"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open or "pre" in self._open:
            return
        if self._open and re.fullmatch(r"h\d", self._open[-1]):
            self.headings.append(data)
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def reported(runs: Any, out: Path, **options: Any) -> Page:
    """A report that is as every report is."""
    path = lenetkit.report(runs, out, report=lambda message: None, **options)
    page = Page(path)
    assert len(path.read_bytes()) <= MAX_BYTES
    assert "://" not in page.source
    assert set(page.ids.values()) <= {1}
    assert page.references <= page.ids.keys()
    assert all(alternative.strip() for alternative in page.alternatives)
    assert not forbidden(page.source)
    return page


def numbers(page: Page, kind: str) -> list[int]:
    return [int(n) for n in re.findall(rf"\b{kind} (\d+)\.", page.words)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def runs(inputs: tuple[Path, Path]) -> dict[str, Path]:
    """Finished runs by what is special about them, and an interrupted one."""
    spec, data = inputs
    changes: dict[str, dict[str, Any]] = {
        "seed0": {},
        "seed1": {"train.seed": 1},
        "lr": {"train.optimizer.lr": 0.02, "train.epochs": 1},
    }
    for name, change in changes.items():
        run = Run.create(spec, out=spec.parent / name, set=change, data_dir=data, report=print)
        run.train(pictures=False)
    with Run.create(spec, out=spec.parent / "cut", data_dir=data, report=print) as run:
        for event in run.events():
            if isinstance(event, lenetkit.EpochDone):
                break
    return {name: spec.parent / name for name in (*changes, "cut")}


SECTIONS = {
    "en": (
        *("The network", "Settings", "Training", "Results", "Mistakes"),
        *("Inside the network", "Environment", "To repeat it"),
    ),
    "zh": ("网络", "设置", "训练过程", "结果", "识别错误", "网络内部", "环境", "如何重现"),
}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_report_has_every_part(
    runs: dict[str, Path], inputs: tuple[Path, Path], tmp_path: Path, lang: str
) -> None:
    page = reported(runs["seed0"], tmp_path / "a.html", lang=lang, data_dir=inputs[1])
    assert page.lang == {"en": "en", "zh": "zh-CN"}[lang]
    assert tuple(page.headings[1:]) == SECTIONS[lang]
    result = RunFolder(runs["seed0"]).read_result()
    assert f"{100 * result['test_accuracy']:.2f}%" in page.words
    wrong = len(result["mistakes"])
    # architecture, loss by step and epoch, accuracy, filters, three classes; the mistakes
    assert len(page.alternatives) == 8 + wrong
    for word in ("conv1.weight", "relu1", "train.optimizer", "numpy", result["versions"]["blas"]):
        assert word in page.words or word in page.source


def test_figures_and_tables_are_numbered_and_named(
    runs: dict[str, Path], inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    page = reported(runs["seed0"], tmp_path / "a.html", data_dir=inputs[1])
    assert numbers(page, "Figure") == list(range(1, 9))
    assert numbers(page, "Table") == list(range(1, 1 + len(numbers(page, "Table"))))
    loss = RunFolder(runs["seed0"]).read_steps()["loss"]
    assert f"Training loss by step, from {loss[0]:.4g} to {loss[-1]:.4g}" in page.alternatives


def test_precision_and_recall_are_those_of_the_counts(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    result = RunFolder(runs["seed0"]).read_result()
    found = Counts.of(result, "test")
    counts = np.asarray(result["confusion_test"])
    with np.errstate(invalid="ignore"):
        recall, precision = (np.diag(counts) / counts.sum(axis=axis) for axis in (1, 0))
        f1 = 2 * precision * recall / (precision + recall)
    np.testing.assert_allclose(found.recall(), recall)
    np.testing.assert_allclose(found.precision(), precision)
    defined = np.isfinite(f1)
    np.testing.assert_allclose(found.f1()[defined], f1[defined])
    assert found.wrong == counts.sum() - np.trace(counts)
    page = reported(runs["seed0"], tmp_path / "a.html")
    for share in recall:
        assert f"{100 * share:.2f}%" in page.words


def test_several_runs_are_compared_first(
    runs: dict[str, Path], inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    three = [runs["seed0"], runs["seed1"], runs["lr"]]
    page = reported(three, tmp_path / "a.html", data_dir=inputs[1])
    assert {"run-A", "run-B", "run-C"} <= page.ids.keys()
    assert "Network and settings are those of run A; only the seed is another: 1." in page.words
    comparison = lenetkit.compare(three)
    for pair in comparison.pairs:
        assert comparison.sentence(pair) in page.words
    group = comparison.groups[0]
    assert group.sd is not None
    assert f"{100 * group.mean:.2f} ± {100 * group.sd:.2f} %" in page.words
    assert "train.optimizer.lr" in page.words


ENGLISH = re.compile(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b|\b[A-Z][a-z]+ [a-z]+\b")


def test_no_english_remains_in_a_chinese_report(
    runs: dict[str, Path], inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    page = reported(list(runs.values()), tmp_path / "a.html", lang="zh", data_dir=inputs[1])
    for text in [*page.text, *page.alternatives]:
        if "=" not in text and "McNemar" not in text:  # options, as specs write them
            assert not ENGLISH.search(text), text
    english = {key for key, value in CHINESE.items() if len(key) > 12 and key != value}
    assert [key for key in english if key in page.words] == []


def translated() -> set[str]:
    """All that templates and modules ask to be translated."""
    package = Path(lenetkit.__file__).parent
    sources = [
        *package.glob("html/templates/*.html"),
        *package.glob("reporting/*.py"),
        package / "comparison" / "comparison.py",
    ]
    literal = r'"((?:[^"\\]|\\.)*)"'
    called = re.compile(rf"\b(?:t|said|_said)\(\s*{literal}")
    return {text for path in sources for text in called.findall(path.read_text("utf-8")) if text}


def test_all_that_is_said_has_its_chinese_with_the_same_places() -> None:
    assert translated() - CHINESE.keys() == set()
    place = re.compile(r"{(\w+)")
    for english, chinese in CHINESE.items():
        assert sorted(place.findall(english)) == sorted(place.findall(chinese)), english


def test_without_the_data_the_rest_is_shown_and_it_is_said(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    said: list[str] = []
    lenetkit.report(runs["seed0"], tmp_path / "a.html", report=said.append)
    page = Page(tmp_path / "a.html")
    assert any("the report lacks its feature maps" in message for message in said)
    assert "Feature maps are not shown: the test images are not there any more" in page.words
    if RunFolder(runs["seed0"]).read_result()["mistakes"]:
        assert "The images are not shown" in page.words
    assert "The weights conv1.weight" in page.words


def test_other_data_are_not_taken_for_those_of_the_run(
    runs: dict[str, Path], make_idx: Any, tmp_path: Path
) -> None:
    said: list[str] = []
    lenetkit.report(runs["seed0"], tmp_path / "a.html", data_dir=make_idx(), report=said.append)
    assert any("test images are not the ones used in the run" in message for message in said)


def test_an_interrupted_run_is_reported_as_far_as_it_is(
    runs: dict[str, Path], inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    page = reported(runs["cut"], tmp_path / "a.html", data_dir=inputs[1])
    assert "This run is not finished (interrupted, epochs done: 1)." in page.words
    assert {"Results", "Mistakes"}.isdisjoint(page.headings)
    assert "Accuracy after each epoch" in page.words


def arrays(classes: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2 * classes, 8, 8), np.uint8)
    labels = np.arange(2 * classes) % classes
    return {"data": (images, labels), "test": (images, labels)}


def small(outputs: int, **sections: Any) -> dict[str, Any]:
    return {
        "lenetkit": 1,
        "name": "small",
        "input": [1, 8, 8],
        "layers": {"fc": {"type": "linear", "out_features": outputs}},
        "train": {"epochs": 1, "batch_size": 16},
        **sections,
    }


@pytest.mark.parametrize(("classes", "lang"), [(20, "en"), (130, "zh")])
def test_many_classes(tmp_path: Path, classes: int, lang: str) -> None:
    run = Run.create(small(classes), out=tmp_path / "run", **arrays(classes))
    run.train(pictures=False)
    page = reported(tmp_path / "run", tmp_path / "a.html", lang=lang)
    said = {
        "en": ("Confusion matrix of the training set.", "trained on arrays from Python"),
        "zh": ("训练集的混淆矩阵", "共 130 类，列出召回率最低的", "Python 数组"),
    }
    assert all(text in page.words for text in said[lang])


def test_a_regression(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((30, 8, 8))
    data = (images, images.mean((1, 2)))
    spec = small(1, loss="mean_squared_error")
    Run.create(spec, out=tmp_path / "run", data=data, test=data).train(pictures=False)
    page = reported(tmp_path / "run", tmp_path / "a.html")
    assert "test RMSE" in page.words
    assert "Root mean square error after each epoch." in page.words
    assert "Results" not in page.headings


def test_a_run_of_an_earlier_version(runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(WRITTEN, tmp_path / "old")
    page = reported([tmp_path / "old", runs["seed0"]], tmp_path / "a.html")
    assert "run-A" in page.ids
    shutil.copytree(runs["seed1"], tmp_path / "without")
    RunFolder(tmp_path / "without").predictions.unlink()
    page = reported([tmp_path / "without", runs["seed0"]], tmp_path / "b.html")
    assert "There is no McNemar's test of runs whose folder lacks predictions.csv: A" in page.words


def test_names_of_others_are_text(
    runs: dict[str, Path], inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    evil = f"<script>alert(1)</script>{EVIL}<img src=x>&amp;"
    folder = tmp_path / "run"
    shutil.copytree(runs["seed0"], folder)
    path = RunFolder(folder).result
    result = json.loads(path.read_text("utf-8"))
    result |= {"name": evil, "dataset": evil, "classes": [evil] * 3, "differs": {evil: evil}}
    result["versions"][evil] = evil
    path.write_text(json.dumps(result), "utf-8")
    spec = RunFolder(folder).spec
    spec.write_text(spec.read_text("utf-8") + "\n# <script>alert(2)</script> é\n", "utf-8")
    for given in (folder, [folder, runs["seed1"]]):
        lenetkit.report(given, tmp_path / "a.html", report=lambda m: None, data_dir=inputs[1])
        page = Page(tmp_path / "a.html")
        assert not forbidden(page.source)
        assert "alert(1)" in page.words
        assert "alert(2)" in page.source


def test_a_missing_plugin_leaves_out_what_needs_it(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs["seed0"], folder)
    files = RunFolder(folder)
    files.spec.write_text(files.spec.read_text("utf-8").replace("relu1: relu", "relu1: no_such"))
    files.model.unlink()
    said: list[str] = []
    lenetkit.report(folder, tmp_path / "a.html", report=said.append)
    page = Page(tmp_path / "a.html")
    assert any("no_such" in message for message in said)
    assert "The network cannot be drawn here" in page.words
    assert "There is no model that could be shown." in page.words
    assert "Confusion matrix of the test set" in page.words


def test_other_kernels_need_not_be_installed(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs["seed0"], folder)
    files = RunFolder(folder)
    text = files.spec.read_text("utf-8").replace("kernels: numpy", "kernels: far_away")
    files.spec.write_text(text, "utf-8")
    files.model.unlink()
    page = reported(folder, tmp_path / "a.html")
    assert "The network cannot be drawn here" not in page.words
    assert "far_away" in page.words


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"lang": "de"}, OptionError, "lang: expected en or zh, found 'de'"),
        ({"out": "a.pdf"}, OptionError, "out: expected a name that ends in .html, found 'a.pdf'"),
        ({"runs": []}, RunError, "expected at least one run to report, found none"),
        ({"runs": "nowhere"}, RunError, "nowhere: no such run folder"),
    ],
)
def test_what_cannot_be_reported(
    runs: dict[str, Path], tmp_path: Path, changed: dict[str, Any], error: type, message: str
) -> None:
    given: dict[str, Any] = {"runs": runs["seed0"], "out": tmp_path / "a.html", **changed}
    with pytest.raises(error, match=re.escape(message)):
        lenetkit.report(given.pop("runs"), given.pop("out"), **given)
    assert not (tmp_path / "a.html").exists()


def test_a_damaged_result_is_named(runs: dict[str, Path], tmp_path: Path) -> None:
    wrong = {"confusion_test": 1, "mistakes": [{}], "epochs": 0, "versions": 3}
    for key, value in wrong.items():
        folder = tmp_path / "run"
        shutil.copytree(runs["seed0"], folder, dirs_exist_ok=True)
        path = RunFolder(folder).result
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {key: value}), "utf-8")
        with pytest.raises(LenetkitError, match="damaged"):
            lenetkit.report(folder, tmp_path / "a.html", report=lambda m: None)
