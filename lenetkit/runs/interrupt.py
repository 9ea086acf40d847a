"""Ctrl-C, SIGTERM and SIGHUP: finish the step and save, or exit immediately.

Schedulers and containers send SIGTERM, a terminal that closes sends SIGHUP. All three are a
KeyboardInterrupt, which Python raises between any two lines. lenetkit's own code is safe against
that; many libraries are not, least of all while they load.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from signal import SIGINT, Signals
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, cast

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
_SIGNALS = [Signals[name] for name in _WORDS if name in Signals.__members__]
"""Windows has no SIGHUP."""
_TOGETHER = 1.0
"""Seconds within which signals are one: systemd may send SIGHUP right after SIGTERM, and a terminal
that closes sends SIGHUP twice.
"""
_last: Signals = SIGINT
_since = -_TOGETHER


class Terminated(SystemExit):
    """SIGTERM or SIGHUP ended a training, and it was saved; exits with 128 + the signal."""

    def __init__(self, number: Signals, said: str) -> None:
        super().__init__(said)
        self.code = 128 + number


class Stop:
    """Whether a signal asked a block to end. `where` tells how far the block has got."""

    def __init__(self, where: Callable[[], str]) -> None:
        self.number: Signals | None = None
        self.immediate = False
        self._where = where

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal came."""
        if self.number is not None:
            raise KeyboardInterrupt(self.said)

    @property
    def said(self) -> str:
        """`terminated after step 4`."""
        return f"{_WORDS[(self.number or SIGINT).name]} {self._where()}"


def status() -> int:
    """The exit status after an interrupt, as shells have it: 128 + the signal; 130 for Ctrl-C."""
    return 128 + _last


def words() -> str:
    """`interrupted`, `terminated` or `hung up`, as the last signal was."""
    return _WORDS[_last.name]


def forget() -> None:
    """Take an interrupt for Ctrl-C, unless another signal comes from now on."""
    global _last
    _last = SIGINT


@contextmanager
def finishing(is_saved: Callable[[], bool], where: Callable[[], str]) -> Iterator[Stop]:
    """Inside the block a signal is only noted, for `Stop.check`, unless nothing is left to save.

    If nothing is, and when Ctrl-C is pressed again, it raises KeyboardInterrupt at the line that is
    running. Whatever comes of that, the block ends with a KeyboardInterrupt after Ctrl-C, and with
    Terminated after SIGTERM and SIGHUP.
    """
    stop = Stop(where)

    def on_signal(number: Signals) -> None:
        again = stop.number is not None
        if again and number != SIGINT:
            return
        stop.number = number
        _note(number)
        if again or is_saved():
            stop.immediate = True
            raise KeyboardInterrupt("stopped immediately" if again else stop.said)
        hint = "; press Ctrl-C again to stop immediately" if number == SIGINT else ""
        say(f"\n{words()}: finishing this step, then saving{hint}")

    try:
        with _calling(on_signal):
            yield stop
    except BaseException as error:
        interrupted = type(error) is KeyboardInterrupt
        if stop.number is None or not (stop.immediate or interrupted):
            raise
        said = str(error) if interrupted else stop.said
        ended = KeyboardInterrupt(said) if stop.number == SIGINT else Terminated(stop.number, said)
        raise ended from None


@contextmanager
def leaving(last_words: Callable[[], str] = lambda: "nothing to save yet") -> Iterator[None]:
    """A signal is told with `last_words`, and exits: for code that cannot be interrupted safely."""

    def on_signal(number: Signals) -> None:
        _note(number)
        say(f"\n{words()}; {last_words()}")
        leave()

    with _calling(on_signal):
        yield


def obey() -> None:
    """From now on SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does."""
    _install(_raise)


def ignore() -> None:
    """From now on nothing is left to interrupt."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def leave() -> NoReturn:
    """Exit with the status of an interrupt, skipping Python's shutdown: a library that is half
    loaded can crash in its cleanup.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, RuntimeError, ValueError):
                stream.flush()
    os._exit(status())


def say(words: str) -> None:
    """Print on standard error, if that can be written to: a terminal that sent SIGHUP is gone."""
    with suppress(OSError, RuntimeError, ValueError):  # RuntimeError: an interrupted write
        if sys.stderr is not None:
            print(words, file=sys.stderr, flush=True)


def press_again(dropped: UnraisableHookArgs) -> None:
    """For `sys.unraisablehook`: an interrupt that Python dropped because it came inside a finalizer
    is sent again a moment later.
    """
    global _since
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        _since = -_TOGETHER
        threading.Timer(0.01, _press).start()
    else:
        sys.__unraisablehook__(dropped)


def _press() -> None:
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:  # a real signal wakes a sleeping thread
        signal.pthread_kill(cast(int, threading.main_thread().ident), _last)


class _Handler:
    """A signal handler that is told from other programs' ones."""

    def __init__(self, on_signal: Callable[[Signals], None]) -> None:
        self._on_signal = on_signal

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._on_signal(Signals(number))


def _raise(number: Signals) -> None:
    if number == SIGINT or time.monotonic() - _since > _TOGETHER:
        _note(number)
        raise KeyboardInterrupt(words())


def _note(number: Signals) -> None:
    global _last, _since
    _last, _since = number, time.monotonic()


@contextmanager
def _calling(on_signal: Callable[[Signals], None]) -> Iterator[None]:
    """Call `on_signal` inside the block; threads other than the main one change nothing."""
    previous: Mapping[Signals, signal._HANDLER] = {}
    if threading.current_thread() is threading.main_thread():
        previous = _install(on_signal)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _install(on_signal: Callable[[Signals], None]) -> Mapping[Signals, signal._HANDLER]:
    """Set the handlers; returns the previous ones.

    A signal that is ignored stays so: SIGHUP under nohup, SIGINT in a background job. Handlers that
    are not Python's stay as they are, as do a program's own for SIGTERM and SIGHUP.
    """
    handler, previous = _Handler(on_signal), {}
    for number in _SIGNALS:
        before = signal.getsignal(number)
        free = number == SIGINT or before == signal.SIG_DFL or isinstance(before, _Handler)
        if free and before not in (None, signal.SIG_IGN):
            previous[number] = before
            signal.signal(number, handler)
    return previous
