"""Options that several commands share, and how they print."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from lenetkit.operations.blas import MAX_THREADS

F = TypeVar("F", bound=Callable[..., Any])

spec_argument = click.argument("spec", metavar="SPEC")
set_option = click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change one value of the spec, such as train.optimizer.lr=0.01. Repeatable.",
)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Folder of the data files; looked in first.",
)


_PLUGIN_FILES = f"{__name__}.plugin_files"


def _add_files(context: click.Context, option: click.Parameter, paths: tuple[Path, ...]) -> None:
    if not paths:
        return
    from lenetkit.registry.catalog import installed
    from lenetkit.registry.plugin_file import add_file

    for path in paths:
        add_file(installed(), path)
    context.meta[_PLUGIN_FILES] = paths


plugin_option = click.option(
    "--plugin",
    "plugins",
    metavar="FILE.py",
    multiple=True,
    type=click.Path(path_type=Path),
    callback=_add_files,
    expose_value=False,
    is_eager=True,
    help="A Python file whose PLUGINS the spec may name. Repeatable.",
)
kernels_option = click.option(
    "--kernels",
    metavar="TYPE",
    help="Another kernel set for convolution and pooling, such as numpy.  [default: the spec's]",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1, max=MAX_THREADS),
    help="Threads for the passes.  [default: what is fastest for the network]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def command_line(command: str, *arguments: str) -> str:
    """A command to type, quoted for this system's shell, with the `--plugin` files given to this
    one.
    """
    files = click.get_current_context().meta.get(_PLUGIN_FILES, ())
    plugins = [word for path in files for word in ("--plugin", str(path))]
    words = ["lenetkit", command, *arguments, *plugins]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def report(message: str) -> None:
    """A note or warning, on standard error."""
    click.echo(message, err=True)


def table(rows: Sequence[Sequence[Any]], headers: Sequence[str], right: Sequence[str] = ()) -> str:
    """Rows as a plain table; the columns named in `right` are aligned to the right."""
    from tabulate import tabulate

    align = ["right" if header in right else "left" for header in headers]
    return tabulate(rows, headers, tablefmt="simple", colalign=align, disable_numparse=True)
