"""Threads that share the parts of a pass.

NumPy releases the GIL inside products, copies and arithmetic, so threads that work on parts of a
layer run in parallel. Parts are cut by shape alone and their sums added up in order: the number of
threads changes no bit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from lenetkit.operations.base import Scratch
from lenetkit.operations.limits import Limit

Work = Callable[[int, int], None]
"""`work(part, worker)`: does one part, with one worker's memory."""


class _Helper(threading.Thread):
    """A thread that waits for work, handed over by two locks: faster than a queue."""

    def __init__(self) -> None:
        super().__init__(name="lenetkit-kernels", daemon=True)
        self._given, self._done = threading.Lock(), threading.Lock()
        self._given.acquire()
        self._done.acquire()
        self._error: BaseException | None = None
        self._job: Callable[[], None] = lambda: None
        self.start()

    def give(self, job: Callable[[], None]) -> None:
        """Start on `job` now."""
        self._job = job
        self._given.release()

    def wait(self) -> BaseException | None:
        """Wait for the job to end; returns what it raised."""
        self._done.acquire()
        error, self._error = self._error, None
        return error

    def run(self) -> None:
        """The thread's loop."""
        while True:
            self._given.acquire()
            try:
                self._job()
            except BaseException as error:  # the waiting thread raises it
                self._error = error
            self._done.release()


_limit = 1
_helpers: list[_Helper] = []
_in_use = threading.Lock()


def run(work: Work, parts: int) -> None:
    """Do all parts, on as many threads as `limited` allows. Raises what a part raised."""
    threads = min(_limit, parts)
    if threads < 2 or not _in_use.acquire(blocking=False):  # another pass has the helpers
        for part in range(parts):
            work(part, 0)
        return
    try:
        while len(_helpers) < threads - 1:
            _helpers.append(_Helper())
        busy = _helpers[: threads - 1]
        for worker, helper in enumerate(busy, 1):
            helper.give(lambda worker=worker: _share(work, worker, parts, threads))  # type: ignore[misc]
        try:
            _share(work, 0, parts, threads)
        finally:  # no part may still run when its memory is reused
            errors = [helper.wait() for helper in busy]
        for error in filter(None, errors):
            raise error
    finally:
        _in_use.release()


def _share(work: Work, worker: int, parts: int, threads: int) -> None:
    for part in range(worker, parts, threads):
        work(part, worker)


def limited(threads: int) -> AbstractContextManager[None]:
    """Inside the block `run` uses at most `threads` threads; outside, one."""
    return _LIMIT.at(threads)


def threads() -> int:
    """How many threads `run` currently uses."""
    return _limit


def _set(threads: int) -> None:
    global _limit
    _limit = threads


_LIMIT = Limit(threads, _set)


def own(scratch: Scratch, worker: int) -> Scratch:
    """The same scratch under names that only one worker uses."""
    return lambda name, shape, dtype: scratch(f"{name} of worker {worker}", shape, dtype)


def _forget_helpers() -> None:
    """A forked process inherits memory, but no threads."""
    global _in_use
    _helpers.clear()
    _in_use = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)
