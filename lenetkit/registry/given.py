"""Plugins that a program gives: files, and classes that are nowhere registered."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

from lenetkit.errors import warn
from lenetkit.files.opening import user_path
from lenetkit.options import Configurable
from lenetkit.registry.catalog import GROUPS, Provider, Registration, installed
from lenetkit.registry.plugin_file import MODULE, add_file, kinds

Plugins = Sequence[str | Path | type[Configurable]] | Mapping[str, type[Configurable]]
"""Plugin files and classes, or classes by the names that specs give them."""

CLASS = "class"
"""The version of a class that no distribution and no file provides."""


def use(plugins: Plugins) -> None:
    """Let specs name what these plugins provide, from now on in this process.

    A file provides its `PLUGINS`, as with `--plugin`. A class goes by its own name, in lower case
    too, unless a mapping gives it another. What is given again replaces what it was before. Raises
    PluginError for a file that cannot be used, and TypeError for anything that is neither.
    """
    if isinstance(plugins, str) or not isinstance(plugins, Sequence | Mapping):
        raise TypeError(f"expected plugins=[…], files or classes, found {plugins!r}")
    if isinstance(plugins, Mapping):
        added = [_add_class(name, thing) for name, thing in plugins.items()]
    else:
        added = [entry for thing in plugins for entry in _add(thing)]
    for entry in added:
        registry = installed().registry(GROUPS[entry.point.group])
        if rivals := registry.rivals(entry):
            warn(f"{entry.provider.distribution}: {rivals} to use this one")


def _add(thing: Any) -> list[Registration]:
    if isinstance(thing, str | Path):
        return add_file(installed(), user_path(thing), replace=True)
    name = getattr(thing, "__name__", "")
    return [_add_class(each, thing) for each in dict.fromkeys([name, name.lower()])]


def _add_class(name: str, cls: Any) -> Registration:
    if not (isinstance(cls, type) and issubclass(cls, Configurable) and cls.group in GROUPS):
        found = f"an object; write {type(cls).__name__}" if isinstance(cls, Configurable) else cls
        raise TypeError(f"plugins: expected a file, or a class of {kinds()}, found {found}")
    point = _ClassPoint(name, cls)
    entry = Registration(name, point.value, Provider(cls.__module__, CLASS), point)
    installed().add(cls.group, entry, replace=True)
    return entry


def named_classes(things: Iterable[Configurable]) -> dict[str, type[Configurable]]:
    """Name → class of what `use` was given as a class, of these objects' classes."""
    return _named({type(thing) for thing in things})


def know(classes: Mapping[str, type[Configurable]]) -> None:
    """Let specs name these classes, where they do not yet; another process sent them."""
    for name, cls in classes.items():
        if _named({cls}).get(name) is not cls:
            _add_class(name, cls)


def _named(classes: Collection[type[Configurable]]) -> dict[str, type[Configurable]]:
    points = [e.point for group in {c.group for c in classes} for e in installed().entries()[group]]
    return {p.name: p.load() for p in points if isinstance(p, _ClassPoint) and p.load() in classes}


class _ClassPoint(EntryPoint):
    """The entry point of a class that needs no import."""

    def __init__(self, name: str, cls: type[Configurable]) -> None:
        super().__init__(name, f"{cls.__module__}:{cls.__qualname__}", cls.group)
        vars(self)["cls"] = cls

    def load(self) -> Any:
        return vars(self)["cls"]


@dataclass(frozen=True)
class PluginFiles:
    """The plugin files that some classes come from: sent before them, it makes them loadable."""

    modules: tuple[tuple[str, str], ...]
    """The name of each file's module, and its path."""

    @classmethod
    def of(cls, things: Iterable[Configurable]) -> Self:
        """The files of these objects' classes."""
        names = dict.fromkeys(type(thing).__module__ for thing in things)
        return cls(tuple((n, str(sys.modules[n].__file__)) for n in names if n.startswith(MODULE)))

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (self.modules,)


def _loaded(modules: tuple[tuple[str, str], ...]) -> PluginFiles:
    """Run the files that this process has not run yet."""
    for name, path in modules:
        if name not in sys.modules:
            add_file(installed(), Path(path), replace=True)
    return PluginFiles(modules)
