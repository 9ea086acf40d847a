"""Damaged inputs for each of the five parsers; `scripts/fuzz` gives them more."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lenetkit.errors import DataError

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "fuzz"
COUNTS = {"spec": 50_000, "idx": 50_000, "model": 50_000, "foreign": 20_000, "image": 50_000}


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize(("parser", "count"), COUNTS.items())
def test_every_damaged_input_is_read_or_refused_with_a_message(parser: str, count: int) -> None:
    done = fuzz("--count", str(count), parser)
    assert done.returncode == 0, done.stderr[-5000:]
    found = re.match(rf"{parser}: ([0-9,]+) inputs, ([0-9,]+) read, ([0-9,]+) refused", done.stdout)
    assert found is not None, done.stdout
    tried, read, refused = (int(number.replace(",", "")) for number in found.groups())
    assert tried == read + refused == count
    assert read > count // 200, "damage that nothing survives tries only the first lines"
    assert refused > count // 2


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script's names; what it saves goes to `tmp_path`."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize("fault", [KeyError("odd"), DataError("no path"), RecursionError()])
def test_other_outcomes_are_saved_and_reported(
    script: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: Exception,
) -> None:
    def faulty(self: Any, path: Path) -> object:
        raise fault

    target = script["TARGETS"]["idx"]
    monkeypatch.setattr(type(target), "read", faulty)
    assert script["fuzz"]("idx", 0, range(3, 5)) == 2
    said = capsys.readouterr()
    assert said.out.startswith("idx: 2 inputs, 0 read, 0 refused, 2 failed; ")
    assert "input 3 of seed 0 is kept in" in said.err
    assert "Traceback" in said.err
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["fuzz-idx-0-3", "fuzz-idx-0-4"]


@pytest.mark.parametrize("parser", COUNTS)
def test_seed_and_number_determine_an_input(script: Any, parser: str) -> None:
    target = script["TARGETS"][parser]
    corpus = target.corpus()
    inputs = [
        [target.damaged(script["random"].Random(f"{seed} {n}"), corpus) for n in range(50)]
        for seed in (1, 1, 2)
    ]
    assert inputs[0] == inputs[1] != inputs[2]
    assert len(set(inputs[0])) > 40
    assert target.corpus() == corpus


def test_an_unknown_parser_is_refused() -> None:
    done = fuzz("pictures")
    assert done.returncode == 2
    assert "no parser is called pictures; there are spec, idx, model, foreign, image" in done.stderr
