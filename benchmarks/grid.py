"""Compare lenetkit with PyTorch eager over batch sizes, networks, training and inference.

A cell is the ratio of the time per step to PyTorch eager's, below 1 if lenetkit is faster: median
and range over rounds taken in turns. wide32 has 3×32×32 images and two 3×3 convolutions with 64
maps; wide64 has the same layers on 1×64×64. Images are random and in memory.

    python benchmarks/grid.py --threads 1
    python benchmarks/grid.py --specs lenet5 --batches 1,64 --rounds 9

Needs torch (pip install torch); lenetkit-numba adds the compiled kernels. Steps with more
work than `--gflop` are named and left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from contenders import count, enter
from contenders.base import Contender, Task
from contenders.turns import Ratio, machine, measure
from lenetkit.errors import LenetkitError

HERE = Path(__file__).parent
SPECS: dict[str, str | Path] = {
    "lenet5": "lenet5",
    "wide32": HERE / "specs" / "wide32.yaml",
    "wide64": HERE / "specs" / "wide64.yaml",
}
TRAINING_BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
INFERENCE_BATCHES = (1, 1000)
REFERENCE = "torch eager"
OURS = ("lenetkit numpy", "lenetkit numba")


@dataclass(frozen=True)
class Cell:
    """One network, batch size and mode."""

    spec: str
    mode: str
    batch: int
    seconds: dict[str, list[float]]
    """The time per step of each contender, one figure per round."""

    def ratio(self, name: str) -> Ratio | None:
        """Relative to PyTorch eager; None for contenders that took no part."""
        if name not in self.seconds:
            return None
        return Ratio.of(self.seconds[name], self.seconds[REFERENCE])

    def row(self) -> tuple[str, ...]:
        """As a row of the table."""
        reference = statistics.median(self.seconds[REFERENCE]) * 1e3
        ratios = [str(self.ratio(name) or "") for name in OURS]
        return self.spec, self.mode, f"{self.batch:,}", f"{reference:,.2f}", *ratios

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        medians = {name: statistics.median(each) for name, each in self.seconds.items()}
        ratios = {name: ratio for name in OURS if (ratio := self.ratio(name))}
        return {
            "spec": self.spec,
            "mode": self.mode,
            "batch": self.batch,
            "step_seconds": medians,
            "ratio": {name: ratio.median for name, ratio in ratios.items()},
            "ratio_range": {name: [ratio.low, ratio.high] for name, ratio in ratios.items()},
        }


def train(contender: Contender, steps: int) -> None:
    """Train for some steps."""
    contender.train(steps)


def infer(contender: Contender, steps: int) -> None:
    """Compute the outputs of some batches."""
    contender.infer(steps)


def gflop(task: Task, mode: str) -> float:
    """The work of a step: two FLOP per multiply-add, three times that in training."""
    passes = 3 if mode == "training" else 1
    return 2 * task.plan.cost.macs * task.batch * passes / 1e9


def cells(arguments: argparse.Namespace) -> Iterator[Cell]:
    """Measure all cells, one after the other."""
    wanted = [(name, "training", batch) for name in arguments.specs for batch in arguments.batches]
    wanted += [(name, "inference", b) for name in arguments.specs for b in INFERENCE_BATCHES]
    wanted.sort(key=lambda cell: arguments.specs.index(cell[0]))
    for name, mode, batch in wanted:
        task = Task.of(SPECS[name], batch, arguments.threads)
        work = gflop(task, mode)
        if work > arguments.gflop:
            print(f"left out: {name}, {mode}, batch {batch:,}: {work:,.0f} GFLOP", file=sys.stderr)
            continue
        contenders = enter(arguments.only, task)
        if REFERENCE not in {contender.name for contender in contenders}:
            raise LenetkitError("ratios are to PyTorch eager, which cannot take part")
        run = train if mode == "training" else infer
        cell = Cell(
            name, mode, batch, measure(contenders, run, arguments.rounds, arguments.seconds)
        )
        print(" ".join(cell.row()), file=sys.stderr, flush=True)
        yield cell


def numbers(text: str) -> list[int]:
    """`1,64` → [1, 64]."""
    return [count(part) for part in text.split(",")]


def names(text: str) -> list[str]:
    """`lenet5,wide32`. Raises ArgumentTypeError for an unknown one."""
    found = text.split(",")
    for name in found:
        if name not in SPECS:
            raise argparse.ArgumentTypeError(f"'{name}' is unknown; valid: {', '.join(SPECS)}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all cells and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--specs", type=names, default=list(SPECS))
    parser.add_argument("--batches", type=numbers, default=list(TRAINING_BATCHES))
    parser.add_argument("--threads", type=count, default=1)
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--seconds", type=float, default=0.2, help="length of a turn")
    parser.add_argument("--gflop", type=float, default=100, help="maximum work of a step")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    given.only = ["numpy", "numba", "eager"]
    try:
        found = list(cells(given))
    except LenetkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    setting = {"threads": given.threads, "rounds": given.rounds, "machine": machine()}
    if given.json:
        print(json.dumps(setting | {"cells": [cell.facts() for cell in found]}, indent=2))
        return 0
    print(", ".join(f"{name} {value}" for name, value in setting.items()), end="\n\n")
    headers = ("network", "mode", "batch", f"{REFERENCE} ms", *(f"{name} ÷" for name in OURS))
    rows = [cell.row() for cell in found]
    align = ("left", "left", *["right"] * 4)
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True, colalign=align))
    return 0


if __name__ == "__main__":
    sys.exit(main())
