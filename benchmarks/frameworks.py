"""Compare lenetkit with PyTorch, JAX and plain NumPy: same network, batch, images and threads.

All run in one process, in turns of a fraction of a second; figures are medians over rounds, ratios
are computed per round. Images are random and in memory; everyone trains with Adam at 1e-3.

    python benchmarks/frameworks.py --threads 1
    python benchmarks/frameworks.py --spec lenet5-sigmoid --batch 256 --only numpy,eager,best

Needs torch for PyTorch (pip install torch), jax for JAX, lenetkit-numba for the compiled kernels;
missing ones are named and left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from contenders import CONTENDERS, chosen, count, enter
from contenders.base import Contender, Task
from contenders.turns import Ratio, epochs, machine, measure
from lenetkit.errors import LenetkitError

REFERENCE = "torch eager"


@dataclass(frozen=True)
class Result:
    """The times of one contender."""

    contender: str
    how: str
    epochs: list[float]
    """Seconds for 60,000 images, one figure per round."""
    ratio: Ratio
    """Relative to the reference."""

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "contender": self.contender,
            "how": self.how,
            "epoch_seconds": statistics.median(self.epochs),
            "epoch_seconds_range": [min(self.epochs), max(self.epochs)],
            "ratio": self.ratio.median,
            "ratio_range": [self.ratio.low, self.ratio.high],
        }

    def row(self) -> tuple[str, ...]:
        """As a row of the table."""
        spread = f"{min(self.epochs):.2f} – {max(self.epochs):.2f}"
        median = statistics.median(self.epochs)
        return self.contender, f"{median:.2f} ({spread})", str(self.ratio), self.how


def reference_of(contenders: Sequence[Contender]) -> str:
    """PyTorch eager or, if it is missing, the first contender."""
    names = [contender.name for contender in contenders]
    return REFERENCE if REFERENCE in names else names[0]


def compare(
    contenders: Sequence[Contender], batch: int, rounds: int, seconds: float
) -> list[Result]:
    """Train in turns; returns a result per contender."""
    found = measure(contenders, lambda contender, steps: contender.train(steps), rounds, seconds)
    reference = found[reference_of(contenders)]
    return [
        Result(c.name, c.what, epochs(found[c.name], batch), Ratio.of(found[c.name], reference))
        for c in contenders
    ]


def main() -> int:
    """Compare and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", default="lenet5", help="a spec file or shipped spec")
    parser.add_argument("--batch", type=count, default=64)
    parser.add_argument("--threads", type=count, default=1)
    parser.add_argument("--rounds", type=count, default=10)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn")
    parser.add_argument(
        "--only", type=chosen, default=list(CONTENDERS), help=f"some of {','.join(CONTENDERS)}"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        task = Task.of(arguments.spec, arguments.batch, arguments.threads)
    except LenetkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    contenders = enter(arguments.only, task)
    if not contenders:
        print("error: no contender can take part", file=sys.stderr)
        return 2
    results = compare(contenders, arguments.batch, arguments.rounds, arguments.seconds)
    setting = {
        "spec": task.plan.spec.name,
        "batch": arguments.batch,
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "machine": machine(),
        "reference": reference_of(contenders),
    }
    if arguments.json:
        print(json.dumps(setting | {"contenders": [r.facts() for r in results]}, indent=2))
        return 0
    print(", ".join(f"{name} {value}" for name, value in setting.items()), end="\n\n")
    headers = ("contender", "s per epoch", "ratio", "how")
    rows = [result.row() for result in results]
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
