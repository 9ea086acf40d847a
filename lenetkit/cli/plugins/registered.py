"""Every registration as a row of entry-point group and entry, which the commands here share."""

from __future__ import annotations

from collections.abc import Iterable

from lenetkit.errors import NotInstalledError, PluginError, did_you_mean
from lenetkit.options import Configurable
from lenetkit.registry.catalog import GROUPS, Registration, installed
from lenetkit.registry.synonyms import provider_of, type_meant

Row = tuple[str, Registration]


def rows() -> list[Row]:
    """All registrations, in the order of the groups. Imports nothing."""
    every = installed().entries()
    return [(group, entry) for group, entries in every.items() for entry in entries]


def load(row: Row) -> type[Configurable]:
    """The class behind a registration. Raises PluginError where it cannot be used."""
    group, entry = row
    return installed().registry(GROUPS[group]).load(entry)


def unknown(name: str, valid: Iterable[str]) -> PluginError:
    """The error for a name that is not registered."""
    names = list(valid)
    for base in GROUPS.values():
        if known := provider_of(base.kind, name):
            return NotInstalledError(base.kind, known[1], known[0])
        if meant := type_meant(base.kind, name, installed().registry(base).names()):
            return PluginError(f"nothing is registered as '{name}'; did you mean '{meant}'?")
    return PluginError(f"nothing is registered as '{name}'{did_you_mean(name, names)}")
