"""The entry points of what is installed, one distribution's damage kept from all others."""

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
    """The entry points of these groups, and the distributions that have to be left out.

    Of distributions of one name the first on the path counts. `importlib.metadata.entry_points`
    would fail as a whole where one of them is damaged.
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
    """Whether no other of its name stands before it on the path. Raises where it has no name."""
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
    """The line that is no entry point, where it is one; else what Python says."""
    try:
        lines = (distribution.read_text("entry_points.txt") or "").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith(("#", "[")) and "=" not in line:
            return f"line {number} is no NAME = MODULE:CLASS: {show(line)}"
    return cause(error)
