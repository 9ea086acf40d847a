"""What training shows while it runs: nothing in programs, a bar and a table in notebooks."""

from __future__ import annotations

import subprocess
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit import Run
from lenetkit.network.plan import Plan
from lenetkit.training import loop
from lenetkit.training.history import History
from lenetkit.training.progress import EpochTable
from lenetkit.training.watching import in_notebook, watching
from tests.support.specs import small_plan

Bundle = dict[str, str]
X = np.random.default_rng(0).integers(0, 256, (12, 8, 8))
Y = np.arange(12) % 3


@dataclass
class Notebook:
    """As much of IPython as a kernel has: a display whose contents can be replaced."""

    shown: list[Bundle] = field(default_factory=list)
    kernel: object = "a kernel"

    def display(self, bundle: Bundle, *, raw: bool, display_id: bool) -> Notebook:
        assert raw
        assert display_id
        self.shown.append(bundle)
        return self

    def update(self, bundle: Bundle, *, raw: bool) -> None:
        assert raw
        self.shown.append(bundle)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """This process as the kernel of a notebook."""
    made = Notebook()
    ipython: Any = types.ModuleType("IPython")
    ipython.version_info = (9, 0)
    ipython.get_ipython = lambda: made
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = made.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return made


def plan(*changes: str) -> Plan:
    return small_plan("train.epochs=3", *changes)


def network(*changes: str) -> lenetkit.Model:
    return lenetkit.Model(plan(*changes))


def test_fit_shows_a_bar_in_a_notebook_and_leaves_the_table(notebook: Notebook) -> None:
    trained = network().fit(X, Y, test=(X, Y))
    first, *_, last = notebook.shown
    assert "<progress" in first["text/html"]
    assert any("epoch 1 of 3 done" in bundle["text/html"] for bundle in notebook.shown)
    assert "<progress" not in last["text/html"]
    assert "small on arrays" in last["text/html"]
    assert "3 epochs, " in last["text/plain"]
    for row in trained.history:
        assert f"{row['train_loss']:.4f}" in last["text/html"]
        assert f"{row['train_loss']:.4f}" in last["text/plain"]


def test_the_bar_shows_the_running_means(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    network().fit(X, Y)
    texts = [bundle["text/plain"].splitlines()[0] for bundle in notebook.shown]
    steps = [text for text in texts if " left" in text]
    assert len(steps) == 9
    assert all("loss " in text and "acc " in text for text in steps)
    assert steps[0].startswith("small on arrays: epoch 1 of 3, ")
    shares = [0.111 + i / 9 for i in range(9)]
    pages = [b["text/html"] for b in notebook.shown if " left" in b["text/plain"]]
    found = [page.partition('value="')[2][:5] for page in pages]
    assert [float(share) for share in found] == pytest.approx(shares, abs=2e-3)


def test_runs_and_the_function_show_it_too(notebook: Notebook, small: Path) -> None:
    run = Run.create(small, out="a")
    run.train(pictures=False)
    assert "2 epochs, " in notebook.shown[-1]["text/plain"]
    done = len(notebook.shown)
    lenetkit.fit(small, X, Y, out="b", epochs=1)
    assert "1 epoch, " in notebook.shown[-1]["text/plain"]
    done = len(notebook.shown)
    Run.create(small, out="c").train(pictures=False, progress=False)
    network().fit(X, Y, progress=False)
    list(lenetkit.train(network(), network().training_data(X, Y)))
    assert len(notebook.shown) == done


def test_an_error_ends_the_bar_and_is_named(notebook: Notebook, small: Path) -> None:
    run = Run.create(small, out="a")

    def fail(event: object) -> None:
        if getattr(event, "step", 0) == 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run.train(watch=fail)
    last = notebook.shown[-1]["text/html"]
    assert "1 epoch, " in last
    assert "ended by ZeroDivisionError after step 4" in last
    assert "<progress" not in last


def test_hostile_names_are_escaped(notebook: Notebook) -> None:
    data = network().training_data(X, Y)
    object.__setattr__(data.train, "dataset", "<script>\x1b")
    with watching(None, "<b>", data, network().plan.spec.train, start()):
        pass
    for bundle in notebook.shown:
        assert "&lt;b&gt; on &lt;script&gt;\\x1b" in bundle["text/html"]
        assert "\x1b" not in bundle["text/plain"]


def start() -> Any:
    made = network()
    return loop.start(made, made.plan.spec.train)


def test_a_program_shows_nothing_unless_it_is_asked_to(
    capfd: pytest.CaptureFixture[str], small: Path
) -> None:
    assert not in_notebook()
    network().fit(X, Y)
    Run.create(small, out="a").train(pictures=False)
    assert capfd.readouterr() == ("", "")
    network("data.validation=3").fit(X, Y, test=(X, Y), progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    over, heading, *rows = err.splitlines()
    assert over.split() == ["train", "held", "out", "test"]
    assert heading.split()[:3] == ["epoch", "last", "lr"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]


def test_a_shell_of_ipython_without_a_kernel_is_no_notebook(notebook: Notebook) -> None:
    assert in_notebook()
    notebook.kernel = None
    assert not in_notebook()


def test_training_without_a_notebook_imports_no_ipython_and_no_bar() -> None:
    program = (
        "import sys, numpy as np, lenetkit\n"
        "n = lenetkit.build('lenet5')\n"
        "n.fit(np.zeros((4, 28, 28)) + np.arange(28) * 9, [0, 1, 2, 3], epochs=1)\n"
        "print({'IPython', 'tqdm', 'jinja2', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("set()\n", 0), done.stderr


def regression(**how: Any) -> lenetkit.Model:
    changes = {"layers.fc1.out_features": 1, "loss": "mean_squared_error", "task": "regression"}
    real = X.mean(axis=(1, 2))
    return lenetkit.fit(network().spec, X, real, test=(X, real), overrides=changes, epochs=2, **how)


def test_a_regression_shows_its_rmse(
    notebook: Notebook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = regression()
    text = notebook.shown[-1]["text/plain"]
    monkeypatch.delitem(sys.modules, "IPython")
    regression(progress=True)
    for said in (text, capsys.readouterr().err):
        heading, *rows = said.splitlines()[-3:]
        assert heading.split() == ["epoch", "last", "lr", *["loss", "rmse"] * 2, "seconds"]
        for row, epoch in zip(rows, trained.history, strict=True):
            assert row.split()[3] == row.split()[5] == f"{epoch['train_rmse']:.4g}"


def test_columns_have_a_place_for_each_epoch() -> None:
    history = History([{"epoch": 1}, {"epoch": 2, "test_loss": 0.5}])
    np.testing.assert_equal(history.columns["test_loss"], [np.nan, 0.5])


def test_the_table_of_epochs_shows_each_sets_figures_and_drops_the_rate_first() -> None:
    made = network("train.epochs=1", "data.validation=3")
    data = made.training_data(X, Y, test=(X, Y))
    *_, done = lenetkit.train(made, data)
    assert isinstance(done, lenetkit.EpochDone)
    assert done.validation
    row = EpochTable.of(data, 999).row(done).split()
    assert [row[2], row[4], row[6]] == [
        f"{found.loss:.4f}" for found in (done.train, done.validation, done.test)
    ]
    for room, gone in ((73, ()), (72, ("last lr",)), (63, ("last lr", "seconds"))):
        shown = EpochTable.of(data, room).heading.splitlines()[1]
        assert len(shown) <= room
        assert [name for name in ("last lr", "seconds", "loss") if name not in shown] == [*gone]
