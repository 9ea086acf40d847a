"""A run's pictures, drawn from its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib import font_manager

from lenetkit.errors import LenetkitWarning
from lenetkit.plots import FORMATS
from lenetkit.plots.fonts import BASE_FAMILY
from lenetkit.runs.folder import PICTURE_KINDS, PICTURES, RunFolder
from lenetkit.runs.pictures import draw
from lenetkit.runs.run import Run
from lenetkit.spec.changes import title
from tests.support.small_run import write_inputs


@pytest.fixture
def finished(tmp_path: Path) -> RunFolder:
    """A finished run without its pictures."""
    spec, data = write_inputs(tmp_path)
    with Run.create(spec, out=tmp_path / "run", data_dir=data) as run:
        run.train(pictures=False)
    return run.folder


def rename_classes(folder: RunFolder, *names: str) -> None:
    result = json.loads(folder.result.read_text("utf-8"))
    folder.result.write_text(json.dumps(result | {"classes": names}), "utf-8")


def test_missing_characters_are_told_once(
    finished: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = font_manager.fontManager
    own = [entry for entry in manager.ttflist if entry.name == BASE_FAMILY]
    monkeypatch.setattr(manager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    rename_classes(finished, "ಕ", "ನ", "ಡ")
    told: list[str] = []
    assert draw(finished, lambda: None, told.append)
    assert len(told) == 1
    assert "no installed font has ಕ ನ ಡ" in told[0]


def test_titles_say_what_differs_and_follow_a_resumed_run(tmp_path: Path) -> None:
    spec, data = write_inputs(tmp_path)
    changed = {"train.optimizer.lr": 0.02, "train.epochs": 1}
    with Run.create(spec, out=tmp_path / "run", set=changed, data_dir=data) as run:
        result = run.train(pictures=False)
    assert title(result["name"], result["differs"]) == "small: epochs 1, lr 0.02"
    with pytest.warns(LenetkitWarning, match="learning rate rises"):
        run = Run.resume(tmp_path / "run", set={"train.epochs": 2}, data_dir=data)
    result = run.train(pictures=False)
    assert title(result["name"], result["differs"]) == "small: epochs 2, lr 0.02"
    (path, *_) = draw(run.folder, lambda: None, fail, kind="svg")
    assert path.name == "loss.svg"


@pytest.mark.parametrize("kind", PICTURE_KINDS)
def test_every_format_is_drawn_and_always_the_same(finished: RunFolder, kind: str) -> None:
    paths = draw(finished, lambda: None, fail, kind=kind)
    assert {path.name for path in paths} == {f"{n}.{kind}" for n in PICTURES if n != "mistakes"}
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in draw(finished, lambda: None, fail, kind=kind)] == before
    finished.discard_result()
    assert not any(path.exists() for path in paths)


def test_a_runs_formats_are_those_of_figures() -> None:
    assert PICTURE_KINDS == FORMATS


def test_held_out_samples_have_a_curve(finished: RunFolder) -> None:
    paths = draw(finished, lambda: None, fail, kind="svg")
    for path in paths:
        if path.stem in ("accuracy", "loss_epochs"):
            assert ">validation" in path.read_text("utf-8")


def fail(message: str) -> None:
    raise AssertionError(message)
