"""Ctrl-C: what it leaves in order, and where it ends the program there and then.

Python raises KeyboardInterrupt between any two lines. lenetkit's own code bears that; many a
library does not, least of all while it loads.
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
    """A list that is no longer empty once Ctrl-C was pressed; pressed again, it interrupts."""
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
    """Ctrl-C ends the program, after some last words: for what does not bear to be interrupted."""

    def on_press() -> None:
        _say(last_words())
        leave()

    with _calling(on_press):
        yield


def leave() -> NoReturn:
    """End with the status of an interrupt, and nothing else.

    Not as Python ends otherwise: a library that is half loaded can crash where it clears up.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, RuntimeError, ValueError):
                stream.flush()
    os._exit(INTERRUPTED)


def press_again(dropped: UnraisableHookArgs) -> None:
    """For `sys.unraisablehook`: Ctrl-C that Python dropped, because it fell into the removal of an
    object, is pressed again a moment later.
    """
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, _press).start()
    else:
        sys.__unraisablehook__(dropped)


def _press() -> None:
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:  # a signal of the system's, which wakes a thread that sleeps
        signal.pthread_kill(cast(int, threading.main_thread().ident), signal.SIGINT)


@contextmanager
def _calling(on_press: Callable[[], None]) -> Iterator[None]:
    """Where Ctrl-C was ignored, as in a command that a script put in the background, it stays so;
    and other threads than the main one have no say in it.
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
    with suppress(OSError, RuntimeError, ValueError):  # a full disk; a write that was under way
        print(words, file=sys.stderr, flush=True)
