"""What `lenetkit diagnose` says of specs whose illness, or health, is known.

`benchmarks/diagnosis/README.md` describes the cases and how they are judged.

    python benchmarks/diagnose.py verify -j 2     # each case is what it claims, without diagnose
    python benchmarks/diagnose.py run --half report -j 2
    python benchmarks/diagnose.py show lenet-adam-hot    # the command that diagnoses one case

MNIST is found as the command line finds it. Each process uses one thread.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from diagnosis import asking, tables, verification
from diagnosis.cases import Case, halves, load
from diagnosis.training import data_folder
from lenetkit.errors import LenetkitError

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the cases, or ask `diagnose` about them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("verify", "run", "show"):
        one = commands.add_parser(name)
        one.add_argument("names", nargs="*", metavar="CASE", help="only these; default: all")
        if name != "show":
            one.add_argument("-j", "--jobs", type=int, default=1, help="processes")
            one.add_argument("--out", type=Path, help="write the tables here")
        if name == "run":
            one.add_argument("--half", choices=("tune", "report", "both"), default="report")
    asked = parser.parse_args(arguments)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # the processes that are started read it
    try:
        return {"verify": verify, "run": run, "show": show}[asked.command](asked)
    except LenetkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


def verify(asked: argparse.Namespace) -> int:
    """Train every case for a pass and say whether it is what it claims."""
    cases = chosen(asked.names)
    found = list(each(verification.verify, cases, asked.jobs, verification.Verified.line))
    if asked.out:
        verification.write(asked.out, found)
    failed = [one for one in found if not one.holds]
    print(tables.verified(found))
    print("".join(f"not as claimed: {one.line()}\n" for one in failed), end="", file=sys.stderr)
    return 1 if failed else 0


def run(asked: argparse.Namespace) -> int:
    """Ask `diagnose` about one half, or about the named cases, and print the tables."""
    half = halves(load())
    cases = [c for c in chosen(asked.names) if asked.names or asked.half in ("both", half[c.name])]
    known = verification.read()
    found = list(each(asking.ask, cases, asked.jobs, asking.Answer.line))
    text = tables.answered(found, known)
    print(text)
    if asked.out:
        asked.out.write_text(text, "utf-8")
    return 0


def show(asked: argparse.Namespace) -> int:
    """Print the command for each case."""
    for case in chosen(asked.names):
        print(asking.shell(case), end="\n\n")
    return 0


def chosen(names: Sequence[str]) -> list[Case]:
    """The named cases, or all; those whose package is missing are left out, and named.

    Their data is made here, before processes that need it start.
    """
    cases = {case.name: case for case in load()}
    if unknown := [name for name in names if name not in cases]:
        raise LenetkitError(f"unknown cases: {', '.join(unknown)}")
    wanted = [cases[name] for name in names or cases]
    missing = [case for case in wanted if not case.is_runnable]
    for case in missing:
        print(f"left out: {case.name} needs {case.needs}", file=sys.stderr)
    runnable = [case for case in wanted if case.is_runnable]
    for case in runnable:
        data_folder(case)
    return runnable


def each(
    judge: Callable[[Case], T], cases: Iterable[Case], jobs: int, said: Callable[[T], str]
) -> Iterator[T]:
    """The judgement of each case, in `jobs` processes; each is told as it comes."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for found in pool.map(judge, cases):
            print(said(found), file=sys.stderr, flush=True)
            yield found


if __name__ == "__main__":
    sys.exit(main())
