"""Ctrl-C: finish the step and save, or exit immediately.

Python raises KeyboardInterrupt between any two lines. lenetkit's own code is safe against that;
many libraries are not, least of all while they load.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, cast

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


@contextmanager
def finishing() -> Iterator[list[bool]]:
    """A list that is non-empty once Ctrl-C was pressed; a second press interrupts."""
    pressed: list[bool] = []

    def on_press() -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(True)
        _say("\nfinishing this step, then saving; press Ctrl-C again to stop immediately")

    with _calling(on_press):
        yield pressed


@contextmanager
def leaving(last_words: Callable[[], str] = lambda: "\ninterrupted") -> Iterator[None]:
    """Ctrl-C prints `last_words` and exits: for code that cannot be interrupted safely."""

    def on_press() -> None:
        _say(last_words())
        leave()

    with _calling(on_press):
        yield


def leave() -> NoReturn:
    """Exit with the status of an interrupt, skipping Python's shutdown: a library that is half
    loaded can crash in its cleanup.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, RuntimeError, ValueError):
                stream.flush()
    os._exit(INTERRUPTED)


def press_again(dropped: UnraisableHookArgs) -> None:
    """For `sys.unraisablehook`: a Ctrl-C that Python dropped because it came inside a finalizer is
    sent again a moment later.
    """
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, _press).start()
    else:
        sys.__unraisablehook__(dropped)


def _press() -> None:
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:  # a real signal wakes a sleeping thread
        signal.pthread_kill(cast(int, threading.main_thread().ident), signal.SIGINT)


@contextmanager
def _calling(on_press: Callable[[], None]) -> Iterator[None]:
    """Call `on_press` on Ctrl-C inside the block. An ignored Ctrl-C, as in a background job, stays
    ignored; threads other than the main one change nothing.
    """
    previous = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread()
    if not ours or previous in (None, signal.SIG_IGN):  # None: a handler that is not Python's
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: on_press())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _say(words: str) -> None:
    with suppress(OSError, RuntimeError, ValueError):  # a full disk, or an interrupted write
        print(words, file=sys.stderr, flush=True)
