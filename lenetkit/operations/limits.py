"""Numbers of threads that blocks set, whichever threads of a program the blocks are on."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Limit(Generic[T]):
    """A setting of the whole process that blocks change. The newest open block decides.

    Blocks on several threads may overlap in any order: when the last one ends, the setting is what
    it was before the first. In a forked process, only blocks of the thread that forked are open.
    """

    def __init__(self, read: Callable[[], T], write: Callable[[T], object]) -> None:
        self._read, self._write = read, write
        self._lock = threading.Lock()
        self._open: list[tuple[object, T, int]] = []
        """Block, setting and thread of what was there before and of each open block."""
        _LIMITS.add(self)

    @contextmanager
    def at(self, value: T) -> Iterator[None]:
        """Inside the block the setting is `value`."""
        block, thread = object(), threading.get_ident()
        try:
            with self._lock:
                if not self._open:
                    self._open.append((None, self._read(), thread))
                self._open.append((block, value, thread))
                self._write(value)
            yield
        finally:  # also if setting it failed
            with self._lock:
                self._keep([entry for entry in self._open if entry[0] is not block])

    def _keep(self, entries: list[tuple[object, T, int]]) -> None:
        """Leave these open; without any block, the setting is what it was."""
        self._open = entries if len(entries) > 1 else []
        if entries:
            self._write(entries[-1][1])

    def forget_others(self) -> None:
        """After a fork: other threads, which may have held the lock, are not in this process."""
        self._lock = threading.Lock()
        mine = threading.get_ident()
        entries = [e for e in self._open if e[0] is None or e[2] == mine]
        if len(entries) != len(self._open):
            self._keep(entries)


_LIMITS: weakref.WeakSet[Limit[Any]] = weakref.WeakSet()


def _forget_others() -> None:
    for limit in list(_LIMITS):
        limit.forget_others()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_others)
