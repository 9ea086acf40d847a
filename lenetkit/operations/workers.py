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


class _Job:
    """One worker's share of the parts. It runs at most once, and never after `end` returned."""

    def __init__(self, share: Callable[[], None]) -> None:
        self._share = share
        self._claim, self._done = threading.Lock(), threading.Lock()
        self._done.acquire()
        self._over = False
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it, unless it has ended."""
        if not self._claim.acquire(blocking=False):
            return
        try:
            self._share()
        except BaseException as error:  # the waiting thread raises it
            self.error = error
        self._over = True
        self._done.release()

    def wait(self) -> None:
        """Wait until it is done. A signal handler's exception is raised only then."""
        interrupt: BaseException | None = None
        while not self._over:
            try:
                self._done.acquire()
            except BaseException as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def end(self) -> None:
        """Wait until it is done; if it has not begun, it never will."""
        if not self._claim.acquire(blocking=False):
            self.wait()


class _Helper(threading.Thread):
    """A thread that waits for jobs, handed over by a lock: faster than a queue."""

    def __init__(self) -> None:
        super().__init__(name="lenetkit-kernels", daemon=True)
        self._given = threading.Lock()
        self._given.acquire()
        self._job = _Job(lambda: None)
        self.start()

    def give(self, job: _Job) -> None:
        """Start on `job` now."""
        self._job = job
        if self._given.locked():  # else it has not yet woken to a job that ended, and takes this
            self._given.release()

    def run(self) -> None:
        """The thread's loop."""
        while True:
            self._given.acquire()
            self._job.run()


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
        jobs = [
            _Job(lambda worker=worker: _share(work, worker, parts, threads))  # type: ignore[misc]
            for worker in range(1, threads)
        ]
        try:
            for helper, job in zip(_helpers, jobs, strict=False):
                helper.give(job)
            _share(work, 0, parts, threads)
            for job in jobs:
                job.wait()
        finally:  # no part may still run when its memory is reused
            for job in jobs:
                job.end()
        for error in filter(None, (job.error for job in jobs)):
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
