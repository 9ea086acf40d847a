"""What can go wrong, by whose hand, and with which exit status.

Every message says where, what was found, what was expected and, where there is one, the nearest
fix. A command prints the message alone, without a traceback, and exits with `exit_status`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


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

    where: str
    """`file:line:column`, or the command-line option that it came from."""
    path: str
    """Dotted path from the top of the spec, such as `layers.conv1.kernel_size`."""
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.message) if part)


class SpecError(InputError, ValueError):
    """A spec is wrong. `problems` holds every mistake found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(found: str, valid: Iterable[str]) -> str:
    """`; did you mean 'kernel_size'?`, or `; valid: a, b, c` where nothing is near."""
    names = sorted(valid)
    near = difflib.get_close_matches(found, names, n=1, cutoff=0.6)
    if not near:
        near = [name for name in names if name.casefold() == found.casefold()]
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; valid: {', '.join(names)}" if names else ""
