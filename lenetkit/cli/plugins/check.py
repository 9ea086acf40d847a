"""`lenetkit plugins check`."""

from __future__ import annotations

import os
import textwrap
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import click

from lenetkit.cli.arguments import json_option
from lenetkit.cli.output import columns, echo, print_json, table
from lenetkit.cli.plugins.grading import ANNOUNCED, UNCHECKED, Facts, of_fault, without_plugins
from lenetkit.cli.plugins.handed_in import may_have_plugins, python_files
from lenetkit.cli.plugins.probe import name_of
from lenetkit.cli.plugins.registered import Row, rows, unknown
from lenetkit.cli.plugins.workers import Fault, Job, ask_all
from lenetkit.errors import PluginError
from lenetkit.text import printable

_HEADERS = ("from", "name", "kind", "result", "first cause")
_MIN_CAUSE = 24  # columns
_MAX_CAUSE = 80


@click.command(name="check", epilog="Example: lenetkit plugins check --strict students/")
@click.argument("targets", metavar="[NAME|DISTRIBUTION|FILE.py|FOLDER]...", nargs=-1)
@click.option("--verbose", is_flag=True, help="Say why each skipped check was skipped.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for loading a file, and for checking one class.",
)
@click.option(
    "--strict", is_flag=True, help="Announced failures, and what is not checked, fail too."
)
@json_option
def command(
    targets: tuple[str, ...], verbose: bool, timeout: float, strict: bool, as_json: bool
) -> int:
    """Run the conformance suite on names, a distribution, files or folders of files.

    Without a target, everything registered is checked. The exit status is 1 if a check fails. A
    class is checked with the objects from its `examples()`, or else one with its defaults.
    Failures that a class announces in `expected_failures`, with a reason, are counted separately.
    Each file and each distribution is checked in a process of its own, and costs the others
    nothing, whatever it does. In a folder, tests and hidden files are left out.
    """
    files, helpers = _files(targets)
    jobs = [Job("check", file=file, verbose=verbose) for file in files]
    jobs += [Job("check", names, verbose=verbose) for names in _names(targets)]
    asked = zip(jobs, ask_all(jobs, timeout), strict=True)
    facts = [
        of_fault(job, name, answer) if isinstance(answer, Fault) else answer
        for job, answers in asked
        for name, answer in answers
    ]
    accepted = ("ok",) if strict else ("ok", ANNOUNCED, UNCHECKED)
    facts += map(without_plugins, helpers)
    if as_json:
        print_json([{k: v for k, v in fact.items() if k not in _INTERNAL} for fact in facts])
    else:
        _show(facts, strict=strict, verbose=verbose)
    return 1 if any(fact["state"] not in accepted for fact in facts) else 0


_INTERNAL = ("details", "helper")


def _files(targets: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """The plugin files that the targets mean, and those in folders without plugins."""
    files: dict[Path, bool] = {}
    for target in targets:
        path = Path(target)
        if target.endswith(".py") and not path.is_dir():
            if not path.is_file():
                raise PluginError(f"{path}: no such file; expected a Python file")
            files[path.absolute()] = True
        elif path.is_dir() and not _registered(target):
            found = sorted(file.absolute() for file in python_files(path))
            if not found:
                raise PluginError(f"{path}: no plugin files in this folder; expected *.py")
            files |= {file: may_have_plugins(file) for file in found if file not in files}
    return [f for f, plugins in files.items() if plugins], [f for f in files if not files[f]]


def _registered(target: str) -> list[Row]:
    """The registrations that a name, a qualified name or a distribution means."""
    return [
        row
        for row in rows()
        if target in (row[1].name, row[1].qualified, row[1].provider.distribution)
    ]


def _names(targets: Sequence[str]) -> list[list[tuple[str, str, str]]]:
    """The names that the targets mean, a list for each distribution."""
    chosen = [] if targets else rows()
    for target in targets:
        found = _registered(target)
        if not found and not (target.endswith(".py") or Path(target).is_dir()):
            raise unknown(target, {n for _, e in rows() for n in (e.name, e.provider.distribution)})
        chosen += found
    grouped = defaultdict(list)
    for row in dict.fromkeys(chosen):
        grouped[row[1].provider.distribution].append(name_of(row))
    return list(grouped.values())


def _show(facts: Sequence[Facts], *, strict: bool, verbose: bool) -> None:
    """A line for each class, then what there is to say of it, then what was left out."""
    shown = [fact for fact in facts if strict or "helper" not in fact]
    if shown:
        echo(_table(shown))
    told = [fact for fact in shown if fact["details"]]
    for place, group in groupby(told, lambda fact: fact["path"] or fact["distribution"]):
        echo(f"\n{printable(place)}")
        for fact in group:
            for line in fact["details"].splitlines():
                echo(_wrapped(f"  {line}"))
    echo(f"\n{_summary(shown)}")
    helpers = [printable(Path(fact["path"]).name) for fact in facts if "helper" in fact]
    if helpers and not strict:
        echo(_wrapped(f"Left out, as there is no PLUGINS in them: {', '.join(helpers)}."))
    skipped = sum(fact["skipped"] for fact in facts)
    if skipped and not verbose:
        echo(_wrapped(f"{skipped} checks were skipped; --verbose says why."))


def _table(facts: Sequence[Facts]) -> str:
    """One line for each class; where the terminal is narrow, without its kind or first cause."""
    files = [Path(fact["path"]) for fact in facts if _is_file(fact)]
    one_drive = len({file.anchor for file in files}) == 1
    folder = Path(os.path.commonpath([file.parent for file in files])) if one_drive else Path()
    longest = 20 if columns() < 80 else 40
    drawn = [
        [_cut(_place(fact, folder), longest), _cut(_name(fact), longest), *_row(fact)]
        for fact in facts
    ]
    for kept in ((0, 1, 2, 3, 4), (0, 1, 3, 4), (0, 1, 2, 3)):
        lines = [[line[i] for i in kept] for line in (_HEADERS, *drawn)]
        causes = 4 in kept
        others = [line[:-1] for line in lines] if causes else lines
        room = columns() - sum(max(map(len, column)) + 2 for column in zip(*others, strict=True))
        if room >= _MIN_CAUSE:
            break
    if causes:
        lines = [[*line[:-1], _cut(line[-1], min(room, _MAX_CAUSE))] for line in lines]
    return table(lines[1:], lines[0])


def _is_file(fact: Facts) -> bool:
    return Path(fact["path"] or "").name == fact["distribution"]


def _place(fact: Facts, folder: Path) -> str:
    """The distribution; of a file, its path in the folder that has all files."""
    path = Path(fact["path"] or "")
    if not _is_file(fact):
        return str(fact["distribution"])
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _name(fact: Facts) -> str:
    return str(fact["name"]) if fact["kind"] else "–"


def _row(fact: Facts) -> list[str]:
    """Kind, result and first cause."""
    first = (fact["failures"] or [{"cause": "", "message": ""}])[0]
    cause = str(first["cause"] or first["message"])
    results = {"failed": f"{fact['failed']} failed", ANNOUNCED: f"{fact['expected']} announced"}
    return [fact["kind"] or "–", results.get(fact["state"], str(fact["state"])), cause]


def _cut(text: str, room: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"


def _wrapped(line: str) -> str:
    if len(line) <= columns():
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        columns(),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,  # paths
        break_on_hyphens=False,
    )


def _summary(facts: Sequence[Facts]) -> str:
    """`30 checked: 21 ok, 6 failed, 3 does not load`."""
    counts = Counter(fact["state"] for fact in facts)
    said = ", ".join(f"{number} {state}" for state, number in counts.items())
    return f"{len(facts)} checked: {said}" if facts else "Nothing was checked."
