"""`lenetkit predict`."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from lenetkit.cli import arguments
from lenetkit.cli.output import print_json, table
from lenetkit.data.digits import load_digit
from lenetkit.data.images import find_images, load_resized
from lenetkit.errors import ImageError
from lenetkit.files.opening import printable
from lenetkit.model import model
from lenetkit.text import percent


@click.command(
    name="predict", epilog="Example: lenetkit predict runs/lenet5/001/model.safetensors photo.jpg"
)
@arguments.model_argument
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=arguments.PATH)
@arguments.plugin_option
@arguments.kernels_option
@arguments.json_option
def command(model_file: Path, images: tuple[Path, ...], kernels: str | None, as_json: bool) -> None:
    """Read the digits in image files.

    IMAGE is an image file or a folder of them, of any size, dark on light or light on dark. A
    digit is cut out, scaled and centred as MNIST's were.
    """
    trained = model.load(model_file, kernels=kernels)
    shape = trained.image_shape
    paths, prepared, problems = [], [], []
    for path in find_images(images):
        try:
            if trained.preparation == "digit" and shape[0] == 1:
                prepared.append(load_digit(path, shape[1:])[None])
            else:
                prepared.append(load_resized(path, shape))
            paths.append(path)
        except ImageError as error:
            problems.append(str(error))
    probabilities = trained.read(np.array(prepared, np.uint8).reshape(-1, *shape))
    labels = [trained.classes[i] for i in probabilities.argmax(axis=1)]
    if as_json:
        rows = zip(paths, labels, probabilities.tolist(), strict=True)
        print_json([{"path": str(p), "label": label, "probabilities": q} for p, label, q in rows])
    elif paths:
        lines = []
        for path, label, row in zip(paths, labels, probabilities, strict=True):
            second = int(np.argsort(-row, kind="stable")[1]) if len(row) > 1 else 0
            other = f"{trained.classes[second]} ({percent(row[second], 1)})"
            lines.append((printable(path), label, percent(row.max(), 1), other))
        click.echo(table(lines, ("image", "label", "probability", "next"), ("probability",)))
    if problems:  # last, so that one bad picture does not cost the other answers
        raise ImageError("\nerror: ".join(problems))
