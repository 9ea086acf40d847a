"""Measure how long commands that compute nothing take, compared with a bare `import numpy`.

Each is a new Python process; they run in turns, figures are medians, ratios are computed per round.
Compiled modules are cached, as after an installation, whatever PYTHONDONTWRITEBYTECODE says.

    python benchmarks/startup.py --rounds 20
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tabulate import tabulate

from contenders import count
from contenders.turns import Ratio, machine

SPEC = Path(__file__).resolve().parents[1] / "specs" / "lenet5.yaml"
REFERENCE = "python -c 'import numpy'"
COMMANDS = {
    REFERENCE: ["-c", "import numpy"],
    "lenetkit --help": ["-m", "lenetkit", "--help"],
    "lenetkit summary specs/lenet5.yaml": ["-m", "lenetkit", "summary", str(SPEC)],
}


def seconds(arguments: list[str]) -> float:
    """The time of one run. Raises CalledProcessError if it fails."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *arguments]
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begun


def main() -> None:
    """Run all in turns and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=count, default=15)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for arguments in COMMANDS.values():  # fills the disk's cache
        seconds(arguments)
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(given.rounds):
        for name, arguments in COMMANDS.items():
            found[name].append(seconds(arguments))
    medians = {name: statistics.median(each) for name, each in found.items()}
    ratios = {name: Ratio.of(each, found[REFERENCE]) for name, each in found.items()}
    if given.json:
        rows = {name: {"seconds": medians[name], "ratio": ratios[name].median} for name in COMMANDS}
        print(
            json.dumps({"machine": machine(), "rounds": given.rounds, "commands": rows}, indent=2)
        )
        return
    print(f"{given.rounds} rounds, {machine()}\n")
    table = [(name, f"{medians[name] * 1e3:.0f}", str(ratios[name])) for name in COMMANDS]
    headers = ("command", "ms", f"÷ {REFERENCE}")
    print(tabulate(table, headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
