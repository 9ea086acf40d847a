"""`lenetkit compare`."""

from __future__ import annotations

from pathlib import Path

import click

from lenetkit.cli.arguments import PATH, json_option, picture_path, plugin_option
from lenetkit.cli.output import echo, paragraphs, print_json, report, table
from lenetkit.comparison import tables
from lenetkit.comparison.comparison import Comparison, compare
from lenetkit.runs.interrupt import leaving
from lenetkit.text import printable

_MOST_PAIRS = 10


@click.command(
    name="compare", epilog="Example: lenetkit compare runs/lenet5/001 runs/lenet5/002 --out c.png"
)
@click.argument("runs", metavar="RUN RUN…", type=PATH, nargs=-1, required=True)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "latex"]),
    default="table",
    show_default=True,
    help="How to print it; LaTeX needs the package booktabs.",
)
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    callback=picture_path,
    help="Draw the curves to a .png, .svg or .pdf file.",
)
@plugin_option
@json_option
def command(runs: tuple[Path, ...], kind: str, out: Path | None, as_json: bool) -> None:
    """Show what differs between runs, and how good they are.

    Runs that differ in nothing but the seed are a group, with mean and standard deviation. Pairs
    that were measured on the same test set get McNemar's test.
    """
    comparison = compare(runs)
    if as_json:
        print_json(comparison.facts())
    elif kind == "csv":
        echo(tables.csv_text(comparison), nl=False)
    elif kind == "latex":
        echo(tables.latex_text(comparison))
    else:
        _show(comparison)
    if out is not None:
        with leaving(lambda: f"{printable(out)} is not drawn"):
            comparison.plot(out, report=report)
        report(f"curves: {printable(out)}")


def _show(comparison: Comparison) -> None:
    tests = _tests(comparison)  # before anything is printed, as a file may be damaged
    for make in (tables.run_table, tables.difference_table, tables.group_table):
        rows, headers, right = make(comparison)
        if rows:
            echo(table(rows, headers, right) + "\n")
    if not comparison.differences:
        echo("The specs do not differ.\n")
    for line in tests:
        echo(paragraphs(line))


def _tests(comparison: Comparison) -> list[str]:
    """McNemar's test in sentences, the pairs that differ most first."""
    pairs = sorted(comparison.pairs, key=lambda pair: pair.test.p)
    lines = [f"{comparison.sentence(pair)}." for pair in pairs[:_MOST_PAIRS]]
    if len(pairs) > _MOST_PAIRS:
        lines.append(f"… and {len(pairs) - _MOST_PAIRS:,} more pairs, which --json lists.")
    if pairs:
        many = f"; not corrected for {len(pairs):,} pairs" if len(pairs) > 1 else ""
        lines.append(f"(McNemar's exact test on the test set{many})")
    if old := comparison.untested:
        letters = ", ".join(comparison.letter(run) for run in old)
        lacks = "lacks" if len(old) == 1 else "lack"
        lines.append(
            f"No McNemar's test of {letters}, which {lacks} predictions.csv; `lenetkit train "
            "--resume RUN` writes it."
        )
    return lines
