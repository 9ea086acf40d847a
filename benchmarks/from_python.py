"""Compare `lenetkit.fit` on arrays with `lenetkit train` on the files that hold the same images.

Both train in turns, in one process: the run as the command does it, without pictures, and `fit`
without a folder. A time is that of the whole call, after data are loaded; the ratio is that of the
medians, with the range over the rounds. `--cpu` counts the processor's time, which other programs
on a busy machine disturb less.

    python benchmarks/from_python.py --rounds 5
    python benchmarks/from_python.py --limit 60000 --epochs 1

Needs MNIST: in LENETKIT_DATA, or in MNIST/.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import lenetkit
from contenders import count
from contenders.turns import machine
from lenetkit.training.data import TrainingData, load_training_data

Clock = Callable[[], float]


def train(settings: dict[str, object], folder: Path, clock: Clock) -> float:
    """Seconds of a run on files."""
    run = lenetkit.Run.create("lenet5", out=folder, set=settings)
    start = clock()
    run.train(pictures=False)
    return clock() - start


def fit(settings: dict[str, object], data: TrainingData, clock: Clock) -> float:
    """Seconds of the same training on arrays."""
    images, tests = data.train.images[:, 0], data.test.images[:, 0]
    start = clock()
    lenetkit.fit(
        "lenet5",
        images,
        data.train.labels,
        test=(tests, data.test.labels),
        epochs=settings["train.epochs"],
    )
    return clock() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in turns, and print medians and ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=count, default=10_000, help="training images")
    parser.add_argument("--epochs", type=count, default=3)
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--cpu", action="store_true", help="count the processor's time")
    given = parser.parse_args(arguments)
    clock = time.process_time if given.cpu else time.perf_counter
    settings: dict[str, object] = {"data.limit": given.limit, "train.epochs": given.epochs}
    data = load_training_data(lenetkit.build("lenet5", settings).plan)
    seconds: dict[str, list[float]] = {"lenetkit train": [], "lenetkit.fit": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.rounds):
            seconds["lenetkit train"].append(train(settings, Path(folder) / str(number), clock))
            seconds["lenetkit.fit"].append(fit(settings, data, clock))
    print(f"{given.limit:,} images, {given.epochs} epochs, {given.rounds} rounds; {machine()}")
    for name, times in seconds.items():
        print(f"{name:15} {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")
    pairs = [b / a for a, b in zip(*seconds.values(), strict=True)]
    medians = [statistics.median(times) for times in seconds.values()]
    print(f"ratio {medians[1] / medians[0]:.3f} ({min(pairs):.3f} to {max(pairs):.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
