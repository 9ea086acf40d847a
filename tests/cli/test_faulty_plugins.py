"""Whatever kind of plugin raises, in whatever command, it is named, and what is saved is said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lenetkit.registry.catalog import installed
from lenetkit.runs.run import Run
from tests.cli.conftest import Call

HEAD = """\
from dataclasses import dataclass
import numpy as np
from lenetkit.data.synthetic import SyntheticDigits
from lenetkit.data.transforms import Scale
from lenetkit.initializers import HeNormal
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.losses import SoftmaxCrossEntropy
from lenetkit.optimizers import SGD
from lenetkit.schedules import Constant

def odd():
    raise ERROR

@dataclass(frozen=True, kw_only=True)
class Faulty(BASE):
    def METHOD(self, *arguments, **options):
        odd()

PLUGINS = {"faulty": Faulty}
"""
LINE = 12
KINDS = {
    "loss": ("SoftmaxCrossEntropy", "forward", "loss=faulty"),
    "answers": ("SoftmaxCrossEntropy", "probabilities", "loss=faulty"),
    "optimizer": ("SGD", "step", "train.optimizer={type: faulty, lr: 0.1}"),
    "schedule": ("Constant", "rate", "train.schedule=faulty"),
    "transform": ("Scale", "images", "data.transforms=[faulty]"),
    "fitted": ("Scale", "fitted", "data.transforms=[faulty]"),
    "data set": ("SyntheticDigits", "load", "data=faulty"),
    "initializer": ("HeNormal", "sample", "init=faulty"),
    "fusing": ("NumpyKernels", "fuse", "kernels=faulty"),
}
ERRORS = {
    "an error": ("ValueError('too odd')", "ValueError: too odd"),
    "an exit": ("SystemExit(0)", "SystemExit: 0"),
    "no file": ("OSError", "OSError"),
    "its own kind": ("type('Odd', (BaseException,), {})('x')", "Odd: x"),
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without pictures; and with no plugin left registered."""
    monkeypatch.setattr(Run, "plot", lambda run: [])
    installed.cache_clear()
    yield
    installed.cache_clear()


def written(base: str, method: str, error: str) -> str:
    """Write `odd.py`; its provider."""
    source = HEAD.replace("ERROR", error).replace("BASE", base).replace("METHOD", method)
    Path("odd.py").write_text(source, "utf-8")
    return f"odd.py sha256:{hashlib.sha256(Path('odd.py').read_bytes()).hexdigest()[:12]}"


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_plugin_raises_is_said_with_its_line(
    call: Call, small: Path, kind: str, error: str
) -> None:
    base, method, change = KINDS[kind]
    raised, told = ERRORS[error]
    provider = written(base, method, raised)
    options = ("--plugin", "odd.py", "--set", change, "--out", "run", "--quiet")
    said = call("train", small, *options)
    assert said.err.startswith(f"error: {provider}: odd: {told} (odd.py:{LINE})")
    before_the_run = kind in ("fitted", "data set", "initializer", "transform")
    assert said.status == (2 if before_the_run else 1)
    assert before_the_run or "; the run stopped\n  run: saved at step 0; resume with: " in said.err


def test_other_commands_name_it_too(call: Call, small: Path) -> None:
    provider = written("SoftmaxCrossEntropy", "probabilities", "KeyError('a')")
    said = call("bench", small, "--plugin", "odd.py", "--set", "loss=faulty", "--steps", "1")
    assert (said.status, said.err) == (
        2,
        f"error: {provider}: odd: KeyError: 'a' (odd.py:{LINE})\n",
    )


def test_lenetkits_own_mistakes_are_nobody_elses(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(run: object) -> None:
        raise ZeroDivisionError("ours")

    written("SGD", "unused", "ValueError")
    monkeypatch.setattr(Run, "plot", mistaken)
    with pytest.raises(ZeroDivisionError):
        call("train", small, "--plugin", "odd.py", "--out", "run", "--quiet")
