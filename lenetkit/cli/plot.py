"""`lenetkit plot`."""

from __future__ import annotations

from pathlib import Path

import click

from lenetkit.cli.arguments import PATH, data_dir_option, plugin_option
from lenetkit.cli.output import echo, report
from lenetkit.data.source import Samples
from lenetkit.errors import DataError
from lenetkit.model import model
from lenetkit.runs.folder import PICTURE_KINDS, RunFolder
from lenetkit.runs.images import images_of_test
from lenetkit.runs.interrupt import leaving
from lenetkit.runs.pictures import draw
from lenetkit.text import printable


def _no_fraction(context: click.Context, option: click.Parameter, value: float) -> float:
    if 0 < value < 1:
        raise click.BadParameter(f"expected percent; for {value:g}, write {100 * value:g}")
    return value


@click.command(name="plot", epilog="Example: lenetkit plot runs/lenet5/001")
@click.argument("run", metavar="RUN", type=PATH)
@click.option(
    "--format",
    "kind",
    type=click.Choice(PICTURE_KINDS),
    default="png",
    show_default=True,
    help="The pictures' format.",
)
@click.option(
    "--accuracy-from",
    type=click.FloatRange(0, 99),
    default=0,
    show_default=True,
    metavar="PERCENT",
    callback=_no_fraction,
    help="Where the axis of accuracy.png begins, such as 95.",
)
@plugin_option
@data_dir_option
def command(run: Path, kind: str, accuracy_from: float, data_dir: Path | None) -> None:
    """Redraw a run's pictures.

    They are drawn from the figures in the run folder; the sheet of mistakes needs the test images
    too. All runs have the same axis of accuracies, so their pictures can be laid side by side.
    """
    folder = RunFolder.open(run)

    def load_test() -> Samples | None:
        return _test_samples(folder, data_dir, folder.pictures_as(kind)["mistakes"].name)

    with leaving(lambda: "some pictures may not be drawn anew"):
        for path in draw(folder, load_test, report, kind=kind, accuracy_from=accuracy_from):
            echo(printable(path))


def _test_samples(folder: RunFolder, data_dir: Path | None, picture: str) -> Samples | None:
    """The run's test images; None, with a warning, where they cannot be had."""
    plan = model.load(folder.model).plan
    digest = folder.read_result()["dataset_digest"].get("test")
    try:
        return images_of_test(folder, plan, digest, data_dir, report)
    except DataError as error:
        why = f"it needs the test images: {error}"
    report(f"warning: {picture} is left unchanged, because {why}")
    return None
