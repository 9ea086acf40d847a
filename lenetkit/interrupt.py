"""Ctrl-C while something is under way that should be left in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lenetkit.cli.options import report


@contextmanager
def interruptible() -> Iterator[list[bool]]:
    """A list that is no longer empty once Ctrl-C was pressed; pressed again, it interrupts.

    Where Ctrl-C was ignored, as in a command that a script put in the background, it stays so.
    """
    pressed: list[bool] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(True)
        report("\nfinishing this step, then saving; press Ctrl-C again to leave at once")

    previous = signal.getsignal(signal.SIGINT)
    if previous is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, on_signal)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, previous)
