"""A bad plugin breaks nothing but itself, and is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
    environment = os.environ | {"PYTHONPATH": str(site), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-m", "lenetkit", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_the_list_marks_what_does_not_load_and_why(site: Path) -> None:
    said = lenetkit(site, ["plugins", "list", "--timeout", "5", "--json"])
    assert said.returncode == 0, said.stderr
    rows = {(row["distribution"], row["name"]): row["state"] for row in json.loads(said.stdout)}
    assert "does not load: RuntimeError: broken at import" in rows["hostile", "raises"]
    assert "does not load: SystemExit: 5" in rows["hostile", "exits"]
    assert rows["hostile", "dies"] == "does not load: it ended the process with status 7"
    assert rows["hostile", "hangs"].startswith("does not load: no answer in 5 s")
    assert "is no subclass of lenetkit.layer.Layer" in rows["hostile", "wrong"]
    assert rows["hostile", "relu"] == "ok; 'relu' is the built-in: write 'hostile:relu'"
    assert rows["hostile", "prints"] == rows["hostile", "good"] == "ok"
    assert rows["old", "ancient"].startswith("was built for plugin API 0; this lenetkit has 1")
    assert rows["lenetkit", "relu"] == rows["lenetkit", "conv2d"] == "ok"


@pytest.mark.parametrize("arguments", [["--help"], ["summary", "lenet5"], ["spec", "lenet5"]])
def test_what_does_not_use_a_bad_plugin_does_not_notice_it(
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
        ("wrong", "layer 'wrong' of hostile 1.0 (plugin_wrong:Layer) is no subclass of"),
        ("ancient", "layer 'ancient' of old 1.0 (plugin_good:Layer) was built for plugin API 0"),
    ],
)
def test_a_spec_that_uses_one_says_whose_it_is(site: Path, name: str, message: str) -> None:
    said = lenetkit(site, ["summary", "lenet5", "--set", f"layers.relu1={name}"])
    assert said.returncode == 2
    assert message in said.stderr
    assert "Traceback" not in said.stderr


def test_a_builtin_is_not_shadowed_and_the_other_is_had_by_its_full_name(site: Path) -> None:
    said = lenetkit(site, ["summary", "lenet5", "--json"])
    assert {row["provider"] for row in json.loads(said.stdout)["layers"]} == {"lenetkit"}
    change = "layers.relu1={type: 'hostile:relu'}"
    said = lenetkit(site, ["summary", "lenet5", "--set", change, "--json"])
    row = json.loads(said.stdout)["layers"][1]
    assert row["provider"] == "hostile"
