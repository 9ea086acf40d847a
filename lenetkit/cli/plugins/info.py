"""`lenetkit plugins info`."""

from __future__ import annotations

import inspect
from typing import Any

import click

from lenetkit.cli.arguments import json_option, plugin_option
from lenetkit.cli.output import echo, paragraphs, print_json, table
from lenetkit.cli.plugins.registered import Row, load, rows, unknown
from lenetkit.options import Configurable, Option, options_of
from lenetkit.registry.catalog import GROUPS, installed
from lenetkit.text import printable
from lenetkit.values import show


@click.command(name="info", epilog="Example: lenetkit plugins info conv2d")
@click.argument("name", metavar="NAME")
@plugin_option
@json_option
def command(name: str, as_json: bool) -> None:
    """Options, documentation and source of one name.

    If several groups have the name, such as `constant`, all are shown. NAME may be qualified, as
    in `lenetkit:conv2d`.
    """
    everything = rows()
    found = [row for row in everything if name in (row[1].name, row[1].qualified)]
    if not found:
        raise unknown(name, {entry.name for _, entry in everything})
    facts = [_facts(row) for row in found]
    if as_json:
        print_json(facts)
    else:
        echo("\n\n".join(_text(fact) for fact in facts))


def _facts(row: Row) -> dict[str, Any]:
    group, entry = row
    cls = load(row)
    return {
        "name": entry.name,
        "group": group,
        "kind": GROUPS[group].kind,
        "distribution": entry.provider.distribution,
        "version": entry.provider.version,
        "class": f"{cls.__module__}:{cls.__qualname__}",
        "source": _source(cls),
        "note": installed().registry(GROUPS[group]).rivals(entry),
        "doc": inspect.getdoc(cls) or "",
        "options": [_option(opt) for opt in options_of(cls)],
    }


def _source(cls: type[Configurable]) -> str:
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):  # compiled, or shipped without its source
        return "unknown"


def _option(opt: Option) -> dict[str, Any]:
    return {
        "name": opt.name,
        "type": opt.expected,
        "required": opt.required,
        "default": None if opt.required else _default(opt.default),
        "doc": opt.doc,
    }


def _default(value: Any) -> str:
    if isinstance(value, Configurable):
        return installed().registry(GROUPS[value.group]).name_of(type(value))
    return show(value)


def _text(fact: dict[str, Any]) -> str:
    title = f"{fact['name']}: {fact['kind']} of {fact['distribution']} {fact['version']}"
    notes = [paragraphs(printable(fact["note"]))] if fact["note"] else []
    lines = [printable(title), printable(fact["source"]), *notes, "", paragraphs(fact["doc"])]
    options = [
        (o["name"], o["type"], "required" if o["required"] else o["default"], o["doc"])
        for o in fact["options"]
    ]
    if options:
        lines += ["", table(options, ("option", "type", "default", ""))]
    return "\n".join(lines)
