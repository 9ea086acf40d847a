"""Whether plugins load, found out in separate processes.

On import, a plugin may raise, exit, crash, or wait for a network that is not there. So each
distribution is loaded in a child process, which reports on one name after another. A name that it
does not report on, or not in time, counts as failed. Every process that a plugin started ends
with the child.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from lenetkit.cli.plugins.process_group import ending, family
from lenetkit.cli.plugins.registered import Row, load, rows
from lenetkit.errors import PluginError
from lenetkit.registry.catalog import BUILTIN, GROUPS, Registration, installed

TIMEOUT = 10.0
"""Seconds that a distribution has to load one name."""

_STARTUP = 60.0
"""Seconds that Python and lenetkit have to start."""
_POLL = 0.02


def states(timeout: float) -> list[tuple[str, Registration, str]]:
    """(group, entry, state) of everything registered; the state is `ok`, or what is wrong.

    Built-ins are loaded here, every other distribution in a child process.
    """
    everything = rows()
    found: dict[Row, str] = {}
    pending: dict[str, list[Row]] = defaultdict(list)
    for row in everything:
        _, entry = row
        if entry.unusable:
            found[row] = entry.unusable
        elif entry.provider.distribution == BUILTIN or entry.point.dist is None:
            found[row] = _state(row)
        else:
            pending[entry.provider.distribution].append(row)
    with ThreadPoolExecutor(max_workers=4) as pool:
        for answers in pool.map(lambda rows: _ask(rows, timeout), pending.values()):
            found |= answers
    return [(*row, found[row] + _rivals(row)) for row in everything]


def _rivals(row: Row) -> str:
    group, entry = row
    rivals = installed().registry(GROUPS[group]).rivals(entry)
    return f"; {rivals}" if rivals else ""


def _state(row: Row) -> str:
    try:
        load(row)
    except PluginError as error:
        return str(error)
    return "ok"


def _ask(pending: Sequence[Row], timeout: float) -> dict[Row, str]:
    """The states of one distribution's names; after a name that ends a child, a new one starts."""
    found: dict[Row, str] = {}
    left = list(pending)
    while left:
        answers, end = _run_child(left, timeout)
        found |= zip(left, answers, strict=False)
        left = left[len(answers) :]
        if left:
            found[left.pop(0)] = f"does not load: {end}"
    return found


def _run_child(rows: Sequence[Row], timeout: float) -> tuple[list[str], str]:
    """The answers that a child gave before it ended, and how it ended.

    It answers in a file: a pipe would stay open as long as any process that a plugin started.
    """
    wanted = [[group, entry.provider.distribution, entry.name] for group, entry in rows]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        answers = Path(folder) / "answers"
        answers.touch()
        module = "lenetkit.cli.plugins.probe"
        with family([sys.executable, "-m", module, str(answers), json.dumps(wanted)]) as child:
            end = _wait(child, answers, timeout)
        try:
            lines = answers.read_text("utf-8").split("\n")[1:-1]  # after `ready`; whole lines
            return [str(json.loads(line)) for line in lines], end
        except (OSError, ValueError):
            return [], "it damaged the file for its answers"


def _wait(child: subprocess.Popen[bytes], answers: Path, timeout: float) -> str:
    """Wait for a child that has `timeout` seconds for each answer; returns how it ended."""
    size = seen = 0
    since, limit = time.monotonic(), _STARTUP
    while (status := child.poll()) is None:
        time.sleep(_POLL)
        with suppress(OSError):
            size = answers.stat().st_size
        if size != seen:
            seen, since, limit = size, time.monotonic(), timeout
        elif time.monotonic() - since > limit:
            return f"no answer in {limit:g} s"
    return f"it ended the process {ending(status)}"


def _answer(answers: Path, wanted: Sequence[tuple[str, str, str]]) -> None:
    """In the child: load one name after another and write down each state."""
    me = os.getpid()
    catalog = installed()
    with answers.open("a", encoding="utf-8") as file:
        _write(file, "ready")
        for group, distribution, name in wanted:
            entry = catalog.registry(GROUPS[group]).entry(f"{distribution}:{name}")
            state = _state((group, entry))
            if os.getpid() != me:  # a plugin has forked, and this is its child
                os._exit(0)
            _write(file, state)


def _write(file: TextIO, state: str) -> None:
    file.write(json.dumps(state) + "\n")
    file.flush()


if __name__ == "__main__":
    _answer(Path(sys.argv[1]), json.loads(sys.argv[2]))
