"""`lenetkit plugins check`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from lenetkit.cli.arguments import json_option
from lenetkit.cli.output import print_json, table
from lenetkit.cli.plugins.grading import ANNOUNCED, checked
from lenetkit.cli.plugins.registered import rows
from lenetkit.cli.plugins.worker import check_file
from lenetkit.errors import PluginError

_COUNTS = ("passed", "failed", "expected", "skipped")
_HEADERS = ("name", "kind", "distribution", *_COUNTS, "state")


@click.command(name="check", epilog="Example: lenetkit plugins check my-layers")
@click.argument("targets", metavar="[NAME|DISTRIBUTION|FILE.py|FOLDER]...", nargs=-1)
@click.option("--verbose", is_flag=True, help="Say why each skipped check was skipped.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for one file.",
)
@click.option(
    "--strict", is_flag=True, help="Announced failures, and what is not checked, fail too."
)
@json_option
def command(
    targets: tuple[str, ...], verbose: bool, timeout: float, strict: bool, as_json: bool
) -> int:
    """Run the conformance suite on names, a distribution, files or folders of files.

    Without a target, everything registered is checked. The exit status is 1 if a check fails. A
    class is checked with the objects from its `examples()`, or else one with its defaults.
    Failures that a class announces in `expected_failures`, with a reason, are counted separately.
    Each file is checked in a process of its own.
    """
    files = list(dict.fromkeys(file for target in targets for file in _files(target)))
    names = tuple(target for target in targets if not _files(target))
    facts, texts = checked(names, verbose) if names or not targets else ([], [])
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for found, said in pool.map(lambda file: check_file(file, timeout, verbose), files):
            facts += found
            texts += said
    if as_json:
        print_json(facts)
    else:
        click.echo(table([[fact[h] for h in _HEADERS] for fact in facts], _HEADERS, _COUNTS))
        for text in texts:
            click.echo(f"\n{text}")
        _explain(facts, verbose)
    accepted = ("ok",) if strict else ("ok", ANNOUNCED, "not checked")
    return 1 if any(fact["state"] not in accepted for fact in facts) else 0


def _files(target: str) -> list[Path]:
    """The plugin files that a target means; none if it is a name."""
    path = Path(target)
    if target.endswith(".py"):
        if not path.is_file():
            raise PluginError(f"{path}: no such file; expected a Python file")
        return [path.absolute()]
    registered = any(target in (e.name, e.provider.distribution) for _, e in rows())
    return [] if registered else sorted(file.absolute() for file in path.rglob("*.py"))


def _explain(facts: list[dict[str, Any]], verbose: bool) -> None:
    """Print how many checks were skipped or not run at all."""
    skipped = sum(fact["skipped"] for fact in facts)
    unchecked = sum(fact["state"] == "not checked" for fact in facts)
    if skipped and not verbose:
        click.echo(f"\n{skipped} checks were skipped; --verbose says why.")
    if unchecked:
        click.echo(
            f"{unchecked} not checked: the class has no `examples()`, and none can be guessed."
        )
