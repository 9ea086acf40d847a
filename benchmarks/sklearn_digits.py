"""Compare NetworkClassifier with scikit-learn's MLPClassifier on the 8×8 digits of scikit-learn.

Both have the same layers, batch size, epochs, Adam with the same rate, no weight decay and no early
stopping; `MLPClassifier` comes after a StandardScaler, which `NetworkClassifier` has inside. They
train in turns, each seed on a split of its own. A time is that of `fit`, on one thread; the ratio
is that of the medians, with the range over the seeds. `--cpu` counts the processor's time, which
other programs on a busy machine disturb less.

    python benchmarks/sklearn_digits.py
    python benchmarks/sklearn_digits.py --hidden 256,128 --batch-size 64 --seeds 5
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from contenders import count
from contenders.turns import machine
from lenetkit.sklearn import NetworkClassifier

LENETKIT, FLOAT32, SKLEARN = "NetworkClassifier", "… in float32", "MLPClassifier"


def estimators(given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The contenders by name."""
    ours = NetworkClassifier(
        hidden_layer_sizes=given.hidden,
        epochs=given.epochs,
        batch_size=given.batch_size,
        lr=given.lr,
        random_state=seed,
    )
    theirs = MLPClassifier(
        given.hidden,
        max_iter=given.epochs,
        n_iter_no_change=given.epochs,
        batch_size=given.batch_size,
        learning_rate_init=given.lr,
        alpha=0,
        random_state=seed,
    )
    return {LENETKIT: ours, FLOAT32: ours, SKLEARN: make_pipeline(StandardScaler(), theirs)}


def sizes(text: str) -> tuple[int, ...]:
    """Sizes of layers from a command-line option, `100` or `256,128`."""
    return tuple(count(size) for size in text.split(","))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in turns, and print accuracies, medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden", type=sizes, default=(100,), help="units of each hidden layer")
    parser.add_argument("--epochs", type=count, default=50)
    parser.add_argument("--batch-size", type=count, default=32)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--seeds", type=count, default=10)
    parser.add_argument("--cpu", action="store_true", help="count the processor's time")
    given = parser.parse_args(arguments)
    clock: Callable[[], float] = time.process_time if given.cpu else time.perf_counter
    digits, labels = load_digits(return_X_y=True)
    seconds: dict[str, list[float]] = {LENETKIT: [], FLOAT32: [], SKLEARN: []}
    accuracies: dict[str, list[float]] = {name: [] for name in seconds}
    warnings.simplefilter("ignore", ConvergenceWarning)  # that all epochs were used
    for seed in range(given.seeds):
        X, test_X, y, test_y = train_test_split(digits, labels, stratify=labels, random_state=seed)
        turns = [*estimators(given, seed).items()]
        for name, estimator in turns[seed % 3 :] + turns[: seed % 3]:
            rows = X.astype(np.float32) if name == FLOAT32 else X
            with threadpool_limits(1):
                start = clock()
                estimator.fit(rows, y)
                seconds[name].append(clock() - start)
            accuracies[name].append(estimator.score(test_X, test_y))
    print(f"{given.epochs} epochs, {given.seeds} seeds; {machine()}")
    for name, times in seconds.items():
        found = 100 * np.array(accuracies[name])
        ratios = np.divide(times, seconds[SKLEARN])
        print(
            f"{name:17}  {found.mean():.2f} % ± {found.std(ddof=1):.2f}  "
            f"{np.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})  "
            f"ratio {np.median(times) / np.median(seconds[SKLEARN]):.2f} "
            f"({ratios.min():.2f} to {ratios.max():.2f})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
