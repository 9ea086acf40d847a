"""`lenetkit schema`."""

from __future__ import annotations

import click

from lenetkit.cli.arguments import plugin_option
from lenetkit.cli.output import print_json
from lenetkit.registry.catalog import installed
from lenetkit.spec.schema import build_schema


@click.command(name="schema", epilog="Example: lenetkit schema > lenetkit.schema.json")
@plugin_option
def command() -> None:
    """Print a JSON Schema of specs, for editors.

    It is draft-07 and covers everything installed, plugins included. An editor with a YAML
    language server uses it for every spec that starts with the line

    \b
        # yaml-language-server: $schema=lenetkit.schema.json
    """
    print_json(build_schema(installed()))
