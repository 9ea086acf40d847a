"""`lenetkit plot`."""

from __future__ import annotations

from pathlib import Path

import click

from lenetkit.cli.arguments import PATH, data_dir_option, plugin_option
from lenetkit.cli.output import report
from lenetkit.data.source import Samples
from lenetkit.errors import DataError
from lenetkit.model import model
from lenetkit.runs.folder import RunFolder
from lenetkit.runs.interrupt import leaving
from lenetkit.runs.pictures import draw
from lenetkit.training.data import load_samples, place_for


@click.command(name="plot", epilog="Example: lenetkit plot runs/lenet5/001")
@click.argument("run", metavar="RUN", type=PATH)
@plugin_option
@data_dir_option
def command(run: Path, data_dir: Path | None) -> None:
    """Redraw a run's pictures.

    They are drawn from the figures in the run folder; mistakes.png needs the test images too.
    """
    folder = RunFolder.open(run)
    with leaving():
        for path in draw(folder, lambda: _test_samples(folder, data_dir)):
            click.echo(path)


def _test_samples(folder: RunFolder, data_dir: Path | None) -> Samples | None:
    """The run's test images; None, with a warning, where they cannot be had."""
    plan = model.load(folder.model).plan
    try:
        test, _ = load_samples(plan, "test", place_for(plan, data_dir, report))
    except DataError as error:
        why = f"it needs the test images: {error}"
    else:
        if test.digest == folder.read_result()["dataset_digest"].get("test"):
            return test
        why = f"these {test.dataset} test images are not the ones used in the run"
    report(f"warning: mistakes.png is left unchanged, because {why}")
    return None
