"""One plugin file checked in a process of its own, so that nothing it does costs the others."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lenetkit.cli.plugins.process_group import ending, family


def check_file(path: Path, timeout: float, verbose: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """The facts of a file's plugins, and their reports as text.

    A file that hangs, ends its process or does not load is one entry that failed.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        answer = Path(folder) / "answer"
        with family(
            [sys.executable, "-m", "lenetkit.cli.plugins.worker", str(path), str(answer)]
        ) as child:
            try:
                end = f"ended the process {ending(child.wait(timeout))}"
            except subprocess.TimeoutExpired:
                end = f"did not end within {timeout:g} s"
        try:
            facts, texts = json.loads(answer.read_text("utf-8"))
        except (OSError, ValueError):
            return [_failed(path, end)], [f"{path.name}: {end}"]
    return facts, texts


def _failed(path: Path, state: str) -> dict[str, Any]:
    failure = {"check": "loads", "message": state, "cause": "", "file": str(path), "line": None}
    counts = {"passed": 0, "failed": 1, "expected": 0, "skipped": 0}
    names = {"name": path.stem, "kind": None, "distribution": path.name, "path": str(path)}
    return {**names, **counts, "state": state, "failures": [failure]}


def _answer(path: Path, answer: Path, verbose: bool) -> None:
    from lenetkit.cli.plugins.grading import checked
    from lenetkit.errors import PluginError

    try:
        found: Any = checked((str(path),), verbose)
    except PluginError as error:
        found = [_failed(path, str(error))], [str(error)]
    answer.write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    _answer(Path(sys.argv[1]), Path(sys.argv[2]), "--verbose" in sys.argv[3:])
