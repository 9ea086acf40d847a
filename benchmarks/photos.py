"""Measure how well `predict` reads digits from image files.

Writes MNIST test digits as large pictures, dark on light and off-centre, reads them back the way
`lenetkit predict` does, and compares the accuracy with that on the original arrays.

    python benchmarks/photos.py runs/lenet5/001/model.safetensors [--count 500] [--data-dir DIR]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tabulate import tabulate

import lenetkit
from lenetkit.data.digits import load_digit
from lenetkit.data.mnist import Mnist
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    model = lenetkit.load(arguments.model)
    place = place_for(model.plan, arguments.data_dir, print)
    test = Mnist().load("test", place)
    digits, labels = test.images[: arguments.count, 0], test.labels[: arguments.count]
    direct = model.predict(digits)
    rows = [("the arrays themselves", f"{np.mean(direct == labels):.2%}", "")]
    for name, (draw, suffix) in CASES.items():
        rng = np.random.default_rng(0)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{i}{suffix}" for i in range(len(digits))]
            for path, digit in zip(paths, digits, strict=True):
                Image.fromarray(draw(digit, rng)).save(path)
            read = model.predict(np.stack([load_digit(path) for path in paths]))
        rows.append((name, f"{np.mean(read == labels):.2%}", f"{np.mean(read == direct):.2%}"))
    print(tabulate(rows, ("picture", "accuracy", "same answer"), tablefmt="github"))


if __name__ == "__main__":
    main()
