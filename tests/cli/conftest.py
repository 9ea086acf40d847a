"""A way to call commands, and Ctrl-C that interrupts."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from lenetkit.testing.commands import RunCommand, run_command_in_a_folder

__all__ = ["run_command_in_a_folder"]

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
