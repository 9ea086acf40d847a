"""A run's pictures, drawn from its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib import font_manager

from lenetkit.plots.fonts import BASE_FAMILY
from lenetkit.runs.folder import RunFolder
from lenetkit.runs.pictures import draw
from lenetkit.runs.run import Run
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
