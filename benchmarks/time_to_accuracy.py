"""Measure how long training takes to reach an accuracy on MNIST's test set, and its memory.

The network is evaluated on the test set every `--every` steps; that time does not count, and
neither does loading the data. Nothing is selected by the result: the first time the target is
reached is reported. Peak memory is that of a whole `lenetkit train` of one epoch, data, evaluation
and pictures included, as seen by the operating system.

    LENETKIT_DATA=FOLDER python benchmarks/time_to_accuracy.py --seeds 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

import lenetkit
from contenders import count
from contenders.turns import machine
from lenetkit.errors import LenetkitError
from lenetkit.network.network import Network
from lenetkit.training import loop
from lenetkit.training.data import TrainingData, load_training_data
from lenetkit.training.evaluation import evaluate


@dataclass(frozen=True)
class Reached:
    """When the target was reached, or the state at the end if it was not."""

    seed: int
    reached: bool
    accuracy: float
    """On the test set, at the last evaluation."""
    steps: int
    epochs: float
    seconds: float
    """Of training, without evaluation."""


def train_until(
    network: Network, data: TrainingData, target: float, every: int, seed: int, threads: int | None
) -> Reached:
    """Train as the spec says until the accuracy on the test set reaches the target."""
    settings = network.plan.spec.train
    progress = loop.start(network, settings)
    workspace = network.workspace(training=False)
    before, accuracy = 0.0, 0.0
    with network.limited(threads):
        for event in loop.train(network, data, settings, progress):
            if isinstance(event, loop.EpochDone):
                before += event.seconds
            if isinstance(event, loop.StepDone) and event.step % every == 0:
                accuracy = evaluate(network, data.test, data.pipeline, workspace).accuracy
                if accuracy >= target:
                    break
    return Reached(
        seed=seed,
        reached=accuracy >= target,
        accuracy=accuracy,
        steps=progress.step,
        epochs=progress.step * settings.batch_size / len(data.train),
        seconds=before + progress.seconds,
    )


def peak_bytes(spec: str, extra: list[str]) -> int | None:
    """Peak memory of `lenetkit train SPEC --epochs 1`; None if the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lenetkit", "train", spec, "--epochs", "1", "--quiet"]
        command += ["--out", str(Path(folder) / "run"), *extra]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    most: int = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def main() -> int:
    """Train, and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", default="lenet5")
    parser.add_argument("--target", type=float, default=0.986, help="accuracy, 0 … 1")
    parser.add_argument("--epochs", type=count, default=3, help="the schedule's length")
    parser.add_argument("--every", type=count, default=50, help="steps between evaluations")
    parser.add_argument("--seeds", type=count, default=1, help="seeds 0, 1, …")
    parser.add_argument("--kernels", default="numpy")
    parser.add_argument("--threads", type=count)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the spec"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    runs, data = [], None
    try:
        for seed in range(given.seeds):
            changes: dict[str, Any] = {"train.seed": seed, "train.epochs": given.epochs}
            changes |= {"kernels": given.kernels, "data.fallback": None}
            changes |= dict(text.split("=", 1) for text in given.set)
            network = lenetkit.build(given.spec, changes)
            data = data or load_training_data(network.plan)
            runs.append(train_until(network, data, given.target, given.every, seed, given.threads))
            print(runs[-1], file=sys.stderr, flush=True)
        threads = ["--threads", str(given.threads)] if given.threads else []
        memory = peak_bytes(given.spec, ["--kernels", given.kernels, *threads])
    except LenetkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    if given.json:
        facts = {"machine": machine(), **vars(given), "runs": [vars(run) for run in runs]}
        print(json.dumps(facts | {"peak_bytes": memory}, indent=2))
        return 0
    changed = "".join(f", {text}" for text in given.set)
    planned = f"{given.epochs} epochs planned"
    print(f"{given.spec}{changed}, {given.kernels} kernels, {planned}, {machine()}\n")
    rows = [
        (
            run.seed,
            f"{run.accuracy:.2%}" if run.reached else f"{run.accuracy:.2%}, not reached",
            run.steps,
            f"{run.epochs:.2f}",
            f"{run.seconds:.2f}",
        )
        for run in runs
    ]
    headers = ("seed", "test accuracy", "steps", "epochs", "seconds of training")
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    if all(run.reached for run in runs):
        median = statistics.median(run.seconds for run in runs)
        print(
            f"\n{given.target:.1%} after {median:.2f} s of training (median), evaluation excluded"
        )
    shown = f"{memory / (1 << 20):.0f} MiB" if memory else "not reported by this system"
    print(f"peak memory of `lenetkit train {given.spec} --epochs 1`: {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
