"""ARCHITECTURE.md tells the truth: the rooms, their order, and one batch's way through them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lenetkit
from lenetkit import Run
from tests.test_imports import ORDER, PACKAGE

TEXT = (Path(lenetkit.__file__).resolve().parents[1] / "ARCHITECTURE.md").read_text("utf-8")


def first_column(heading: str) -> list[str]:
    """The names in the first column of the table under a heading."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def test_the_table_lists_every_room_in_import_order() -> None:
    rooms = first_column("The rooms")
    assert [room.removesuffix("/").removesuffix(".py") for room in rooms] == ORDER
    there = {f"{p.name}/" if p.is_dir() else p.name for p in PACKAGE.iterdir()}
    assert set(rooms) == there - {"__init__.py", "__pycache__/", "py.typed"}


def test_a_batch_takes_the_documented_path(
    make_idx: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = first_column("One batch's way")
    assert len(way) > 15
    folder = make_idx(size=(28, 28), train=130, test=10, classes=10)
    monkeypatch.chdir(tmp_path)
    met: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("lenetkit."):
            name = f"{module.removeprefix('lenetkit.')}.{frame.f_code.co_qualname}"
            if name in way and name not in met:
                met.append(name)

    sys.setprofile(note)
    try:
        run = Run.create("lenet5", set={"data.type": "idx"}, data_dir=folder, out="run")
        next(events := run.events())
        events.close()
    finally:
        sys.setprofile(None)
    assert met == [name for name in way if name in met]
    assert set(met) == set(way)
