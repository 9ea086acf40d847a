"""Standard output whose errors name it, standard error that never fails, characters that could
command a terminal, and those that an encoding lacks.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TextIO, cast

from lenetkit.text import printable_lines

PLAIN = "lenetkit.plain"
"""Error handler of streams: what an encoding lacks is written with ASCII, or escaped."""
_SPELLINGS = {
    "→": "->",
    "–": "-",
    "…": "...",
    "×": "x",
    "·": "*",
    "≥": ">=",
    "≤": "<=",
    "±": "+/-",
    "−": "-",
    "⌊": "floor(",
    "⌋": ")",
    "Σ": "sum",
}


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    spelling = _SPELLINGS.get(error.object[error.start])
    if spelling is None:
        one = UnicodeEncodeError(
            error.encoding, error.object, error.start, error.start + 1, error.reason
        )
        return codecs.backslashreplace_errors(one)
    return spelling, error.start + 1


codecs.register_error(PLAIN, _plain)


class _Guarded:
    """A stream whose writes run inside a context of their own.

    Whoever writes, such as `warnings` or a plugin, what is not printable is escaped.
    """

    def __init__(
        self,
        stream: TextIO,
        guard: Callable[[], AbstractContextManager[Any, bool | None]],
        escape: Callable[[str], str] = printable_lines,
    ) -> None:
        self._stream = stream
        self._guard = guard
        self._escape = escape

    def unescaped(self) -> TextIO:
        """The same stream for text that moves the cursor, as a progress bar does."""
        return cast(TextIO, _Guarded(self._stream, self._guard, str))

    def write(self, text: str) -> int:
        with self._guard():
            return self._stream.write(self._escape(text))
        return len(text)

    def flush(self) -> None:
        with self._guard():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def named(stream: TextIO, name: str) -> TextIO:
    """The stream, with `name` as the file name of its write errors."""

    @contextmanager
    def naming() -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = name
            raise

    return cast(TextIO, _Guarded(stream, naming))


def unfailing(stream: TextIO) -> TextIO:
    """The stream, dropping what cannot be written: messages must not cost a result.

    OSError is a full disk or a pipe without a reader, ValueError a closed stream, RuntimeError a
    signal handler that writes during a write.
    """
    return cast(TextIO, _Guarded(stream, lambda: suppress(OSError, RuntimeError, ValueError)))
