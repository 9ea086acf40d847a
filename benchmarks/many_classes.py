"""What a confusion picture costs for 10 to 5,000 classes: seconds of a core, and peak memory.

Each in a process of its own; 10,000 images, 93 % of them right.

    python benchmarks/many_classes.py --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from tabulate import tabulate

DRAW = """
import resource, sys, tempfile, time
from pathlib import Path
import numpy as np
from lenetkit.plots import confusion_figure, save_figure
K = int(sys.argv[1])
rng = np.random.default_rng(0)
true = rng.integers(K, size=10_000)
told = np.where(rng.random(10_000) < 0.93, true, rng.integers(K, size=10_000))
counts = np.bincount(true * K + told, minlength=K * K).reshape(K, K)
start = time.process_time()
with tempfile.TemporaryDirectory() as folder:
    figure = confusion_figure(counts, [str(i) for i in range(K)], title="many", dataset="random")
    save_figure(figure, Path(folder) / "confusion.png")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.process_time() - start, peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))
"""


def main() -> None:
    """Print a row for each number of classes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--classes", default="10,26,62,100,300,1000,5000")
    asked = parser.parse_args()
    rows = []
    for classes in asked.classes.split(","):
        said = [
            subprocess.run(
                [sys.executable, "-c", DRAW, classes], capture_output=True, check=True
            ).stdout.split()
            for _ in range(asked.rounds)
        ]
        seconds, peaks = (statistics.median(map(float, each)) for each in zip(*said, strict=True))
        rows.append((f"{int(classes):,}", f"{seconds:.2f}", f"{peaks:.0f}"))
    print(tabulate(rows, ("classes", "seconds", "peak MiB"), colalign=("right",) * 3))


if __name__ == "__main__":
    main()
