"""`lenetkit plugins check` on files that do harm: each costs itself, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Call

HEAD = """\
import os, signal, sys, threading, time
from dataclasses import dataclass
import numpy as np
from lenetkit.authoring import Layer


@dataclass(frozen=True, kw_only=True)
class Good(Layer):
    def output_shape(self, in_shape):
        return in_shape

    def forward(self, params, x, call):
        return 2 * x, None

    def backward(self, params, saved, dy, grads, call):
        return 2 * dy
"""
BAD = """

@dataclass(frozen=True, kw_only=True)
class Bad(Good):
    def forward(self, params, x, call):
        DEED
        return 2 * x, None

PLUGINS = {"first": Good, "bad": Bad, "last": Good}
"""
HARM = {
    "a loop": ("while True: pass", "no answer in 3 s"),
    "a wait": ("threading.Event().wait()", "no answer in 3 s"),
    "os._exit": ("os._exit(0)", "it ended the process with status 0"),
    "sys.exit": ("sys.exit(0)", "raised SystemExit: 0"),
    "abort": ("os.abort()", "it ended the process by SIGABRT"),
    "kill": ("os.kill(os.getpid(), 9)", "it ended the process by SIGKILL"),
    "crash": ("import ctypes; ctypes.string_at(0)", "it ended the process by SIGSEGV"),
    "recursion": ("self.forward(params, x, call)", "raised RecursionError"),
    "memory": ("np.ones(1 << 50)", "raised "),
    "standard input": ("input()", "raised EOFError"),
    "interrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    "closed files": ("os.closerange(0, 256)", "it closed lenetkit's files"),
}
LINE = HEAD.count("\n") + 6
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and forks are POSIX's")


def check(call: Call, *arguments: Any, status: int = 1, timeout: int = 60) -> list[dict[str, Any]]:
    """The facts of `plugins check --json`."""
    said = call("plugins", "check", "--timeout", str(timeout), "--json", *arguments)
    assert said.status == status, said.err
    return list(said.json)


@posix
@pytest.mark.parametrize("deed", HARM)
def test_harm_is_a_failure_with_its_check_and_line(call: Call, tmp_path: Path, deed: str) -> None:
    source, message = HARM[deed]
    path = tmp_path / "harm.py"
    path.write_text(HEAD + BAD.replace("DEED", source), "utf-8")
    rows = check(call, path, timeout=3 if "3 s" in message else 60)
    assert [(row["name"], row["kind"], row["state"]) for row in rows] == [
        ("first", "layer", "ok"),
        ("bad", "layer", "failed"),
        ("last", "layer", "ok"),
    ]
    first = rows[1]["failures"][0]
    assert first["message"].startswith(message)
    assert first["check"] == "passes_return_what_the_contract_says"
    assert first["file"] == str(path)
    assert first["line"] == (LINE - 1 if deed == "closed files" else LINE)


QUIET = {
    "prints": "print('[' * 100); sys.stderr.write('x' * 1_000_000); os.write(1, b'{}' * 1000)",
    "threads": "threading.Thread(target=time.sleep, args=(600,)).start()",
    "atexit": "import atexit; atexit.register(time.sleep, 600)",
    "surroundings": "os.chdir('/'); os.environ.clear(); sys.path.clear()",
    "forks": "os.fork() if not hasattr(sys, 'once') else 0; sys.once = 1",
    "children": "import subprocess; subprocess.Popen(['sleep', '600'])",
}


@posix
@pytest.mark.parametrize("deed", QUIET)
def test_what_does_no_harm_to_the_class_costs_nothing(
    call: Call, tmp_path: Path, deed: str
) -> None:
    (tmp_path / "deed.py").write_text(f"{HEAD}\n{QUIET[deed]}\nPLUGINS = {{'it': Good}}\n", "utf-8")
    (row,) = check(call, tmp_path / "deed.py", status=0)
    assert (row["name"], row["state"]) == ("it", "ok")


def test_a_file_that_changes_lenetkit_changes_it_for_itself_only(
    call: Call, tmp_path: Path
) -> None:
    change = "import lenetkit.conformance.report as r\nr.run_check = None\nLayer.group = 'x'\n"
    (tmp_path / "a.py").write_text(f"{HEAD}{change}PLUGINS = {{'a': Good}}\n", "utf-8")
    (tmp_path / "b.py").write_text(f"{HEAD}PLUGINS = {{'b': Good}}\n", "utf-8")
    assert check(call, tmp_path)[1]["state"] == "ok"


UNLOADABLE = {
    "syntax": ("x = 1\ndef f(:\n", "does not run: SyntaxError: invalid syntax", 2),
    "nulls": ("\0", "does not run: SyntaxError: source code string cannot", None),
    "raises": ("x = 1\nraise RuntimeError('no')\n", "does not run: RuntimeError: no", 2),
    "exits": ("x = 1\nimport sys; sys.exit()\n", "does not run: SystemExit", 2),
    "ends": ("x = 1\nimport os; os._exit(0)\n", "it ended the process with status 0", 2),
    "hangs": ("x = 1\nwhile True: pass\n", "no answer in 1 s", 2),
    "nothing": ("x = 1\n", "does not say what it provides; add a line such as PLUGINS = {", None),
}


@pytest.mark.parametrize("case", UNLOADABLE)
def test_a_file_that_does_not_load_says_why_and_where(
    call: Call, tmp_path: Path, case: str
) -> None:
    source, message, line = UNLOADABLE[case]
    path = tmp_path / "odd.py"
    path.write_text(source, "utf-8")
    (row,) = check(call, path, timeout=1 if case == "hangs" else 60)
    assert (row["name"], row["kind"], row["state"]) == ("odd", None, "does not load")
    (failure,) = row["failures"]
    assert failure["check"] == "loads"
    assert failure["message"].startswith(message)
    assert failure["line"] == line
    assert failure["file"] == str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a class may hand in."""
    files = {
        "anna/layer.py": f"{HEAD}PLUGINS = {{'anna': Good}}\n",
        "ben/layer.py": f"{HEAD}PLUGINS = {{'ben': Good}}\n",
        "ben/helpers.py": "x = 1\n",
        "cleo/layer.py": "def f(:\n",
        "cleo/test_layer.py": "PLUGINS = {}\n",
        "cleo/conftest.py": "PLUGINS = {}\n",
        ".git/hook.py": "PLUGINS = {}\n",
        "own/pyvenv.cfg": "",
        "own/lib/odd.py": "PLUGINS = {}\n",
        "venv/odd.py": "PLUGINS = {}\n",
        "__pycache__/odd.py": "PLUGINS = {}\n",
        ".ipynb_checkpoints/odd.py": "PLUGINS = {}\n",
    }
    for name, source in files.items():
        path = tmp_path / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
    return tmp_path / "class"


def test_of_a_folder_what_was_handed_in_is_checked(call: Call, folder: Path) -> None:
    states = {Path(row["path"]): row["state"] for row in check(call, folder)}
    assert {str(path.relative_to(folder)): state for path, state in states.items()} == {
        str(Path("anna/layer.py")): "ok",
        str(Path("ben/layer.py")): "ok",
        str(Path("ben/helpers.py")): "not checked",
        str(Path("cleo/layer.py")): "does not load",
    }


def test_what_was_left_out_is_said_and_fails_if_strict(call: Call, folder: Path) -> None:
    said = call("plugins", "check", folder / "ben")
    assert said.status == 0
    assert "Left out, as there is no PLUGINS in them: helpers.py." in said.out
    assert "not checked" not in said.out
    strict = call("plugins", "check", "--strict", folder / "ben")
    assert strict.status == 1
    assert "not checked: there is no PLUGINS in it" in strict.out


def test_an_empty_folder_is_refused(call: Call, tmp_path: Path) -> None:
    said = call("plugins", "check", tmp_path)
    assert (said.status, said.err) == (
        2,
        f"error: {tmp_path}: no plugin files in this folder; expected *.py\n",
    )


def test_a_class_that_is_incomplete_fails(call: Call, tmp_path: Path) -> None:
    source = HEAD.replace("    def backward", "    def back")
    (tmp_path / "part.py").write_text(f"{source}PLUGINS = {{'part': Good}}\n", "utf-8")
    (row,) = check(call, tmp_path / "part.py")
    assert (row["kind"], row["state"]) == ("layer", "does not load")
    assert "backward" in row["failures"][0]["message"]


@pytest.mark.parametrize("columns", [60, 80])
def test_a_class_of_thirty_has_a_line_each(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    wrong = HEAD.replace("return 2 * dy", "return dy")
    (tmp_path / "c").mkdir()
    for number, source in enumerate([HEAD, wrong, "def f(:"]):
        path = tmp_path / "c" / f"student_{number:02}_exercise.py"
        path.write_text(f"{source}\nPLUGINS = {{'doubled': Good}}\n", "utf-8")
    lines = call("plugins", "check", "c").out.splitlines()
    rows = lines[2:5]
    assert [row[:10] for row in rows] == ["student_00", "student_01", "student_02"]
    assert [word in row for row, word in zip(rows, ("ok", "2 failed", "does not"), strict=True)]
    assert max(map(len, lines[:5])) <= columns
    assert lines[5] == ""
    assert "3 checked: 1 ok, 1 failed, 1 does not load" in lines
