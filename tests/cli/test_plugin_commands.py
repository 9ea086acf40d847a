"""`lenetkit plugins info, check, new`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lenetkit.registry.catalog import installed

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def _fresh_catalog() -> Iterator[None]:
    installed.cache_clear()
    yield
    installed.cache_clear()


def test_info_shows_options_documentation_and_source(call: Call) -> None:
    said = call("plugins", "info", "leaky_relu")
    assert said.status == 0
    assert said.out.startswith("leaky_relu: layer of lenetkit ")
    assert "activations.py:" in said.out
    assert "Maas et al. 2013" in said.out
    row = " ".join(said.out.splitlines()[-1].split())
    assert row == "negative_slope a number ≥ 0 0.01 Slope for x ≤ 0."


def test_info_shows_every_group_that_has_the_name(call: Call) -> None:
    facts = call("plugins", "info", "constant", "--json").json
    assert [fact["kind"] for fact in facts] == ["schedule", "initializer"]
    assert facts[1]["options"][0]["required"]


def test_info_on_an_unknown_name_suggests_one(call: Call) -> None:
    said = call("plugins", "info", "conv2")
    assert (said.status, said.err) == (
        2,
        "error: nothing is registered as 'conv2'; did you mean 'conv2d'?\n",
    )


def test_check_of_builtins(call: Call) -> None:
    rows = call("plugins", "check", "tanh", "adam", "--json").json
    assert [(row["name"], row["state"], row["failed"]) for row in rows] == [
        ("tanh", "ok", 0),
        ("adam", "ok", 0),
    ]
    assert rows[0]["passed"] >= 25
    assert "checks were skipped; --verbose says why." in call("plugins", "check", "tanh").out
    assert "neither parameters nor state" in call("plugins", "check", "tanh", "--verbose").out


WRONG = '''
from dataclasses import dataclass
from lenetkit.layers.activations import Tanh


@dataclass(frozen=True, kw_only=True)
class Doubled(Tanh):
    """Its gradient is twice too large."""

    def backward(self, params, saved, dy, grads, call):
        return 2 * super().backward(params, saved, dy, grads, call)


PLUGINS = {"doubled": Doubled}
'''


def test_check_of_a_faulty_file_says_what_fails(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "doubled.py"
    path.write_text(WRONG, "utf-8")
    said = call("plugins", "check", path)
    assert said.status == 1
    assert "failed" in said.out
    assert "input_gradient" in said.out


def test_check_of_an_unknown_name_suggests_one(call: Call) -> None:
    said = call("plugins", "check", "lenetkid")
    assert said.status == 2
    assert "nothing is registered as 'lenetkid'; did you mean 'lenetkit'?" in said.err


def test_new_writes_a_distribution_that_passes_its_own_tests(call: Call, tmp_path: Path) -> None:
    said = call("plugins", "new", "my-layers", "--out", tmp_path)
    assert said.status == 0
    folder = tmp_path / "my-layers"
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert [Path(name) for name in names] == [
        Path("README.md"),
        Path("pyproject.toml"),
        Path("src/my_layers/__init__.py"),
        Path("tests/test_my_layers.py"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["My-Layers", "json", "lenetkit", "a--b", "-a", "for", "../x"])
def test_new_refuses_a_bad_name(call: Call, tmp_path: Path, name: str) -> None:
    said = call("plugins", "new", "--out", tmp_path, "--", name)
    assert said.status == 2
    assert f"'{name}': expected a name of lowercase letters" in said.err
    assert not list(tmp_path.iterdir())


def test_new_never_overwrites_a_folder(call: Call, tmp_path: Path) -> None:
    (tmp_path / "my-layers").mkdir()
    said = call("plugins", "new", "my-layers", "--out", tmp_path)
    assert said.status == 2
    assert "my-layers: already exists" in said.err


FIELD = Path(__file__).parents[1] / "support" / "field" / "plugins"


RIGHT = """\
from dataclasses import dataclass
from lenetkit.authoring import Schedule

@dataclass(frozen=True, kw_only=True)
class Halved(Schedule):
    def rate(self, lr, at):
        return lr * 0.5**at.epoch

PLUGINS = {"halved": Halved}
"""


def test_a_file_that_hangs_exits_or_does_not_parse_costs_the_others_nothing(
    call: Call, tmp_path: Path
) -> None:
    names = ("x01_hang", "x02_osexit", "x09_syntax", "right")
    files = [FIELD / f"{name}.py" for name in names[:3]] + [tmp_path / "right.py"]
    files[3].write_text(RIGHT, "utf-8")
    said = call("plugins", "check", "--timeout", "2", "--json", *files)
    assert said.status == 1
    rows = {Path(row["path"]).stem: row for row in said.json}
    assert [rows[name]["state"] for name in names] == ["failed", "failed", "does not load", "ok"]
    first = {name: rows[name]["failures"][0] for name in names[:3]}
    hang, end, syntax = first.values()
    assert hang["check"] == end["check"] == "passes_return_what_the_contract_says"
    assert hang["message"] == "no answer in 2 s (x01_hang.py:20, in forward)"
    assert end["message"] == ("it ended the process with status 0 (x02_osexit.py:19, in forward)")
    assert (hang["line"], end["line"], syntax["line"]) == (20, 19, 1)
    assert syntax["message"].startswith("does not run: SyntaxError: invalid syntax")
    assert {f["file"] for f in first.values()} == {str(file) for file in files[:3]}
    assert [(r["name"], r["kind"]) for r in said.json][:2] == [("r", "layer")] * 2


def test_announced_failures_are_not_ok_alone_and_fail_if_strict(call: Call) -> None:
    said = call("plugins", "check", "--json", FIELD / "x07_expected.py")
    assert (said.status, said.json[0]["state"]) == (0, "ok but for announced failures")
    assert call("plugins", "check", "--strict", FIELD / "x07_expected.py").status == 1


def test_every_failure_has_its_file_and_line(call: Call) -> None:
    (row,) = call("plugins", "check", "--json", FIELD / "l12b_self_assign.py").json
    assert row["failed"] == len(row["failures"])
    first = row["failures"][0]
    assert (first["file"], first["line"]) == (str(FIELD / "l12b_self_assign.py"), 18)
    assert "return it from forward" in first["cause"]
