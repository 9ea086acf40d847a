"""`--plugin FILE.py`: one-off plugins, recorded in the model file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lenetkit.files import tensorfile
from lenetkit.registry.catalog import installed

Call = Callable[..., Any]

CELU = '''
from dataclasses import dataclass

import numpy as np
from lenetkit.layers.base import Layer
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class CELU(Layer):
    """y = x for x > 0, else alpha (e^x - 1)."""

    alpha: float = option(1.0, above=0, doc="Limit for x to minus infinity, negated.")

    def output_shape(self, in_shape):
        return in_shape

    def forward(self, params, x, call):
        y = np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))
        return y, y

    def backward(self, params, saved, dy, grads, call):
        return dy * np.where(saved > 0, 1, saved + self.alpha).astype(dy.dtype)


PLUGINS = {"celu": CELU}
'''


@pytest.fixture(autouse=True)
def _fresh_catalog() -> Iterator[None]:
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.fixture
def celu(tmp_path: Path) -> Path:
    path = tmp_path / "celu.py"
    path.write_text(CELU, "utf-8")
    return path


def test_a_file_works_in_every_command_that_reads_a_spec(
    call: Call, small: Path, celu: Path
) -> None:
    change = ("--set", "layers.relu1={type: celu, alpha: 0.5}", "--plugin", celu)
    facts = call("summary", small, *change, "--json").json
    assert [row["provider"] for row in facts["layers"]][1] == "celu.py"
    assert "relu1: {type: celu, alpha: 0.5}" in call("spec", small, *change).out
    assert call("data", "info", "--spec", small, *change).status == 0
    assert call("train", small, *change, "--out", "run", "--quiet").status == 0
    for arguments in (["evaluate", "run/model.safetensors"], ["plot", "run"]):
        assert call(*arguments, "--plugin", celu).status == 0
    _, metadata = tensorfile.read(Path("run/model.safetensors"))
    distribution, version = json.loads(metadata["providers"])["celu"]
    assert distribution == "celu.py"
    assert version.startswith("sha256:")


def test_a_model_without_its_file_says_what_to_pass(call: Call, small: Path, celu: Path) -> None:
    call("train", small, "--set", "layers.relu1=celu", "--plugin", celu, "--out", "run", "--quiet")
    installed.cache_clear()
    said = call("evaluate", "run/model.safetensors")
    assert said.status == 2
    assert "no layer is registered as 'celu'" in said.err
    assert "\n  pass --plugin celu.py (the model was made with sha256:" in said.err


BROKEN = {
    "nothing said": ("x = 1", "does not say what it provides; add a line such as"),
    "raises": ("raise RuntimeError('no')", "does not run: RuntimeError: no"),
    "exits": ("import sys; sys.exit(3)", "does not run: SystemExit: 3"),
    "raises anything": (
        "class Odd(BaseException): pass\nraise Odd('x')",
        "does not run: Odd: x",
    ),
    "raises what looks like Ctrl-C": (
        "class Odd(KeyboardInterrupt): pass\nraise Odd('x')",
        "does not run: Odd: x",
    ),
    "raises what cannot be shown": (
        "class Odd(Exception):\n    def __str__(self): raise SystemExit\nraise Odd('x')",
        "does not run: Odd\n",
    ),
    "syntax": ("def", "does not run: SyntaxError"),
    "wrong class": ("PLUGINS = {'a': int}", "PLUGINS['a'] is not a subclass of Layer, Loss"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named(call: Call, small: Path, tmp_path: Path, case: str) -> None:
    source, message = BROKEN[case]
    path = tmp_path / "broken.py"
    path.write_text(source, "utf-8")
    said = call("summary", small, "--plugin", path)
    assert said.status == 2
    assert f"error: {path}: {message}" in said.err


def test_a_missing_file_is_named(call: Call, small: Path) -> None:
    said = call("summary", small, "--plugin", "no.py")
    assert (said.status, said.err) == (
        2,
        "error: no.py: no such file; expected a Python file\n",
    )


def test_ctrl_c_while_a_file_runs_is_ctrl_c(call: Call, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "slow.py"
    path.write_text("raise KeyboardInterrupt", "utf-8")
    said = call("summary", small, "--plugin", path)
    assert (said.status, said.err.strip()) == (130, "interrupted")


def test_a_layer_that_exits_is_a_failure(call: Call, small: Path, celu: Path) -> None:
    celu.write_text(
        CELU.replace("y = np.where", "raise SystemExit(0)\n        y = np.where"), "utf-8"
    )
    said = call("train", small, "--set", "layers.relu1=celu", "--plugin", celu, "--out", "run")
    assert said.status == 1
    assert "error: layers.relu1: forward of celu of celu.py sha256:" in said.err
    assert ": SystemExit: 0 (celu.py:" in said.err
    assert not Path("run/run.lock").exists()


def test_an_eof_error_in_a_layer_is_not_an_interruption(
    call: Call, small: Path, celu: Path
) -> None:
    celu.write_text(
        CELU.replace("y = np.where", "raise EOFError('e')\n        y = np.where"), "utf-8"
    )
    said = call("train", small, "--set", "layers.relu1=celu", "--plugin", celu, "--out", "run")
    assert said.status == 1
    assert ": EOFError: e (celu.py:" in said.err


ODD_PLUGINS = {
    "items": "class Odd(dict):\n    def items(self): raise KeyError\nPLUGINS = Odd(a=1)\n",
    "length": "class Odd(dict):\n    def __len__(self): raise KeyError\nPLUGINS = Odd(a=1)\n",
    "key": "class Odd:\n    def __repr__(self): raise KeyError\nPLUGINS = {Odd(): 1}\n",
    "value": (
        "class Odd:\n    @property\n    def group(self): raise KeyError\nPLUGINS = {'a': Odd()}\n"
    ),
    "exit": "def __getattr__(name): raise SystemExit\n",
}


@pytest.mark.parametrize("kind", ODD_PLUGINS)
def test_plugins_that_cannot_be_read_are_the_files_fault(
    call: Call, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "odd.py"
    path.write_text(ODD_PLUGINS[kind], "utf-8")
    said = call("summary", "lenet5", "--plugin", path)
    raised = "SystemExit" if kind == "exit" else "KeyError"
    assert (said.status, said.err) == (2, f"error: {path}: PLUGINS cannot be read: {raised}\n")


FIELD = Path(__file__).parents[1] / "support" / "field" / "plugins"


@pytest.mark.parametrize(
    "command", [["summary", "lenet5"], ["spec", "lenet5"], ["plugins", "list"]], ids="-".join
)
def test_a_name_that_a_built_in_keeps_is_warned_of(call: Call, command: list[str]) -> None:
    path = FIELD / "r1_my_relu.py"
    said = call(*command, "--plugin", path)
    assert said.status == 0
    assert said.err == (
        f"warning: {path}: 'relu' is the built-in: write 'r1_my_relu.py:relu' to use this file's\n"
    )


def test_the_name_to_write_is_the_files_layer(call: Call) -> None:
    change = ("--set", "layers.relu1=r1_my_relu.py:relu")
    rows = call("summary", "lenet5", "--plugin", FIELD / "r1_my_relu.py", *change, "--json").json
    assert rows["layers"][1]["provider"] == "r1_my_relu.py"


def test_info_says_how_to_write_it(call: Call) -> None:
    arguments = ("plugins", "info", "relu", "--plugin", FIELD / "r1_my_relu.py")
    kept, added = call(*arguments, "--json").json
    assert (kept["note"], added["note"]) == (
        "",
        "'relu' is the built-in: write 'r1_my_relu.py:relu'",
    )
    assert added["note"] in call(*arguments).out
