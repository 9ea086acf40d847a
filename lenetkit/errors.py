"""What can go wrong, whose fault it is, and with which exit status.

Every message says where, what was found, what was expected and, if there is one, the likely fix.
A command prints the message alone, without a traceback, and exits with `exit_status`.
"""

from __future__ import annotations

import contextlib
import difflib
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lenetkit.text import printable, printable_lines


class LenetkitError(Exception):
    """Something failed while running."""

    exit_status = 1

    def __str__(self) -> str:
        """The message; tracebacks show it, so nothing in it commands a terminal."""
        return printable_lines(super().__str__())


class InputError(LenetkitError):
    """The user's input (spec, option, file) is wrong; the message says how to fix it."""

    exit_status = 2


class OptionError(InputError, ValueError):
    """An option has a value that its layer, optimizer, … does not accept."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}" if option else message)
        self.option = option
        self.problem = message


class ShapeError(InputError, ValueError):
    """A layer cannot accept its input shape."""


class PluginError(InputError):
    """A registered name cannot be found, loaded or used; the message names its distribution."""


class NotInstalledError(PluginError):
    """A type is in a distribution that is known but not installed."""

    def __init__(self, kind: str, name: str, distribution: str) -> None:
        super().__init__(
            f"{kind} '{name}' is in {distribution}, which is not installed: {install(distribution)}"
        )
        self.name = name
        self.distribution = distribution


def install(distribution: str) -> str:
    """How to install a distribution of lenetkit's types."""
    return f"pip install {distribution} (from a checkout: pip install plugins/{distribution})"


class OutOfMemoryError(LenetkitError, MemoryError):
    """Memory ran out; the message says for what, and what would need less."""


@contextlib.contextmanager
def memory_for(what: str, remedy: str) -> Iterator[None]:
    """If memory runs out inside the block, OutOfMemoryError says for `what`, and the remedy."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"not enough memory {what} ({cause(error)}); {remedy}") from error


class DataError(InputError):
    """A data set is missing, damaged or of the wrong shape."""


class ArrayError(DataError, ValueError):
    """An array of images or labels is not what the network takes."""


class MissingDataError(DataError):
    """A data set is neither on disk nor can be downloaded; a spec's `fallback` may replace it."""


class ImageError(InputError):
    """An image file cannot be read as a picture of a digit."""


class ModelFileError(InputError):
    """A model or checkpoint file is missing, damaged or does not fit."""


class MissingFileError(ModelFileError):
    """There is no such model or checkpoint file."""


class UnreadableFileError(ModelFileError):
    """A model or checkpoint file cannot be read now, such as for want of a permission."""


class RunError(InputError):
    """A run folder cannot be written to, read or resumed."""


class LenetkitWarning(UserWarning):
    """What the command line prints as a warning, to callers from Python."""


_NOT_CALLERS = ("lenetkit", "collections", "contextlib")
"""Packages whose code stands between lenetkit and its callers."""


def warn(message: str) -> None:
    """Warn callers from Python, at their own line; a leading `warning: ` is dropped."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_CALLERS:
        level, frame = level + 1, frame.f_back
    text = printable_lines(message.removeprefix("warning: "))
    warnings.warn(text, LenetkitWarning, stacklevel=level)


def warn_only(message: str) -> None:
    """`warn` of warnings; notes and progress are dropped."""
    if message.startswith("warning: "):
        warn(message)


@dataclass(frozen=True)
class Problem:
    """One mistake in a spec: where it is, which path it concerns, and what to do."""

    source: str
    """The file, or the command-line option, that it is in."""
    path: str
    """Dotted path from the top of the spec, such as `layers.conv1.kernel_size`."""
    message: str
    line: int = 0
    """From 1, as is the column; 0 if the source has no lines or is wrong as a whole."""
    column: int = 0

    @property
    def where(self) -> str:
        """`file:line:column`, or the source alone."""
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    def __str__(self) -> str:
        place = (printable(self.where), printable(self.path))
        return ": ".join(part for part in (*place, self.message) if part)


MAX_PROBLEMS = 100
"""Mistakes listed for a spec; a file with more is not a spec."""


class Problems(list[Problem]):
    """Mistakes collected while reading a spec; one more than MAX_PROBLEMS ends the reading."""

    def append(self, problem: Problem) -> None:
        """Add one mistake. Raises SpecError if there are too many."""
        if len(self) == MAX_PROBLEMS:
            more = Problem(problem.source, "", f"more than {MAX_PROBLEMS} mistakes; fix these")
            raise SpecError([*self, replace(more, line=problem.line, column=problem.column)])
        super().append(problem)


class SpecError(InputError, ValueError):
    """A spec is wrong. `problems` holds every mistake found, by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = list(problems)
        sources = list(dict.fromkeys(problem.source for problem in found))
        found.sort(key=lambda p: (sources.index(p.source), p.line, p.column))
        self.problems = tuple(found)
        super().__init__("\n".join(str(problem) for problem in self.problems))


_MAX_NAMES = 1000
_MAX_NAME_LENGTH = 100
"""Names compared, and their length: fuzzy matching must take no noticeable time."""


def nearest(found: str, valid: Iterable[str], likeness: float = 0.75) -> str | None:
    """The valid name closest to what was found; None if none is as alike (1: the same)."""
    names = sorted(valid)
    near = [name for name in names if name.casefold() == found.casefold()]
    if not near and len(found) <= _MAX_NAME_LENGTH:
        short = [name for name in names[:_MAX_NAMES] if len(name) <= _MAX_NAME_LENGTH]
        near = difflib.get_close_matches(found, short, n=1, cutoff=likeness)
        near = near or [name for name in short if _one_slip(found, name)]
    return near[0] if near else None


def _one_slip(found: str, name: str) -> bool:
    """Whether one letter is wrong, or two neighbours are swapped, in at least three."""
    if len(found) != len(name) or len(name) < 3:
        return False
    wrong = [i for i, (a, b) in enumerate(zip(found, name, strict=True)) if a != b]
    swapped = found[wrong[0] : wrong[-1] + 1] == name[wrong[0] : wrong[-1] + 1][::-1]
    return len(wrong) == 1 or (len(wrong) == 2 and wrong[1] - wrong[0] == 1 and swapped)


def did_you_mean(found: str, valid: Iterable[str]) -> str:
    """`; did you mean 'kernel_size'?`, or `; valid: a, b, c` if nothing is close."""
    names = sorted(valid)
    near = nearest(found, names)
    if near is not None:
        return f"; did you mean '{printable(near)}'?"
    return f"; valid: {shortened(', '.join(map(printable, names)))}" if names else ""


_MAX_TEXT = 500


def shortened(text: str) -> str:
    """The text, cut to a readable length."""
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 2]} …"


def cause(error: BaseException) -> str:
    """`KeyError: 'a'` on one line; the type alone if there is no message, or `str` raises."""
    try:
        text = printable(" ".join(str(error).split()))
    except BaseException:
        text = ""
    return ": ".join(part for part in (printable(type(error).__name__), shortened(text)) if part)


def is_ctrl_c(error: BaseException) -> bool:
    """Whether a user interrupted, rather than someone's code raising what looks like it.

    Python itself turns an interrupt into another error in some places, such as `__set_name__`;
    the interrupt is then that error's cause.
    """
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__
    return type(chain[-1]) is KeyboardInterrupt
