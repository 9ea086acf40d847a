"""Commands in tests: they run in this process, and their output is captured. Needs pytest.

pytest_plugins = ["lenetkit.testing.commands"]

def test_summary(run_command):
    result = run_command("summary", "lenet5", "--set", "layers.relu1=elu", "--json")
    assert result.status == 0
    assert result.json["layers"][1]["type"] == "elu"
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from lenetkit.cli.main import run
from lenetkit.registry.catalog import installed


@dataclass(frozen=True)
class CommandResult:
    """What a command returned and printed."""

    status: int
    """The exit status: 0 done, 1 failed, 2 wrong input, 130 interrupted."""
    out: str
    """Standard output."""
    err: str
    """Standard error: messages, and progress."""

    @property
    def json(self) -> Any:
        """Standard output as JSON. Raises ValueError if it is something else."""
        return json.loads(self.out)


RunCommand: TypeAlias = Callable[..., CommandResult]


def run_command(*arguments: str | Path) -> CommandResult:
    """Run `lenetkit` with these arguments, as a shell would.

    A file given by `--plugin` is unknown to the next command. Exceptions that would end the program
    with a traceback are raised.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run([str(argument) for argument in arguments])
    finally:
        installed.cache_clear()
    for stream in (out, err):
        stream.seek(0)
    return CommandResult(status, out.read(), err.read())


@pytest.fixture(name="run_command")
def run_command_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """The function `run_command`, with the test's own `tmp_path` as the current folder."""
    monkeypatch.chdir(tmp_path)
    return run_command
