"""`lenetkit runs`."""

from __future__ import annotations

from pathlib import Path

import click

from lenetkit.cli.arguments import PATH, json_option, plugin_option
from lenetkit.cli.output import echo, paragraphs, print_json, report, table
from lenetkit.comparison.record import RunRecord, find_runs
from lenetkit.comparison.words import FIGURE_NAMES, figure_text, value_text
from lenetkit.spec.changes import in_words
from lenetkit.text import NOTHING, number, printable

_FIGURES = ("test_accuracy", "train_accuracy", "test_rmse", "train_rmse")
_NUMBERS = ("epochs", *(FIGURE_NAMES[name] for name in _FIGURES), "seconds")


@click.command(name="runs", epilog="Example: lenetkit runs runs/lenet5")
@click.argument("folder", metavar="[DIR]", type=PATH, default=Path("runs"))
@plugin_option
@json_option
def command(folder: Path, as_json: bool) -> None:
    """List the runs in a folder.

    DIR is by default runs; it is searched three folders deep. What differs is told of the shipped
    spec of the run's name, or else of the first run of that name. A run is running, finished,
    interrupted, diverged, incomplete (it ended before its first checkpoint) or damaged.
    """
    found = find_runs(folder)
    if as_json:
        print_json([record.row() for record in found])
        return
    if not found:
        report(f"no runs in {printable(folder)}")
        return
    figures = [name for name in _FIGURES if any(name in record.figures for record in found)]
    headers = ["run", "name", "data", "changes", "epochs", *(FIGURE_NAMES[f] for f in figures)]
    rows = [_row(record, folder, figures) for record in found]
    echo(table(rows, [*headers, "seconds", "state"], _NUMBERS))
    for record in found:
        if record.reason:
            first, *_ = record.reason.split("\n")
            echo(paragraphs(f"{printable(record.path)}: {first}"))


def _row(record: RunRecord, folder: Path, figures: list[str]) -> list[str]:
    path = record.path.relative_to(folder) if record.path != folder else record.path
    changes = {key: None if v is None else value_text(v) for key, v in record.changes.items()}
    return [
        printable(path),
        record.name,
        record.dataset or NOTHING,
        in_words(changes),
        NOTHING if record.epochs is None else str(record.epochs),
        *(figure_text(name, record.figures.get(name)).removesuffix(" %") for name in figures),
        NOTHING if record.seconds is None else number(record.seconds, ".1f"),
        record.state,
    ]
