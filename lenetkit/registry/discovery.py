"""The entry points of the installed distributions; a damaged one does not affect the others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions

from lenetkit.errors import cause
from lenetkit.values import show


@dataclass(frozen=True)
class Unreadable:
    """A distribution whose entry points cannot be read, and why."""

    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"{self.distribution}: its entry points cannot be read: {self.reason}"


def find_entry_points(groups: Collection[str]) -> tuple[list[EntryPoint], list[Unreadable]]:
    """The entry points of these groups, and the distributions that cannot be read.

    Of distributions with the same name the first on the path counts.
    `importlib.metadata.entry_points` would fail as a whole if one of them is damaged.
    """
    points: list[EntryPoint] = []
    unreadable = []
    for distribution in distributions():
        try:
            own = [point for point in distribution.entry_points if point.group in groups]
            if own and _is_first(distribution):
                points += own
        except Exception as error:
            unreadable.append(Unreadable(_name(distribution), _complaint(distribution, error)))
    return points, unreadable


def _is_first(distribution: Distribution) -> bool:
    """Whether it is the first of its name on the path. Raises ValueError if it has no name."""
    name, version = distribution.name, distribution.version
    if not isinstance(name, str) or not isinstance(version, str):
        raise ValueError("its METADATA names no name and version")
    first = next(iter(Distribution.discover(name=name)), distribution)
    return first.locate_file("") == distribution.locate_file("")


def _name(distribution: Distribution) -> str:
    try:
        name = distribution.name
    except Exception:
        name = None
    return name or f"a distribution in {distribution.locate_file('')}"


def _complaint(distribution: Distribution, error: Exception) -> str:
    """The malformed line, if there is one; else what Python says."""
    try:
        lines = (distribution.read_text("entry_points.txt") or "").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith(("#", "[")) and "=" not in line:
            return f"line {number} is not NAME = MODULE:CLASS: {show(line)}"
    return cause(error)
