"""Specs made to exhaust time or memory are refused within bounds, in a separate process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lenetkit.cli.main import run
from lenetkit.errors import MAX_PROBLEMS
from tests.support import hostile_specs

EXPECTED = {name: said for name, (_, said) in (hostile_specs.CASES | hostile_specs.chain()).items()}


@pytest.fixture(scope="module")
def found() -> Any:
    root = Path(hostile_specs.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, hostile_specs.__file__],
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", [name for name, said in EXPECTED.items() if said != "-"])
def test_it_is_refused_with_a_reason_and_in_little_memory(found: Any, name: str) -> None:
    said, memory = found[name]["said"], found[name]["bytes"]
    assert EXPECTED[name] in said
    assert bool(said) == bool(EXPECTED[name])
    assert len(said.splitlines()) <= 2 * MAX_PROBLEMS  # in reading and in binding
    assert len(said) < 100_000
    assert memory < 64 << 20
    for problem in said.splitlines():
        assert name in problem or "fat-" in problem or problem.startswith(" ")


@pytest.mark.parametrize("name", ["alias bomb", "deep lists", "10,000 digits", "UTF-16"])
def test_the_command_says_so_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(hostile_specs.CASES[name][0])
    assert run(["summary", str(path)]) == 2
    said = capsys.readouterr().err
    assert EXPECTED[name] in said
    assert all(line.startswith("error: ") for line in said.splitlines())
