"""`lenetkit predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from lenetkit.cli.arguments import json_option, kernels_option, plugin_option, print_json, table
from lenetkit.data.digits import load_digit
from lenetkit.data.images import find_images, load_resized
from lenetkit.errors import ImageError
from lenetkit.files.opening import printable
from lenetkit.model import model


@click.command(
    name="predict", epilog="Example: lenetkit predict runs/lenet5/001/model.safetensors photo.jpg"
)
@click.argument("model_file", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument(
    "images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@plugin_option
@kernels_option
@json_option
def command(model_file: Path, images: tuple[Path, ...], kernels: str | None, as_json: bool) -> None:
    """Read the digits in image files.

    IMAGE is an image file or a folder of them, of any size, dark on light or light on dark. A
    digit is cut out, scaled and centred as those of MNIST were.
    """
    trained = model.load(model_file, kernels=kernels)
    paths = find_images(images)
    shape = trained.image_shape
    prepared: list[tuple[Path, NDArray[np.uint8]]] = []
    problems = []
    for path in paths:
        try:
            if trained.preparation == "digit" and shape[0] == 1:
                prepared.append((path, load_digit(path, shape[1:])[None]))
            else:
                prepared.append((path, load_resized(path, shape)))
        except ImageError as error:
            problems.append(str(error))
    _print(trained, prepared, as_json)
    if problems:  # after the others' answers: one bad picture does not cost the rest
        raise ImageError("\nerror: ".join(problems))


def _print(
    trained: model.Model, prepared: Sequence[tuple[Path, NDArray[np.uint8]]], as_json: bool
) -> None:
    paths = [path for path, _ in prepared]
    images = np.empty((len(paths), *trained.image_shape), np.uint8)
    for row, (_, pixels) in zip(images, prepared, strict=True):
        row[...] = pixels
    probabilities = trained.probabilities(images)
    labels = [trained.classes[i] for i in probabilities.argmax(axis=1)]
    if as_json:
        rows = zip(paths, labels, probabilities.tolist(), strict=True)
        print_json([{"path": str(p), "label": label, "probabilities": q} for p, label, q in rows])
        return
    if not paths:
        return
    lines = []
    for path, label, row in zip(paths, labels, probabilities, strict=True):
        second = int(np.argsort(-row, kind="stable")[1]) if len(row) > 1 else 0
        other = f"{trained.classes[second]} ({row[second]:.1%})"
        lines.append((printable(path), label, f"{row.max():.1%}", other))
    click.echo(table(lines, ("image", "label", "probability", "next"), ("probability",)))
