"""Names to classes, through entry points, lazily.

There is one route for everyone: the built-in layers are declared in lenetkit's own pyproject, as
any plugin declares its own. Listing imports nothing; a class is imported when a spec names it.
"""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from lenetkit.errors import PluginError, did_you_mean
from lenetkit.options import Configurable, options_of, show

T = TypeVar("T", bound=Configurable)

GROUPS = {
    "lenetkit.layers": "layer",
    "lenetkit.losses": "loss",
    "lenetkit.optimizers": "optimizer",
    "lenetkit.schedules": "schedule",
    "lenetkit.initializers": "initializer",
    "lenetkit.datasets": "data set",
    "lenetkit.transforms": "transform",
    "lenetkit.kernels": "kernel set",
}
"""The entry-point groups, and what a name in each of them is, in the singular."""


@dataclass(frozen=True)
class Provider:
    """The distribution that a registered name comes from."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Entry:
    """One registered name: where it points and who registered it."""

    name: str
    target: str
    provider: Provider
    point: EntryPoint


class Registry(Generic[T]):
    """The registered names of one group, all subclasses of `base`."""

    def __init__(self, group: str, base: type[T], points: Iterable[EntryPoint]) -> None:
        self.group = group
        self.base = base
        self._loaded: dict[str, type[T]] = {}
        self._entries: dict[str, list[Entry]] = defaultdict(list)
        for point in points:
            entry = Entry(point.name, point.value, _provider(point), point)
            if entry not in self._entries[point.name]:  # one distribution, found twice on the path
                self._entries[point.name].append(entry)

    @property
    def kind(self) -> str:
        """What a name of this group stands for: `layer`, `data set`."""
        return GROUPS.get(self.group, self.base.__name__.lower())

    @property
    def a_kind(self) -> str:
        """The same with its article: `an optimizer`."""
        return f"{'an' if self.kind[0] in 'aeio' else 'a'} {self.kind}"

    def names(self) -> list[str]:
        """All registered names, sorted. Imports nothing."""
        return sorted(self._entries)

    def entries(self) -> list[Entry]:
        """All registrations, names claimed twice included. Imports nothing."""
        return [entry for name in self.names() for entry in self._entries[name]]

    def entry(self, name: str) -> Entry:
        """The one registration of a name.

        Raises PluginError for an unknown name and for one that two distributions claim.
        """
        found = self._entries.get(name, [])
        if not found:
            near = did_you_mean(name, self.names())
            raise PluginError(f"no {self.kind} is registered as {show(name)}{near}")
        if len(found) > 1:
            claimants = " and ".join(str(entry.provider) for entry in found)
            raise PluginError(
                f"{self.kind} '{name}' is registered by {claimants}; uninstall one of them"
            )
        return found[0]

    def get(self, name: str) -> type[T]:
        """The class behind a name, imported once.

        Raises PluginError, naming the distribution, where it does not import or is no `base`.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(self.entry(name))
        return self._loaded[name]

    def name_of(self, cls: type[Configurable]) -> str:
        """The name that a class is registered under. Raises PluginError where there is none."""
        target = f"{cls.__module__}:{cls.__qualname__}"
        for name, entries in self._entries.items():
            if self._loaded.get(name) is cls or any(e.target == target for e in entries):
                return name
        raise PluginError(
            f"{cls.__qualname__} is not registered in {self.group}; declare it as an entry point"
        )

    def _load(self, entry: Entry) -> type[T]:
        where = f"{self.kind} '{entry.name}' of {entry.provider} ({entry.target})"
        try:
            loaded = entry.point.load()
        except (Exception, SystemExit) as error:  # a plugin may fail in any way: say whose it is
            raise PluginError(f"{where} does not load: {_cause(error)}") from error
        if not (isinstance(loaded, type) and issubclass(loaded, self.base)):
            base = f"{self.base.__module__}.{self.base.__name__}"
            raise PluginError(f"{where} is no subclass of {base}")
        if inspect.isabstract(loaded):
            missing = ", ".join(sorted(loaded.__abstractmethods__))
            raise PluginError(f"{where} is abstract: it does not define {missing}")
        try:
            options_of(loaded)
        except Exception as error:  # such as a type hint that names nothing
            raise PluginError(f"{where} has unreadable options: {_cause(error)}") from error
        return loaded


class Catalog:
    """All registries, made from one scan of what is installed."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._points: dict[str, list[EntryPoint]] = defaultdict(list)
        for point in points:
            if point.group in GROUPS:
                self._points[point.group].append(point)
        self._registries: dict[str, Registry[Configurable]] = {}

    def registry(self, base: type[T]) -> Registry[T]:
        """The registry of one kind of plugin, such as `Layer`."""
        if base.group not in self._registries:
            made = Registry(base.group, base, self._points[base.group])
            self._registries[base.group] = made  # type: ignore[assignment]
        return self._registries[base.group]  # type: ignore[return-value]

    def points(self) -> Mapping[str, list[EntryPoint]]:
        """Group → its entry points, in the order of `GROUPS`."""
        return {group: self._points[group] for group in GROUPS}


@functools.cache
def installed() -> Catalog:
    """The catalog of the running Python's installed distributions."""
    found = entry_points()
    return Catalog(point for group in GROUPS for point in found.select(group=group))


def _cause(error: BaseException) -> str:
    return ": ".join(part for part in (type(error).__name__, str(error)) if part)


def _provider(point: EntryPoint) -> Provider:
    if point.dist is None:
        return Provider("unknown", "0")
    return Provider(point.dist.name, point.dist.version)
