"""Where a failure comes from: which check explains it, whose line raised it, and what to do.

The checks of a kind stand on the rungs of ladders. A pass that does not run, or that writes to its
input, also fails nearly every check above it: such failures follow from it and are only counted.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError, dataclass, field
from functools import cached_property
from pathlib import Path
from types import FunctionType

from lenetkit.registry.blame import Line, innermost_line, package_of


@dataclass(frozen=True)
class Rung:
    """Checks of equal rank. A failed `cause` explains failures of `effects` and on later rungs."""

    causes: tuple[str, ...]
    effects: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Origins:
    """How the failures of one kind of plugin hang together."""

    ladders: Sequence[Sequence[Rung]] = ()
    """Rungs from the most basic promises up. Ladders are independent of each other."""
    methods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Method → the checks that it is most likely to fail."""
    keep: str = ""
    """Where values belong that a method wants to keep."""

    @cached_property
    def presumed(self) -> dict[str, frozenset[str]]:
        """Check → the checks whose failure explains its own."""
        found: dict[str, frozenset[str]] = defaultdict(frozenset)
        for ladder in self.ladders:
            before = frozenset[str]()
            for rung in ladder:
                for name in rung.causes:
                    found[name] |= before
                before |= set(rung.causes)
                for name in rung.effects:
                    found[name] |= before
        return dict(found)

    def method(self, check: str, cls: type | None) -> Line | None:
        """The method to look at when a check fails: its first line, or the class's."""
        names = [name for name, checks in self.methods.items() if check in checks]
        return None if cls is None else _defined(cls, names)

    def advice(self, error: BaseException) -> str:
        """The likely cause of an exception that is not a failed check; empty if none is known."""
        match error:
            case FrozenInstanceError():
                return f"the object is frozen: {self.keep}" if self.keep else ""
            case EOFError():
                return "plugins cannot read standard input"
            case ValueError() if "read-only" in str(error):
                return "the line writes to an array that is not its own; work on a copy"
            case _:
                return ""


def raised_at(error: BaseException | None, cls: type | None) -> Line | None:
    """The innermost line of the package of `cls` that an error passed through, if it did."""
    if error is None or cls is None:
        return None
    return innermost_line(error, (package_of(cls.__module__),))


def _defined(cls: type, names: Sequence[str]) -> Line | None:
    """The first line of a method, if the class's own package defines it, or else of the class."""
    package = package_of(cls.__module__)
    for name in names:
        method = inspect.unwrap(getattr(cls, name, None) or cls)
        if isinstance(method, FunctionType) and package_of(method.__module__) == package:
            code = method.__code__
            return Line(package, name, str(Path(code.co_filename).absolute()), code.co_firstlineno)
    try:
        file, number = inspect.getsourcefile(cls), inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):  # compiled, or made by a function
        return None
    return Line(package, cls.__name__, str(Path(str(file)).absolute()), number)
