"""Train the shipped specs on MNIST and print the accuracy of each on the test set.

Every figure is from the last epoch; test data selects nothing. A network trained on another data
set is tested on MNIST as well. Takes minutes per spec.

    python benchmarks/accuracy.py lenet5 lenet5-sigmoid --seeds 3 --out accuracy.json
    python benchmarks/accuracy.py lenet5 --set data=synthetic_digits
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tabulate import tabulate

SPECS = (
    "lenet5",
    "lenet5-augmented",
    "lenet5-report",
    "lenet5-sigmoid",
    "lenet5-avgpool",
    "lenet5-32x32",
    "lenet5-sgd",
    "lenet5-sgd-stuck",
)


def train(spec: str, seed: int, extra: list[str]) -> dict[str, Any]:
    """One run on the command line; returns figures from its result.json and metrics.csv."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "lenetkit", "train", spec, "--quiet"]
        command += ["--seed", str(seed), "--out", str(out), *extra]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result: dict[str, Any] = json.loads((out / "result.json").read_text("utf-8"))
        first = (out / "metrics.csv").read_text("utf-8").splitlines()[1].split(",")
        on_mnist = result["test_accuracy"]
        if result["dataset"] != "MNIST":
            evaluate = [
                sys.executable,
                "-m",
                "lenetkit",
                "evaluate",
                str(out / "model.safetensors"),
            ]
            evaluate += ["--data", "mnist", "--json"]
            said = subprocess.run(evaluate, check=True, capture_output=True, text=True).stdout
            on_mnist = json.loads(said)["accuracy"]
    return {
        "spec": spec,
        "seed": seed,
        "dataset": result["dataset"],
        "epochs": result["epochs"],
        "first_test": float(first[5]),
        "test": on_mnist,
        "train": result["train_accuracy"],
        "seconds": result["seconds"],
    }


def main() -> None:
    """Train, printing a line per run and a table at the end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("specs", nargs="*", default=SPECS)
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0, 1, …")
    parser.add_argument("--set", action="append", default=[], help="passed on to train")
    parser.add_argument("--out", type=Path, help="JSON file to append all runs to")
    arguments = parser.parse_args()
    extra = [word for change in arguments.set for word in ("--set", change)]
    rows = []
    for spec in arguments.specs:
        runs = []
        for seed in range(arguments.seeds):
            runs.append(train(spec, seed, extra))
            print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(runs[-1]) + "\n")
        tests = [run["test"] for run in runs]
        rows.append(
            (
                spec,
                runs[0]["dataset"],
                runs[0]["epochs"],
                f"{statistics.median(run['first_test'] for run in runs):.2%}",
                " ".join(f"{test:.2%}" for test in tests),
                f"{statistics.median(tests):.2%}",
                f"{statistics.median(run['train'] for run in runs):.2%}",
                f"{statistics.median(run['seconds'] for run in runs):.0f}",
            )
        )
    headers = ("spec", "data", "epochs", "first", "test", "median", "train", "seconds")
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
