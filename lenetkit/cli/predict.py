"""`lenetkit predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from lenetkit.cli import arguments
from lenetkit.cli.output import echo, print_json, report, table
from lenetkit.data.images import find_images
from lenetkit.errors import ImageError
from lenetkit.model import model
from lenetkit.text import NOTHING, percent, printable

if TYPE_CHECKING:
    from lenetkit.data.readings import Reading


@click.command(
    name="predict", epilog="Example: lenetkit predict runs/lenet5/001/model.safetensors photo.jpg"
)
@arguments.model_argument
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=arguments.PATH)
@click.option(
    "--show",
    type=arguments.PATH,
    metavar="FILE",
    help="Draw what was found on each picture, and what the network saw (.png, .pdf or .svg).",
)
@arguments.plugin_option
@arguments.kernels_option
@arguments.json_option
def command(
    model_file: Path,
    images: tuple[Path, ...],
    show: Path | None,
    kernels: str | None,
    as_json: bool,
) -> int:
    """Read the digits in image files.

    IMAGE is an image file or a folder of them, of any size, dark on light or light on dark. Digits
    are cut out, scaled and centred as MNIST's were; several in a row are read from left to right.
    Lines, frames, shadows, tables and fingers are left out if the extra is installed: pip install
    "lenetkit[photos]". Where it is not certain what a picture shows, it is refused, with the
    reason. Exit status 0 if at least one picture was read.

    A model trained on other images (`data.preparation: resize`) is given the whole picture, resized
    to its input, in grey or in colour.
    """
    from lenetkit.model.reading import read_file

    trained = model.load(model_file, kernels=kernels)
    readings = [read_file(trained, path) for path in find_images(images, report)]
    if as_json:
        print_json([_facts(reading) for reading in readings])
    elif any(reading.digits for reading in readings):
        echo(_table(readings, trained.classes))
    if show is not None:
        from lenetkit.plots.page import save_figure
        from lenetkit.plots.readings import readings_figure

        save_figure(readings_figure(readings, dataset=trained.dataset), show)
    refused = [reading.reason for reading in readings if reading.reason]
    is_failure = len(refused) == len(readings)
    for reason in refused:  # last, so that they do not cost the other answers
        report(f"{'error' if is_failure else 'not read'}: {reason}")
    return ImageError.exit_status if is_failure else 0


def _facts(reading: Reading) -> dict[str, Any]:
    weakest = reading.weakest
    facts = {
        "path": str(reading.path),
        "label": reading.label,
        "probabilities": weakest.probabilities.tolist() if weakest else [],
        "digits": [
            {"label": digit.label, "probabilities": digit.probabilities.tolist(), "box": digit.box}
            for digit in reading.digits
        ],
    }
    return facts | ({"reason": reading.reason} if reading.reason else {})


def _table(readings: Sequence[Reading], classes: Sequence[str]) -> str:
    """A line for each picture that was read, with the digit that is least certain."""
    lines = []
    for reading in readings:
        if (digit := reading.weakest) is None:
            continue
        row = digit.probabilities
        order = np.argsort(-row, kind="stable").tolist()
        others = [f"{classes[i]} ({percent(row[i], 1)})" for i in order[1:2]]
        other = others[0] if others else NOTHING
        lines.append((printable(reading.path), reading.label, percent(row.max(), 1), other))
    return table(lines, ("image", "label", "probability", "next"), ("probability",))
