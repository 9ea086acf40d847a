"""Whose code raised an error: a plugin's, named with file and line, or lenetkit's own."""

from __future__ import annotations

import linecache
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb

from lenetkit.errors import PluginError, cause, is_ctrl_c
from lenetkit.registry.api_version import hint_for


class ContractError(RuntimeError):
    """A layer or kernel set returned something that its contract does not allow."""


@dataclass(frozen=True)
class Line:
    """A line of a plugin's code."""

    package: str
    function: str
    file: str
    """Its full path."""
    number: int

    @property
    def place(self) -> str:
        """`FILE.py:LINE`."""
        return f"{Path(self.file).name}:{self.number}"

    @property
    def text(self) -> str:
        """The line itself; empty if it cannot be read."""
        return linecache.getline(self.file, self.number).strip()


def package_of(module: str) -> str:
    """`lenetkit_numba.kernels` → `lenetkit_numba`."""
    return module.partition(".")[0]


def innermost_line(error: BaseException, packages: Container[str]) -> Line | None:
    """The innermost line of code of these packages that an error passed through.

    Methods that dataclasses generate are in no file, and do not count.
    """
    for frame, number in reversed(list(walk_tb(error.__traceback__))):
        package, code = package_of(str(frame.f_globals.get("__name__", ""))), frame.f_code
        if package in packages and not code.co_filename.startswith("<"):
            return Line(package, code.co_name, str(Path(code.co_filename).absolute()), number)
    return None


def fault(error: BaseException, culprit: str, line: Line | None = None) -> PluginError:
    """A plugin's error as a PluginError with its name and, if known, its line."""
    what = str(error) if isinstance(error, ContractError) else cause(error)
    place = f" ({line.place})" if line else ""
    return PluginError(f"{culprit}: {what}{place}{hint_for(error)}")


@contextmanager
def blaming(culprit: str, *passing: type[Exception]) -> Iterator[None]:
    """Run a plugin's code; whatever it raises becomes a PluginError that names the culprit.

    The user's Ctrl-C, PluginErrors and the `passing` types are not converted.
    """
    known: tuple[type[Exception], ...] = (PluginError, *passing)
    try:
        yield
    except known:
        raise
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        raise fault(error, culprit) from error
