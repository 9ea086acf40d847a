"""Whether plugins load, found out in a process of its own.

A plugin may raise, exit, crash or wait for a network that is not there when it is imported. Each
distribution is therefore loaded in a child process, which says how it went for one name after the
other; what it did not live to say, or did not say in time, is the plugin's fault. Whatever the
plugin began ends with the child.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from lenetkit.cli.plugins.family import Family, ending
from lenetkit.errors import PluginError
from lenetkit.registry.catalog import BUILTIN, GROUPS, Catalog, Registration, installed

TIMEOUT = 10.0
"""Seconds that a distribution has to load one name."""

OK = "ok"
_STARTUP = 60.0
"""Seconds that Python and lenetkit have to start in."""
_POLL = 0.02


def states(catalog: Catalog, timeout: float = TIMEOUT) -> list[tuple[str, Registration, str]]:
    """(group, registration, state) of everything registered; `ok`, or what is wrong.

    Built-ins are loaded here, every other distribution in a child process.
    """
    rows = [(group, entry) for group, entries in catalog.entries().items() for entry in entries]
    found: dict[tuple[str, Registration], str] = {}
    by_distribution: dict[str, list[tuple[str, Registration]]] = {}
    for group, entry in rows:
        if entry.unusable:
            found[group, entry] = entry.unusable
        elif entry.provider.distribution == BUILTIN or entry.point.dist is None:
            found[group, entry] = _load(catalog, group, entry)
        else:
            by_distribution.setdefault(entry.provider.distribution, []).append((group, entry))
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = pool.map(lambda pending: _ask(pending, timeout), by_distribution.values())
    for answer in answers:
        found |= answer
    return [
        (group, entry, _with_claims(rows, group, entry, found[group, entry]))
        for group, entry in rows
    ]


def _with_claims(
    rows: Sequence[tuple[str, Registration]], group: str, entry: Registration, state: str
) -> str:
    """The state, and where the bare name means another's, or nobody's, registration."""
    others = [
        e.provider.distribution
        for g, e in rows
        if g == group and e.name == entry.name and e.provider != entry.provider
    ]
    if not others or entry.provider.distribution == BUILTIN:
        return state
    whose = "the built-in" if BUILTIN in others else f"{' and '.join(others)} too"
    return f"{state}; '{entry.name}' is {whose}: write '{entry.qualified}'"


def _load(catalog: Catalog, group: str, entry: Registration) -> str:
    try:
        catalog.registry(GROUPS[group]).load(entry)
    except PluginError as error:
        return str(error)
    return OK


def _ask(
    pending: Sequence[tuple[str, Registration]], timeout: float
) -> dict[tuple[str, Registration], str]:
    """States of one distribution's names; a new child goes on behind a name that ended one."""
    found: dict[tuple[str, Registration], str] = {}
    left = list(pending)
    while left:
        answers, end = _run_child(left, timeout)
        for row, state in zip(left, answers, strict=False):
            found[row] = state
        left = left[len(answers) :]
        if left:
            found[left.pop(0)] = f"does not load: {end}"
    return found


def _run_child(rows: Sequence[tuple[str, Registration]], timeout: float) -> tuple[list[str], str]:
    """The answers that a child gave before it ended, and how it ended.

    It answers in a file: a pipe would stay open as long as any process that a plugin began.
    """
    wanted = [[group, entry.provider.distribution, entry.name] for group, entry in rows]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        answers = Path(folder) / "answers"
        answers.touch()
        module = "lenetkit.cli.plugins.probe"
        with Family([sys.executable, "-m", module, str(answers), json.dumps(wanted)]) as child:
            end = _wait(child, answers, timeout)
        try:
            lines = answers.read_text("utf-8").split("\n")[1:-1]  # behind `ready`; whole lines
            return [str(json.loads(line)) for line in lines], end
        except (OSError, ValueError):
            return [], "it damaged the file that it was to answer in"


def _wait(child: Family, answers: Path, timeout: float) -> str:
    """How a child ended that has so many seconds for each answer."""
    size = seen = 0
    since, limit = time.monotonic(), _STARTUP
    while (status := child.wait(_POLL)) is None:
        with suppress(OSError):
            size = answers.stat().st_size
        if size != seen:
            seen, since, limit = size, time.monotonic(), timeout
        elif time.monotonic() - since > limit:
            return f"no answer in {limit:g} s"
    return f"it ended the process {ending(status)}"


def _answer(answers: Path, wanted: Sequence[tuple[str, str, str]]) -> None:
    """In the child: load one name after the other and say how it went."""
    me = os.getpid()
    catalog = installed()
    with answers.open("a", encoding="utf-8") as file:
        _say(file, "ready")
        for group, distribution, name in wanted:
            registry = catalog.registry(GROUPS[group])
            state = _load(catalog, group, registry.entry(f"{distribution}:{name}"))
            if os.getpid() != me:  # a plugin has forked, and this is its child
                os._exit(0)
            _say(file, state)


def _say(file: TextIO, state: str) -> None:
    file.write(json.dumps(state) + "\n")
    file.flush()


if __name__ == "__main__":
    _answer(Path(sys.argv[1]), json.loads(sys.argv[2]))
