"""What can go wrong, by whose hand, and with which exit status.

Every message says where, what was found, what was expected and, where there is one, the nearest
fix. A command prints the message alone, without a traceback, and exits with `exit_status`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace


class LenetkitError(Exception):
    """Something failed while running."""

    exit_status = 1


class InputError(LenetkitError):
    """The user's input (spec, option, file) is wrong; the message says how to mend it."""

    exit_status = 2


class OptionError(InputError, ValueError):
    """An option has a value that its layer, optimizer, … does not take."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}" if option else message)
        self.option = option
        self.problem = message


class ShapeError(InputError, ValueError):
    """A layer cannot take the shape that reaches it."""


class PluginError(InputError):
    """A registered name cannot be found, loaded or used; the message names its distribution."""


class DataError(InputError):
    """A data set is missing, damaged or of the wrong shape."""


class MissingDataError(DataError):
    """A data set is neither on disk nor to be had; a spec's `fallback` may stand in for it."""


class ImageError(InputError):
    """An image file cannot be read as a picture of a digit."""


class ModelFileError(InputError):
    """A model or checkpoint file is missing, damaged or does not fit."""


class RunError(InputError):
    """A run folder cannot be written to, read or resumed."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a spec: where it stands, which path it concerns, and what to do."""

    source: str
    """The file, or the command-line option, that it stands in."""
    path: str
    """Dotted path from the top of the spec, such as `layers.conv1.kernel_size`."""
    message: str
    line: int = 0
    """Counted from 1, as the column is; 0 where the source has no lines or is wrong as a whole."""
    column: int = 0

    @property
    def where(self) -> str:
        """`file:line:column`, or the source alone."""
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.message) if part)


MOST_PROBLEMS = 100
"""Mistakes of a spec that are listed; a file that has more is no spec."""


class Problems(list[Problem]):
    """Mistakes noted while reading goes on. The one behind the last that is listed ends it."""

    def append(self, problem: Problem) -> None:
        """Note one mistake. Raises SpecError where there are too many."""
        if len(self) == MOST_PROBLEMS:
            more = Problem(problem.source, "", f"more than {MOST_PROBLEMS} mistakes; mend these")
            raise SpecError([*self, replace(more, line=problem.line, column=problem.column)])
        super().append(problem)


class SpecError(InputError, ValueError):
    """A spec is wrong. `problems` holds every mistake found, file by file, in their order there."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = list(problems)
        sources = list(dict.fromkeys(problem.source for problem in found))
        found.sort(key=lambda p: (sources.index(p.source), p.line, p.column))
        self.problems = tuple(found)
        super().__init__("\n".join(str(problem) for problem in self.problems))


_MOST_NAMES = 200
_LONGEST_NAME = 100
"""Likeness is worked out among so many names, of so many characters, that it takes no time."""


def nearest(found: str, valid: Iterable[str]) -> str | None:
    """The valid name that is most like what was found; None where none is near."""
    names = sorted(valid)
    near = [name for name in names if name.casefold() == found.casefold()]
    if not near and len(found) <= _LONGEST_NAME:
        short = [name for name in names[:_MOST_NAMES] if len(name) <= _LONGEST_NAME]
        near = difflib.get_close_matches(found, short, n=1, cutoff=0.6)
    return near[0] if near else None


def did_you_mean(found: str, valid: Iterable[str]) -> str:
    """`; did you mean 'kernel_size'?`, or `; valid: a, b, c` where nothing is near."""
    names = sorted(valid)
    near = nearest(found, names)
    if near is not None:
        return f"; did you mean '{near}'?"
    return f"; valid: {shortened(', '.join(names))}" if names else ""


_LONGEST_LIST = 500


def shortened(text: str) -> str:
    """A text of readable length: its beginning, where it is longer."""
    return text if len(text) <= _LONGEST_LIST else f"{text[: _LONGEST_LIST - 2]} …"


def cause(error: BaseException) -> str:
    """`KeyError: 'a'`; the type alone where there is no text, or asking for it raises."""
    try:
        text = str(error)
    except BaseException:
        text = ""
    return ": ".join(part for part in (type(error).__name__, shortened(text)) if part)


def is_ctrl_c(error: BaseException) -> bool:
    """Whether a user interrupted, rather than someone's code raising what looks like it.

    Python itself turns an interrupt into another error at some places, such as `__set_name__`,
    which is called while a class is made; the interrupt is then that error's cause.
    """
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__
    return type(chain[-1]) is KeyboardInterrupt
