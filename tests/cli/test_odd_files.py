"""Pipes, devices, folders and broken links in place of a run's own files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lenetkit.errors import RunError
from lenetkit.runs.folder import RunFolder
from tests.cli.conftest import Call

ROOT = Path(__file__).parents[2]


def _pipe(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no FIFOs")
    os.mkfifo(path)


def _link(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        try:
            path.symlink_to(target)
        except OSError:
            pytest.skip("this user may make no links")

    return make


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (_pipe, "is a pipe"),
    "folder": (Path.mkdir, "is a folder"),
    "device": (_link(os.devnull), "is a device"),
    "dangling": (_link("nowhere/at all"), "is a broken link"),
}
FILES = {
    "run.lock": [["train", "--resume", "run"]],
    "metrics.csv": [["train", "--resume", "run"], ["plot", "run"]],
    "steps.csv": [["train", "--resume", "run"], ["plot", "run"]],
    "result.json": [["plot", "run"]],
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_special_files_are_refused_by_name(call: Call, small: Path, name: str, kind: str) -> None:
    make, found = KINDS[kind]
    assert call("train", small, "--out", "run", "--quiet", "--epochs", "1").status == 0
    path = Path("run", name)
    path.unlink(missing_ok=True)
    make(path)
    if name == "run.lock" and path.is_symlink():
        found = "is a link"
    for command in FILES[name]:
        done = subprocess.run(
            [sys.executable, "-m", "lenetkit", *command],
            env=os.environ | {"PYTHONUTF8": "1", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"error: {path}: {found}; expected "), done.stderr
        assert done.stderr.count("\n") == 1


def test_a_lock_that_is_a_link_leaves_its_target_alone(call: Call, small: Path) -> None:
    Path("run").mkdir()
    Path("precious").write_text("thoughts", "utf-8")
    _link("../precious")(Path("run/run.lock"))
    said = call("train", small, "--out", "run", "--quiet")
    assert (said.status, said.err) == (
        2,
        f"error: {Path('run/run.lock')}: is a link; expected none, or what an earlier run left; "
        "remove it\n",
    )
    assert Path("precious").read_text("utf-8") == "thoughts"


def test_a_missing_table_is_named_once(call: Call, small: Path) -> None:
    assert call("train", small, "--out", "run", "--quiet").status == 0
    path = Path("run/metrics.csv")
    path.unlink()
    said = call("train", "--resume", "run")
    assert (said.status, said.err) == (
        2,
        f"error: {path}: no such file; expected the run's first 2 rows, without which it cannot "
        "continue; put it back\n",
    )
    assert call("plot", "run").err == f"error: {path}: no such file; expected a table of the run\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "it lacks the columns step, loss"),
        ("step,lost\n1,2\n", "it lacks the columns loss"),
        ("step,loss\n1,2\n2\n", "row 2: expected 2 numbers, found '2'"),
        ("step,loss\n1,2,3\n", "row 1: expected 2 numbers, found '1,2,3'"),
        ("step,loss\n1,much\n", "row 1: expected 2 numbers, found '1,much'"),
        ("step,loss\n1,\udce9\n", "it is not UTF-8 text"),
    ],
)
def test_a_damaged_table_is_described(tmp_path: Path, text: str, found: str) -> None:
    folder = RunFolder(tmp_path)
    folder.steps.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError) as caught:
        folder.read_steps()
    assert str(caught.value) == f"{folder.steps}: is damaged: {found}"


def test_a_missing_checkpoint_is_named_with_what_remains(call: Call, small: Path) -> None:
    assert call("train", small, "--out", "run", "--quiet").status == 0
    path, kept = Path("run/checkpoint.safetensors"), Path("run/model.safetensors")
    path.unlink()
    missing = f"error: {path}: no such file; a run cannot be resumed without its checkpoint: "
    said = call("train", "--resume", "run")
    assert said.status == 2
    assert said.err == f'{missing}start from its weights with --init-from "{kept}"\n'
    assert call("train", small, "--init-from", kept, "--quiet").status == 0
    kept.unlink()
    assert call("train", "--resume", "run").err == f"{missing}start over\n"
