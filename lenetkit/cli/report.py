"""`lenetkit report`."""

from __future__ import annotations

from pathlib import Path

import click

from lenetkit.cli.arguments import PATH, UserPath, data_dir_option, plugin_option
from lenetkit.cli.output import echo, report
from lenetkit.runs.interrupt import leaving
from lenetkit.text import printable


@click.command(
    name="report", epilog="Example: lenetkit report runs/lenet5/001 --out report.html --lang zh"
)
@click.argument("runs", metavar="RUN [RUN]...", nargs=-1, required=True, type=PATH)
@click.option(
    "--out",
    type=UserPath(dir_okay=False),
    metavar="FILE.html",
    default="report.html",
    show_default=True,
    help="The file to write.",
)
@click.option(
    "--lang",
    type=click.Choice(("en", "zh")),
    default="en",
    show_default=True,
    help="The language of the report.",
)
@plugin_option
@data_dir_option
def command(runs: tuple[Path, ...], out: Path, lang: str, data_dir: Path | None) -> None:
    """Write an HTML report of one or more runs, to hand in.

    One file shows the network, the settings, curves, confusion matrices, mistakes, weights and
    feature maps, and needs no other file and no network connection. Mistakes and feature maps
    need the run's test images; without them they are left out.
    """
    from lenetkit.reporting.report import report as write

    with leaving(lambda: f"{printable(out)} is not written"):
        echo(printable(write(runs, out, lang=lang, data_dir=data_dir, report=report)))
