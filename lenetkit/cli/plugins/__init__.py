"""`lenetkit plugins`: list, describe, check and start plugins."""

from __future__ import annotations

import click

from lenetkit.cli.groups import LazyGroup

_COMMANDS = {
    "list": "Every registered name, its provider and whether it loads.",
    "info": "Options, documentation and source of one name.",
    "check": "Run the conformance suite on names, a distribution or a file.",
    "new": "Create a plugin distribution to start from.",
}


@click.group(
    name="plugins",
    cls=LazyGroup,
    package=__name__,
    summaries=_COMMANDS,
    invoke_without_command=True,
    epilog="Example: lenetkit plugins info conv2d",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (for the list).")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List every registered layer, optimizer, … and who provides it.

    Without a command, this is `list`.
    """
    if context.invoked_subcommand is None:
        from lenetkit.cli.plugins.list import command as listing

        context.invoke(listing, as_json=as_json)
