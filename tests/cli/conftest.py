"""A small network on a small data set, and a way to call commands."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lenetkit.testing.commands import RunCommand, run_command_in_a_folder

__all__ = ["run_command_in_a_folder"]

SPEC = """\
lenetkit: 1
name: small
input: [1, 8, 8]
layers:
  conv1: {type: conv2d, out_channels: 2, kernel_size: 3}
  relu1: relu
  pool1: {type: max_pool2d, kernel_size: 2}
  drop1: {type: dropout, p: 0.2}
  fc1: {type: linear, out_features: 3}
data: {type: idx, title: stripes}
train: {epochs: 2, batch_size: 5, optimizer: {type: adam, lr: 0.01}, schedule: one_cycle}
"""


Call = RunCommand


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts even if the tests run in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def call(run_command: RunCommand) -> Call:
    """`call("summary", path)` runs a command in this process."""
    return run_command


@pytest.fixture
def small(tmp_path: Path, make_idx: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec file of a small network, in the current folder; its data is found without options."""
    monkeypatch.setenv("LENETKIT_DATA", str(make_idx()))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(SPEC, "utf-8")
    return path
