"""Standard error that cannot fail: what is said there is no result, and must not cost one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


class _Unfailing:
    """A stream that drops what its device does not take: a full disk, a pipe without reader.

    ValueError is what a closed stream raises, RuntimeError one that a signal's handler writes to
    while it is being written to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, RuntimeError, ValueError):
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, RuntimeError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Named:
    """A stream whose errors bear its name, as those of files do."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> int:
        with self._naming():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._naming():
            self._stream.flush()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = self._name
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def named(stream: TextIO, name: str) -> TextIO:
    """The stream, its write errors with that name."""
    return cast(TextIO, _Named(stream, name))


def unfailing(stream: TextIO) -> TextIO:
    """The stream, its write errors dropped."""
    return cast(TextIO, _Unfailing(stream))
