"""A bad plugin breaks nothing but itself, and is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

MODULES = {
    "raises": "raise RuntimeError('broken at import')",
    "exits": "import sys; sys.exit(5)",
    "dies": "import os; os._exit(7)",
    "hangs": "import time; time.sleep(60)",
    "prints": (
        "print('hello from a plugin')\nfrom lenetkit.layers.activations import ReLU as Layer"
    ),
    "wrong": "class Layer: pass",
    "mute": (
        "class Mute(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Mute"
    ),
    "base": "class Base(BaseException): pass\nraise Base('not an Exception')",
    "leaves": "raise GeneratorExit",
    "feigns": "class Feigned(KeyboardInterrupt): pass\nraise Feigned('nobody pressed a key')",
    "shouts": "raise RuntimeError('x' * 100_000)",
    "odd": (
        "class Odd(type):\n    def __subclasscheck__(cls, other): raise RuntimeError\n"
        "    @property\n    def __mro__(cls): raise RuntimeError\n"
        "class Layer(metaclass=Odd): pass"
    ),
    "parent": (
        "import os, pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path(os.environ['CHILDREN'], str(child.pid)).touch()\n"
        "from lenetkit.layers.activations import Tanh as Layer"
    ),
    "forks": (
        "import os, pathlib, time\n"
        "if hasattr(os, 'fork') and (child := os.fork()):\n"
        "    pathlib.Path(os.environ['CHILDREN'], str(child)).touch()\n"
        "elif hasattr(os, 'fork'):\n"
        "    time.sleep(600)\n"
        "from lenetkit.layers.activations import Tanh as Layer"
    ),
    "doubles": (
        "import os\nif hasattr(os, 'fork'):\n    os.fork()\n"  # both processes continue
        "from lenetkit.layers.activations import Tanh as Layer"
    ),
    "greedy": "from lenetkit.layers.activations import Tanh as Layer",
    "good": "from lenetkit.layers.activations import Tanh as Layer",
}
NAMES = {module: "relu" if module == "greedy" else module for module in MODULES}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder for sys.path with two distributions: one hostile, one for another API."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name, source in MODULES.items():
        (folder / f"plugin_{name}.py").write_text(source, "utf-8")
    points = "\n".join(f"{NAMES[name]} = plugin_{name}:Layer" for name in MODULES)
    _distribution(folder, "hostile", f"[lenetkit.layers]\n{points}\n")
    _distribution(
        folder, "old", "[lenetkit.layers]\nancient = plugin_good:Layer\n[lenetkit.api]\n0 = old\n"
    )
    return folder


def _distribution(folder: Path, name: str, points: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(points, "utf-8")


def lenetkit(site: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(site), str(Path(__file__).parents[2]))),
        "PYTHONUTF8": "1",
        "CHILDREN": str(site),
    }
    return subprocess.run(
        [sys.executable, "-m", "lenetkit", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_the_list_says_what_does_not_load_and_why(site: Path) -> None:
    said = lenetkit(site, ["plugins", "list", "--timeout", "5", "--json"])
    assert said.returncode == 0, said.stderr
    rows = {(row["distribution"], row["name"]): row["state"] for row in json.loads(said.stdout)}
    assert "does not load: RuntimeError: broken at import" in rows["hostile", "raises"]
    assert "does not load: SystemExit: 5" in rows["hostile", "exits"]
    assert rows["hostile", "dies"] == "does not load: it ended the process with status 7"
    assert rows["hostile", "hangs"] == "does not load: no answer in 5 s"
    assert rows["hostile", "mute"].endswith("does not load: Mute")
    assert "does not load: Base: not an Exception" in rows["hostile", "base"]
    assert "does not load: GeneratorExit" in rows["hostile", "leaves"]
    assert "does not load: Feigned: nobody pressed a key" in rows["hostile", "feigns"]
    assert "does not load: RuntimeError: xxx" in rows["hostile", "shouts"]
    assert len(rows["hostile", "shouts"]) < 1000
    assert (
        "is not a subclass" in rows["hostile", "odd"]
        or "cannot be checked" in rows["hostile", "odd"]
    )
    assert rows["hostile", "parent"] == rows["hostile", "forks"] == "ok"
    assert rows["hostile", "doubles"] == "ok"
    assert "is not a subclass of lenetkit.layers.base.Layer" in rows["hostile", "wrong"]
    assert rows["hostile", "relu"] == "ok; 'relu' is the built-in: write 'hostile:relu'"
    assert rows["hostile", "prints"] == rows["hostile", "good"] == "ok"
    assert rows["old", "ancient"].startswith("was built for plugin API 0; this lenetkit has 2")
    assert rows["lenetkit", "relu"] == rows["lenetkit", "conv2d"] == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups on Windows")
def test_processes_that_a_plugin_started_end_with_the_list(site: Path) -> None:
    began = time.monotonic()
    assert lenetkit(site, ["plugins", "list", "--timeout", "5"]).returncode == 0
    assert time.monotonic() - began < 300, "nobody waits for the children, who take 600 s"
    children = [int(path.name) for path in site.iterdir() if path.name.isdecimal()]
    assert len(children) == 2
    for child in children:
        assert not _runs(child)


def _runs(process: int) -> bool:
    """Whether a process is running; a zombie is not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True
    ).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_what_a_plugin_writes_into_all_files_is_no_answer(site: Path) -> None:
    source = (
        "import os, contextlib\n"
        "for fd in range(3, 30):\n"
        "    with contextlib.suppress(OSError):\n"
        '        os.write(fd, b\'\\n{\\n\\xff\\n["answer", "ok"]\\n\')\n'
        "os._exit(0)\n"
    )
    (site / "vandal.py").write_text(source, "utf-8")
    _distribution(site, "vandal", "[lenetkit.layers]\nvandal = vandal:Layer\n")
    said = lenetkit(site, ["plugins", "list", "--timeout", "5", "--json"])
    rows = {(row["distribution"], row["name"]): row["state"] for row in json.loads(said.stdout)}
    assert rows["vandal", "vandal"] == "does not load: it ended the process with status 0"
    assert rows["hostile", "good"] == "ok"


@pytest.fixture
def damaged(site: Path) -> Path:
    """The same folder with distributions whose files are damaged, each in a different way."""
    good = "good = plugin_good:Layer\n"
    _distribution(site, "garbled", f"[lenetkit.layers]\n{good}this is no entry point\n")
    _distribution(site, "aloof", "[console_scripts]\nnot one either\n")
    _distribution(site, "binary", "")
    (site / "binary-1.0.dist-info" / "entry_points.txt").write_bytes(
        b"[lenetkit.layers]\n\xff=\xfe"
    )
    _distribution(site, "astray", "[lenetkit.layers]\nastray = no such: thing!\nnothing =\n")
    nameless = site / "nameless-1.0.dist-info"
    nameless.mkdir()
    (nameless / "entry_points.txt").write_text(f"[lenetkit.layers]\n{good}", "utf-8")
    return site


def test_damaged_distributions_are_named_and_left_out(damaged: Path) -> None:
    said = lenetkit(damaged, ["plugins", "list", "--timeout", "5", "--json"])
    assert said.returncode == 0, said.stderr
    assert "Traceback" not in said.stderr
    notes = said.stderr.splitlines()
    assert all(note.startswith("note: ") and note.endswith("; left out") for note in notes)
    for name, why in {
        "garbled": "line 3 is not NAME = MODULE:CLASS: 'this is no entry point'",
        "aloof": "line 2 is not NAME = MODULE:CLASS: 'not one either'",
        "binary": "UnicodeDecodeError",
        str(damaged): "its METADATA names no name and version",
    }.items():
        (note,) = [n for n in notes if f"{name}: its entry points cannot be read: " in n]
        assert why in note
    assert len(notes) == 4
    rows = {(row["distribution"], row["name"]): row["state"] for row in json.loads(said.stdout)}
    assert rows["astray", "astray"] == "points at 'no such: thing!'; expected MODULE:CLASS"
    assert rows["astray", "nothing"] == "points at ''; expected MODULE:CLASS"
    assert rows["lenetkit", "relu"] == "ok"
    assert not {"garbled", "binary"} & {distribution for distribution, _ in rows}


@pytest.mark.parametrize("arguments", [["summary", "lenet5"], ["plugins", "info", "relu"]])
def test_damaged_distributions_affect_nothing_else(damaged: Path, arguments: list[str]) -> None:
    said = lenetkit(damaged, arguments)
    assert (said.returncode, said.stderr) == (0, "")


def test_an_unknown_name_may_be_in_a_damaged_distribution(damaged: Path) -> None:
    said = lenetkit(damaged, ["summary", "lenet5", "--set", "layers.relu1=garbled_layer"])
    assert said.returncode == 2
    assert "no layer is registered as 'garbled_layer'" in said.stderr
    assert "note: garbled: its entry points cannot be read: line 3 is not NAME" in said.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["summary", "lenet5"], ["spec", "lenet5"]])
def test_commands_that_do_not_use_a_bad_plugin_are_unaffected(
    site: Path, arguments: list[str]
) -> None:
    said = lenetkit(site, arguments)
    assert (said.returncode, said.stderr) == (0, "")
    assert "hello from a plugin" not in said.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "layer 'raises' of hostile 1.0 (plugin_raises:Layer) does not load: Runtime"),
        ("exits", "layer 'exits' of hostile 1.0 (plugin_exits:Layer) does not load: SystemExit"),
        ("mute", "(plugin_mute:Layer) does not load: Mute"),
        ("base", "(plugin_base:Layer) does not load: Base: not an Exception"),
        ("feigns", "(plugin_feigns:Layer) does not load: Feigned: nobody pressed a key"),
        ("wrong", "layer 'wrong' of hostile 1.0 (plugin_wrong:Layer) is not a subclass of"),
        ("ancient", "layer 'ancient' of old 1.0 (plugin_good:Layer) was built for plugin API 0"),
    ],
)
def test_an_error_in_a_spec_that_uses_one_names_its_distribution(
    site: Path, name: str, message: str
) -> None:
    said = lenetkit(site, ["summary", "lenet5", "--set", f"layers.relu1={name}"])
    assert said.returncode == 2
    assert message in said.stderr
    assert "Traceback" not in said.stderr


def test_a_builtin_is_not_shadowed_and_the_other_has_a_full_name(site: Path) -> None:
    said = lenetkit(site, ["summary", "lenet5", "--json"])
    assert {row["provider"] for row in json.loads(said.stdout)["layers"]} == {"lenetkit"}
    change = "layers.relu1={type: 'hostile:relu'}"
    said = lenetkit(site, ["summary", "lenet5", "--set", change, "--json"])
    row = json.loads(said.stdout)["layers"][1]
    assert row["provider"] == "hostile"
