"""A plugin's layer that fails in a pass is named; nobody else is, and what is saved is said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lenetkit.layers.linear import Linear
from lenetkit.registry.catalog import installed
from lenetkit.runs.run import Run
from tests.cli.conftest import Call

LAYER = """\
from dataclasses import dataclass
from lenetkit.layers.base import Layer

calls = {"forward": 0, "backward": 0}

class Odd(BaseException):
    pass

@dataclass(frozen=True, kw_only=True)
class Faulty(Layer):
    def output_shape(self, in_shape):
        return SHAPE

    def forward(self, params, x, call):
        calls["forward"] += 1
        y = x.copy()
        FORWARD
        return y, None

    def backward(self, params, saved, dy, grads, call):
        calls["backward"] += 1
        dx = dy.copy()
        BACKWARD
        return dx

PLUGINS = {"faulty": Faulty}
"""
LINES = {"forward": 17, "backward": 23}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without pictures; and with no plugin left registered."""
    monkeypatch.setattr(Run, "plot", lambda run: [])
    installed.cache_clear()
    yield
    installed.cache_clear()


def run(
    call: Call, spec: Path, *, forward: str = "", backward: str = "", shape: str = "in_shape"
) -> tuple[str, int, str]:
    """Train with such a layer after relu1: its provider, the exit status, what was said."""
    source = LAYER.replace("SHAPE", shape)
    source = source.replace("FORWARD", forward or "pass").replace("BACKWARD", backward or "pass")
    path = Path("odd.py")
    path.write_text(source, "utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    layer = "layers.bad={type: faulty, after: relu1}"
    said = call("train", spec, "--plugin", path, "--set", layer, "--out", "run", "--quiet")
    return f"odd.py sha256:{digest}", said.status, said.err


PASSES = {
    "exception": ("raise ValueError('too odd')", "ValueError: too odd"),
    "empty": ("raise OSError", "OSError"),
    "base": ("raise Odd(1)", "Odd: 1"),
    "exit": ("raise SystemExit(0)", "SystemExit: 0"),
    "like ctrl-c": ("raise type('Ours', (KeyboardInterrupt,), {})", "Ours"),
}


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("kind", PASSES)
def test_what_a_pass_raises_is_said_with_its_line(
    call: Call, small: Path, method: str, kind: str
) -> None:
    """In the second epoch: the first is saved."""
    statement, text = PASSES[kind]
    late = f"if calls['backward'] > 4: {statement}"
    provider, status, said = run(call, small, **{method: late})
    assert said == (
        f"error: layers.bad: {method} of faulty of {provider}: {text} "
        f"(odd.py:{LINES[method]}); the run stopped\n"
        "  run: saved at step 3; resume with: lenetkit train --resume run --allow-different "
        "--plugin odd.py\n"
    )
    assert status == 1


WRONG = {
    "forward": [
        ("y = y[:, :1]", "gave an array of shape (5, 1, 6, 6); expected an array of shape "),
        ("y = y[:2]", "gave an array of shape (2, 2, 6, 6); expected an array of shape "),
        ("y = None", "gave None; expected an array of shape (5, 2, 6, 6)"),
        ("return y", "gave an array of shape (5, 2, 6, 6); expected (output, saved)"),
        ("return None", "gave None; expected (output, saved)"),
        ("y = [1]", "gave a list; expected an array of shape (5, 2, 6, 6)"),
    ],
    "backward": [
        ("dx = dx[:, :1]", "gave an array of shape (5, 1, 6, 6); expected an array of shape "),
        ("dx = None", "gave None; expected an array of shape (5, 2, 6, 6)"),
    ],
}


@pytest.mark.parametrize(
    ("method", "statement", "text"), [(m, *case) for m, cases in WRONG.items() for case in cases]
)
def test_a_wrong_result_is_its_makers_fault(
    call: Call, small: Path, method: str, statement: str, text: str
) -> None:
    provider, status, said = run(call, small, **{method: statement})
    assert said.startswith(f"error: layers.bad: {method} of faulty of {provider}: {text}")
    assert "; the run stopped\n  run: saved at step 0; resume with: " in said
    assert status == 1


@pytest.mark.parametrize(
    "shape", ["None", "[2, 6, 6]", "(2, 6.0, 6)", "(2, -6, 6)", "(True,)", "2"]
)
def test_a_shape_that_is_none_is_refused(call: Call, small: Path, shape: str) -> None:
    provider, status, said = run(call, small, shape=shape)
    assert said == (
        f"error: layers.bad: faulty of {provider}: output_shape gave {shape}; expected a tuple of "
        "whole numbers above 0\n"
    )
    assert status == 2
    assert not Path("run").exists()


def test_a_layer_of_lenetkits_own_is_no_plugin(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(Linear, "backward", fail)
    with pytest.raises(ValueError, match=r"^a bug$"):
        call("train", small, "--quiet")


def test_the_users_own_ctrl_c_in_a_layer_stays_one(call: Call, small: Path) -> None:
    _, status, said = run(call, small, backward="raise KeyboardInterrupt")
    assert (status, said.splitlines()[1:]) == (
        130,
        [
            "interrupted; run: saved at step 0; resume with: "
            "lenetkit train --resume run --plugin odd.py"
        ],
    )


def test_a_layer_that_works_is_left_alone(call: Call, small: Path) -> None:
    _, status, said = run(call, small)
    assert (status, said) == (0, "")


KERNELS = """\
from dataclasses import dataclass
from lenetkit.kernels.numpy_kernels import NumpyKernels

@dataclass(frozen=True, kw_only=True)
class Faulty(NumpyKernels):
    def fuse(self, layers):
        return None

    def max_pool2d_backward(self, saved, dy, scratch):
        return dy[0, 0, 0, 0, 0]

PLUGINS = {"faulty": Faulty}
"""


def test_a_kernel_set_that_fails_in_an_own_layer_is_named(call: Call, small: Path) -> None:
    Path("odd.py").write_text(KERNELS, "utf-8")
    said = call("train", small, "--plugin", "odd.py", "--kernels", "faulty", "--quiet")
    assert said.status == 1
    assert said.err.startswith("error: layers.pool1: backward of faulty of odd.py sha256:")
    assert ": IndexError: too many indices for array: array is 4-dim" in said.err
    assert " (odd.py:10); the run stopped\n" in said.err
