"""How commands print: results on standard output, notes and warnings on standard error."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import click

from lenetkit.cli.arguments import PLUGIN_FILES


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def report(message: str) -> None:
    """Print a note or warning on standard error."""
    click.echo(message, err=True)


def command_line(command: str, *arguments: str) -> str:
    """A lenetkit command to type, quoted for this system's shell.

    It repeats the `--plugin` files of the command that is running.
    """
    files = click.get_current_context().meta.get(PLUGIN_FILES, ())
    plugins = [word for path in files for word in ("--plugin", str(path))]
    words = ["lenetkit", command, *arguments, *plugins]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def table(rows: Sequence[Sequence[Any]], headers: Sequence[str], right: Sequence[str] = ()) -> str:
    """Rows as a plain table, with the columns named in `right` aligned to the right."""
    from tabulate import tabulate

    align = ["right" if header in right else "left" for header in headers]
    return tabulate(rows, headers, tablefmt="simple", colalign=align, disable_numparse=True)
