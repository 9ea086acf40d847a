"""`lenetkit plugins info`."""

from __future__ import annotations

import inspect
from typing import Any

import click

from lenetkit.cli.arguments import json_option, plugin_option, print_json, table
from lenetkit.errors import PluginError, did_you_mean
from lenetkit.options import Configurable, Option, options_of
from lenetkit.registry.catalog import GROUPS, Registration, installed
from lenetkit.values import show


@click.command(name="info", epilog="Example: lenetkit plugins info conv2d")
@click.argument("name", metavar="NAME")
@plugin_option
@json_option
def command(name: str, as_json: bool) -> None:
    """Options, documentation and source of one name.

    Where several groups have the name, such as `constant`, all are shown. NAME may be qualified,
    as in `lenetkit:conv2d`.
    """
    found = [(group, entry) for group in GROUPS for entry in _entries(group, name)]
    if not found:
        every = {entry.name for entries in installed().entries().values() for entry in entries}
        raise PluginError(f"nothing is registered as '{name}'{did_you_mean(name, every)}")
    facts = [_facts(group, entry) for group, entry in found]
    if as_json:
        print_json(facts)
        return
    click.echo("\n\n".join(_text(fact) for fact in facts))


def _entries(group: str, name: str) -> list[Registration]:
    provider, _, bare = name.rpartition(":")
    return [
        entry
        for entry in installed().entries()[group]
        if entry.name == bare and provider in ("", entry.provider.distribution)
    ]


def _facts(group: str, entry: Registration) -> dict[str, Any]:
    cls = installed().registry(GROUPS[group]).load(entry)
    return {
        "name": entry.name,
        "group": group,
        "kind": GROUPS[group].kind,
        "distribution": entry.provider.distribution,
        "version": entry.provider.version,
        "class": f"{cls.__module__}:{cls.__qualname__}",
        "source": _source(cls),
        "doc": inspect.getdoc(cls) or "",
        "options": [_option(opt) for opt in options_of(cls)],
    }


def _source(cls: type[Configurable]) -> str:
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):  # compiled, or its source is not there
        return "unknown"


def _option(opt: Option) -> dict[str, Any]:
    default = None if opt.required else _shown_default(opt.default)
    return {
        "name": opt.name,
        "type": opt.expected,
        "required": opt.required,
        "default": default,
        "doc": opt.doc,
    }


def _shown_default(value: Any) -> str:
    if isinstance(value, Configurable):
        return installed().registry(GROUPS[value.group]).name_of(type(value))
    return show(value)


def _text(fact: dict[str, Any]) -> str:
    lines = [
        f"{fact['name']}: {fact['kind']} of {fact['distribution']} {fact['version']}",
        f"{fact['source']}",
        "",
        fact["doc"],
    ]
    if fact["options"]:
        rows = [
            (o["name"], o["type"], "required" if o["required"] else o["default"], o["doc"])
            for o in fact["options"]
        ]
        lines += ["", table(rows, ("option", "type", "default", ""))]
    return "\n".join(lines)
