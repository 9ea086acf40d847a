"""Names to classes, through entry points, lazily.

The built-ins are entry points in lenetkit's own pyproject.toml, as in any plugin. Listing imports
nothing; a class is imported when a spec names it.
"""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint
from typing import Generic, TypeVar

from lenetkit.data.source import DataSource
from lenetkit.data.transforms import Transform
from lenetkit.errors import LenetkitError, NotInstalledError, PluginError, is_ctrl_c
from lenetkit.initializers import Initializer
from lenetkit.kernels.base import Kernels
from lenetkit.layers.base import Layer
from lenetkit.losses import Loss
from lenetkit.optimizers import Optimizer
from lenetkit.options import Configurable, base_of, options_of
from lenetkit.registry.api_version import API, API_GROUP, other_api
from lenetkit.registry.blame import blaming, fault, innermost_line, package_of
from lenetkit.registry.discovery import Unreadable, find_entry_points
from lenetkit.registry.synonyms import provider_of, type_hint
from lenetkit.schedules import Schedule
from lenetkit.values import show

T = TypeVar("T", bound=Configurable)

KINDS: tuple[type[Configurable], ...] = (
    *(Layer, Loss, Optimizer, Schedule, Initializer, DataSource, Transform, Kernels),
)
"""The base classes of everything that a plugin can provide."""
GROUPS = {base.group: base for base in KINDS}
"""Entry-point group → base class."""


@dataclass(frozen=True)
class Provider:
    """The distribution, or the file, that a registered name comes from."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


BUILTIN = "lenetkit"
"""The distribution whose names no other can override."""


@dataclass(frozen=True)
class Registration:
    """One registered name: its target and its provider."""

    name: str
    target: str
    provider: Provider
    point: EntryPoint
    unusable: str = ""
    """Why it cannot be used, if that is known without importing it."""

    @property
    def qualified(self) -> str:
        """`distribution:name`, which is never ambiguous."""
        return f"{self.provider.distribution}:{self.name}"


def without(entries: Iterable[Registration], entry: Registration) -> list[Registration]:
    """The registrations but those that give the name of `entry` to its distribution."""
    taken = (entry.name, entry.provider.distribution)
    return [each for each in entries if (each.name, each.provider.distribution) != taken]


class Registry(Generic[T]):
    """The registered names of one group, all subclasses of `base`."""

    def __init__(
        self,
        group: str,
        base: type[T],
        entries: Iterable[Registration],
        unreadable: Sequence[Unreadable] = (),
    ) -> None:
        self.group = group
        self.base = base
        self.unreadable = unreadable
        self._loaded: dict[Registration, type[T]] = {}
        self._entries: dict[str, list[Registration]] = defaultdict(list)
        for entry in entries:
            self.add(entry)

    def add(self, entry: Registration, *, replace: bool = False) -> None:
        """Register a name; a distribution found twice on the path counts once.

        With `replace`, the name loses what the same distribution gave it before.
        """
        if replace:
            self._loaded.pop(entry, None)
            self._entries[entry.name] = without(self._entries[entry.name], entry)
        if entry not in self._entries[entry.name]:
            self._entries[entry.name].append(entry)

    @property
    def kind(self) -> str:
        """What a name of this group refers to: `layer`, `data set`."""
        return self.base.kind

    @property
    def a_kind(self) -> str:
        """The same with its article: `an optimizer`."""
        return f"{'an' if self.kind[0] in 'aeio' else 'a'} {self.kind}"

    def names(self) -> list[str]:
        """All registered names, sorted. Imports nothing."""
        return sorted(self._entries)

    def entries(self) -> list[Registration]:
        """All registrations, names claimed twice included. Imports nothing."""
        return [entry for name in self.names() for entry in self._entries[name]]

    def entry(self, name: str) -> Registration:
        """The registration of a name, or of `distribution:name`.

        A built-in keeps its name whoever else claims it. Raises PluginError for an unknown name
        and for one that two other distributions claim.
        """
        provider, _, bare = name.rpartition(":")
        found = [
            entry
            for entry in self._entries.get(bare, [])
            if provider in ("", entry.provider.distribution)
        ]
        found = [e for e in found if e.provider.distribution == BUILTIN] or found
        if not found:
            known = provider_of(self.kind, bare)
            if known and known[0] not in {each.distribution for each in self.unreadable}:
                distribution, called = known
                raise NotInstalledError(self.kind, called, distribution)
            near = type_hint(self.kind, name, self.names())
            out = "".join(f"\n  note: {each}" for each in self.unreadable)
            raise PluginError(f"no {self.kind} is registered as {show(name)}{near}{out}")
        if len(found) > 1:
            claimants = " and ".join(str(entry.provider) for entry in found)
            ways = " or ".join(f"'{entry.qualified}'" for entry in found)
            raise PluginError(
                f"{self.kind} '{name}' is registered by {claimants}; write {ways}, "
                "or uninstall one of them"
            )
        return found[0]

    def get(self, name: str) -> type[T]:
        """The class behind a name, imported once.

        Raises PluginError, naming the distribution, if it cannot be imported or is not a `base`.
        """
        return self.load(self.entry(name))

    def load(self, entry: Registration) -> type[T]:
        """The class behind a registration; see `get`."""
        if entry not in self._loaded:
            self._loaded[entry] = self._load(entry)
        return self._loaded[entry]

    def name_of(self, cls: type[Configurable]) -> str:
        """The name that a class is registered under, qualified if the bare one is ambiguous.

        Raises PluginError if there is none.
        """
        target = f"{cls.__module__}:{cls.__qualname__}"
        for entry in self.entries():
            if self._loaded.get(entry) is cls or entry.target == target:
                return entry.name if self._is_plain(entry) else entry.qualified
        raise PluginError(
            f"{cls.__qualname__} is not registered in {self.group}; declare it as an entry point, "
            f"or name it from Python: plugins={{'NAME': {cls.__name__}}}"
        )

    def rivals(self, entry: Registration) -> str:
        """What the bare name means instead of this registration, and what to write; else empty."""
        others = [
            other.provider.distribution
            for other in self._entries[entry.name]
            if other.provider != entry.provider
        ]
        if not others or entry.provider.distribution == BUILTIN:
            return ""
        whose = "the built-in" if BUILTIN in others else f"{' and '.join(others)} too"
        return f"'{entry.name}' is {whose}: write '{entry.qualified}'"

    def _is_plain(self, entry: Registration) -> bool:
        """Whether the bare name refers to this registration."""
        claims = self._entries[entry.name]
        return len(claims) == 1 or entry.provider.distribution == BUILTIN

    def _load(self, entry: Registration) -> type[T]:
        where = f"{self.kind} '{entry.name}' of {entry.provider} ({entry.target})"
        if entry.unusable:
            raise PluginError(f"{where} {entry.unusable}")
        with blaming(f"{where} does not load"):
            loaded = entry.point.load()
        with blaming(f"{where} cannot be checked as a class"):
            fits = isinstance(loaded, type) and issubclass(loaded, self.base)
        if not fits:
            base = f"{self.base.__module__}.{self.base.__name__}"
            raise PluginError(f"{where} is not a subclass of {base}")
        if inspect.isabstract(loaded):
            missing = ", ".join(sorted(loaded.__abstractmethods__))
            raise PluginError(f"{where} is abstract: it does not define {missing}")
        with blaming(f"{where} has unreadable options"):  # such as an undefined type hint
            options_of(loaded)
        return loaded


class Catalog:
    """All registries, from one scan of the installed distributions."""

    def __init__(self, points: Iterable[EntryPoint], unreadable: Sequence[Unreadable] = ()) -> None:
        points = list(points)
        self.unreadable = tuple(unreadable)
        supported: dict[str, set[str]] = defaultdict(set)
        for point in points:
            if point.group == API_GROUP:
                supported[_provider(point).distribution].add(point.name)
        self._entries: dict[str, list[Registration]] = {group: [] for group in GROUPS}
        for point in points:
            if point.group in GROUPS:
                provider = _provider(point)
                versions = supported.get(provider.distribution, {API})
                unusable = _no_target(point) or other_api(versions)
                entry = Registration(point.name, point.value, provider, point, unusable)
                self._entries[point.group].append(entry)
        self._registries: dict[str, Registry[Configurable]] = {}

    def registry(self, base: type[T]) -> Registry[T]:
        """The registry of one kind of plugin, such as `Layer`."""
        if base.group not in self._registries:
            made = Registry(base.group, base, self._entries[base.group], self.unreadable)
            self._registries[base.group] = made  # type: ignore[assignment]
        return self._registries[base.group]  # type: ignore[return-value]

    def entries(self) -> Mapping[str, list[Registration]]:
        """Group → its registrations, in the order of `GROUPS`. Imports nothing."""
        return self._entries

    def add(self, group: str, entry: Registration, *, replace: bool = False) -> None:
        """Register a name; with `replace`, instead of what its distribution gave it before."""
        if replace:
            self._entries[group] = without(self._entries[group], entry)
        self._entries[group].append(entry)
        if group in self._registries:
            self._registries[group].add(entry, replace=replace)

    def identity(self, thing: Configurable) -> tuple[str, Provider | None]:
        """An object's registered name and provider; its class's name if it has none."""
        registry = self.registry(base_of(thing))
        try:
            name = registry.name_of(type(thing))
            return name, registry.entry(name).provider
        except PluginError:
            return type(thing).__name__, None

    def blame(
        self, error: BaseException, where: str = "", authors: Sequence[Configurable] = ()
    ) -> None:
        """Raise PluginError if a plugin's code raised this; else return.

        The innermost line of a plugin's code decides: of any plugin, or, in a pass at `where`, of
        one of its `authors`; without such a line, the first author is blamed. Not blamed on
        plugins: errors of lenetkit's own code, LenetkitErrors, the user's Ctrl-C, MemoryError and
        BrokenPipeError.
        """
        own = (PluginError,) if authors else (LenetkitError, BrokenPipeError)
        said = (MemoryError, *own)
        if is_ctrl_c(error) or isinstance(error, said):
            return
        if authors:
            foreign = {package_of(type(thing).__module__): thing for thing in reversed(authors)}
            foreign.pop(BUILTIN, None)
            line = innermost_line(error, foreign)
            if line or authors[0] in foreign.values():
                name, provider = self.identity(foreign[line.package] if line else authors[0])
                raise fault(error, f"{where} of {name} of {provider or 'this process'}", line)
            return
        entries = [entry for group in self._entries.values() for entry in group]
        providers = {
            package_of(entry.target.partition(":")[0]): entry.provider for entry in entries
        }
        providers.pop(BUILTIN, None)
        if line := innermost_line(error, providers):
            raise fault(error, f"{providers[line.package]}: {line.function}", line)


@contextmanager
def naming_plugins() -> Iterator[None]:
    """Convert what an installed plugin's code raises inside the block to a PluginError."""
    try:
        yield
    except BaseException as error:
        installed().blame(error)
        raise


@functools.cache
def installed() -> Catalog:
    """The catalog of the running Python's installed distributions."""
    return Catalog(*find_entry_points((*GROUPS, API_GROUP)))


def _no_target(point: EntryPoint) -> str:
    """Why an entry point is malformed; empty if it is not."""
    if point.pattern.fullmatch(point.value):
        return ""
    return f"points at {show(point.value)}; expected MODULE:CLASS"


def _provider(point: EntryPoint) -> Provider:
    return Provider("unknown", "0") if point.dist is None else _read_provider(point.dist)


@functools.cache
def _read_provider(distribution: Distribution) -> Provider:
    """Reads a file, so cached by distribution."""
    return Provider(distribution.name, distribution.version)
