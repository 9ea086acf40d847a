"""`lenetkit plugins list`."""

from __future__ import annotations

import click

from lenetkit.cli.arguments import json_option, plugin_option
from lenetkit.cli.output import echo, print_json, report, table
from lenetkit.cli.plugins.probe import TIMEOUT, states
from lenetkit.registry.catalog import installed

_HEADERS = ("group", "name", "distribution", "version", "state")


@click.command(name="list", epilog="Example: lenetkit plugins list")
@plugin_option
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for loading one name.",
)
@json_option
def command(timeout: float, as_json: bool) -> None:
    """Every registered name, its provider and whether it loads.

    The state is `ok`, or the reason why the plugin cannot be used. Distributions other than
    lenetkit are loaded in separate processes, so that none of them can break the list.
    """
    for distribution in installed().unreadable:
        report(f"note: {distribution}; left out")
    rows = [
        (group, entry.name, entry.provider.distribution, entry.provider.version, state)
        for group, entry, state in states(timeout)
    ]
    if as_json:
        print_json([dict(zip(_HEADERS, row, strict=True)) for row in rows])
    else:
        short = [
            (group.removeprefix("lenetkit."), *others, " ".join(state.split()))
            for group, *others, state in rows
        ]
        echo(table(short, _HEADERS))
