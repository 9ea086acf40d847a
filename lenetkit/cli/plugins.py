"""`lenetkit plugins`."""

from __future__ import annotations

import importlib
from typing import Any

import click

from lenetkit.cli.options import json_option, print_json, table
from lenetkit.errors import PluginError
from lenetkit.options import Configurable
from lenetkit.registry import Catalog, Registry, installed

_BASES = {
    "lenetkit.layers": "lenetkit.layer:Layer",
    "lenetkit.losses": "lenetkit.losses:Loss",
    "lenetkit.optimizers": "lenetkit.optimizers:Optimizer",
    "lenetkit.schedules": "lenetkit.schedules:Schedule",
    "lenetkit.initializers": "lenetkit.initializers:Initializer",
    "lenetkit.datasets": "lenetkit.data.source:DataSource",
    "lenetkit.transforms": "lenetkit.data.transforms:Transform",
    "lenetkit.kernels": "lenetkit.kernels.base:Kernels",
}


@click.command(name="plugins", epilog="Example: lenetkit plugins")
@json_option
def command(as_json: bool) -> None:
    """List every registered layer, optimizer, … and who provides it.

    The state is `ok`, or what keeps the plugin from being used.
    """
    rows = states(installed())
    if as_json:
        print_json(rows)
        return
    headers = ("group", "name", "distribution", "version", "state")
    click.echo(table([[row[h] for h in headers] for row in rows], headers))


def states(catalog: Catalog) -> list[dict[str, Any]]:
    """One row for each registration, those that do not load included."""
    return [
        {
            "group": group,
            "name": entry.name,
            "distribution": entry.provider.distribution,
            "version": entry.provider.version,
            "state": _state(registry, entry.name),
        }
        for group, base in _BASES.items()
        for registry in [catalog.registry(_load(base))]
        for entry in registry.entries()
    ]


def _load(target: str) -> type[Configurable]:
    module, _, name = target.partition(":")
    base: type[Configurable] = getattr(importlib.import_module(module), name)
    return base


def _state(registry: Registry[Any], name: str) -> str:
    try:
        registry.get(name)
    except PluginError as error:
        return str(error)
    return "ok"
