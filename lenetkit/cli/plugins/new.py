"""`lenetkit plugins new`."""

from __future__ import annotations

from pathlib import Path

import click

from lenetkit import scaffold
from lenetkit.cli.arguments import UserPath
from lenetkit.cli.output import echo
from lenetkit.text import printable


@click.command(name="new", epilog="Example: lenetkit plugins new my-layers")
@click.argument("name", metavar="NAME")
@click.option(
    "--out",
    type=UserPath(file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Where to create the folder NAME.  [default: here]",
)
def command(name: str, out: Path) -> None:
    """Create a plugin distribution to start from.

    It has a complete layer and optimizer, entry points, and tests that run the conformance suite;
    it installs and passes as it is.
    """
    for path in scaffold.write(name, out):
        echo(printable(path))
    folder = printable(out / name)
    echo(f'\nnext: python -m pip install -e "{folder}[dev]" && python -m pytest "{folder}"')
