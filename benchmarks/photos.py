"""Measure how well `predict` reads digits from image files.

Three tables: MNIST test digits written as 28×28 files and as large pictures, dark on light and
off-centre; simulated phone photos (`phone_photos`); and folders of photos, whose files are named by
the digits that they show. Each counts the pictures read right, refused, read wrong, and those read
wrong with a probability above 90 %.

    python benchmarks/photos.py MODEL [FOLDER...] [--count 500] [--photos 50] [--seed 0] [--plain]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tabulate import tabulate

import lenetkit
import phone_photos
from lenetkit.data.images import find_images
from lenetkit.data.mnist import Mnist
from lenetkit.model.model import Model
from lenetkit.model.reading import read_file
from lenetkit.training.data import place_for

Pixels = NDArray[Any]


def page(digit: Pixels, rng: np.random.Generator) -> Pixels:
    """An enlarged digit, dark on light, at a random place on a page of 500 to 1,200 pixels."""
    side = int(rng.integers(500, 1200))
    size = int(side * rng.uniform(0.3, 0.7))
    big = np.asarray(Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC))
    result = np.full((side, side), 255, np.uint8)
    y, x = rng.integers(0, side - size, 2)
    result[y : y + size, x : x + size] = 255 - big
    return result


def photo(digit: Pixels, rng: np.random.Generator) -> Pixels:
    """The same as seen by a camera: grey paper, uneven light, noise."""
    paper = page(digit, rng) * 0.6 + 70
    light = np.linspace(1, rng.uniform(0.6, 0.9), paper.shape[1])
    return np.clip(paper * light + rng.normal(0, 5, paper.shape), 0, 255).astype(np.uint8)


def board(digit: Pixels, rng: np.random.Generator) -> Pixels:
    """Light on dark, as on a blackboard."""
    return 255 - page(digit, rng)


def original(digit: Pixels, rng: np.random.Generator) -> Pixels:
    """The 28×28 picture, as in MNIST."""
    return digit


CASES: dict[str, tuple[Callable[[Pixels, np.random.Generator], Pixels], str]] = {
    "28×28, as in MNIST": (original, ".png"),
    "large, dark on light, off-centre": (page, ".png"),
    "large, light on dark": (board, ".png"),
    "photo: shadow, noise, JPEG": (photo, ".jpg"),
}


def measure(model: Model, paths: Sequence[Path]) -> tuple[Any, ...]:
    """Counts of right, refused, wrong and surely wrong, and the names of what was wrong."""
    readings = [(path.stem.split("-")[0], read_file(model, path)) for path in paths]
    read = [(truth, reading) for truth, reading in readings if reading.label is not None]
    wrong = [(truth, reading) for truth, reading in read if reading.label != truth]
    sure = [one for _, one in wrong if min(d.probabilities.max() for d in one.digits) > 0.9]
    names = [f"{reading.path.name}: {reading.label}" for _, reading in wrong]
    return (
        len(read) - len(wrong),
        len(readings) - len(read),
        len(wrong),
        len(sure),
        ", ".join(names[:4]),
    )


def table(model: Model, groups: Mapping[str, Sequence[Path]]) -> str:
    """A line for each group of files."""
    rows = [(name, *measure(model, paths)) for name, paths in groups.items()]
    total = ("all", *(sum(row[column] for row in rows) for column in range(1, 5)), "")
    headers = ("picture", "right", "refused", "wrong", "sure and wrong", "")
    return tabulate([*rows, total], headers, tablefmt="github")


def written(folder: Path, digits: Pixels, labels: Pixels) -> dict[str, list[Path]]:
    """The digits as files, in each of the ways of `CASES`."""
    groups = {}
    for number, (name, (draw, suffix)) in enumerate(CASES.items()):
        rng = np.random.default_rng(0)
        inside = folder / str(number)
        inside.mkdir()
        groups[name] = [inside / f"{label}-{i}{suffix}" for i, label in enumerate(labels)]
        for path, digit in zip(groups[name], digits, strict=True):
            Image.fromarray(draw(digit, rng)).save(path)
    return groups


def by_folder(folder: Path) -> dict[str, list[Path]]:
    """The pictures of each folder inside, or of the folder itself."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
    return {path.name: find_images([path]) for path in inside}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folders", type=Path, nargs="*", help="folders of photos, a folder a kind")
    parser.add_argument("--count", type=int, default=500, help="test digits written as files")
    parser.add_argument("--photos", type=int, default=50, help="simulated photos of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=("test", "train"), default="test")
    parser.add_argument("--plain", action="store_true", help="as if OpenCV were not installed")
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    if given.plain:
        sys.modules["cv2"] = None  # type: ignore[assignment]
    model = lenetkit.load(given.model, kernels="numpy")
    place = place_for(model.plan, given.data_dir, print)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if given.count or given.photos:
            samples = Mnist().load(given.split, place)
            images, labels = samples.images[:, 0], samples.labels
        if given.count:
            first = slice(given.count)
            right = np.mean(model.predict(images[first]) == labels[first])
            print(f"the arrays themselves: {right:.2%}\n")
            print(table(model, written(folder, images[first], labels[first])), "\n")
        if given.photos:
            phone_photos.write(folder / "photos", images, labels, given.photos, given.seed)
            print(table(model, by_folder(folder / "photos")), "\n")
        for own in given.folders:
            print(table(model, by_folder(own)), "\n")


if __name__ == "__main__":
    main()
