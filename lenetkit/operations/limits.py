"""Numbers of threads that blocks set, whichever threads of a program the blocks are on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Limit(Generic[T]):
    """A setting of the whole process that blocks change. The newest open block decides.

    Blocks on several threads may overlap in any order: when the last one ends, the setting is what
    it was before the first.
    """

    def __init__(self, read: Callable[[], T], write: Callable[[T], object]) -> None:
        self._read, self._write = read, write
        self._lock = threading.Lock()
        self._open: list[tuple[object, T]] = []

    @contextmanager
    def at(self, value: T) -> Iterator[None]:
        """Inside the block the setting is `value`."""
        block = object()
        with self._lock:
            if not self._open:
                self._open.append((None, self._read()))
            self._open.append((block, value))
            self._write(value)
        try:
            yield
        finally:
            with self._lock:
                self._open = [entry for entry in self._open if entry[0] is not block]
                self._write(self._open[-1][1])
                if len(self._open) == 1:
                    self._open.clear()
