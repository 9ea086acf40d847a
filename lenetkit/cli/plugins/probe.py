"""Whether plugins load, found out in a process of its own.

A plugin may raise, exit, crash or wait for a network that is not there when it is imported. Each
distribution is therefore loaded in a child process, which says how it went for one name after the
other; what it did not live to say, or did not say in time, is the plugin's fault.
"""

from __future__ import annotations

import faulthandler
import json
import secrets
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lenetkit.errors import PluginError
from lenetkit.registry import BUILTIN, Catalog, Entry, base_of, installed

TIMEOUT = 10.0
"""Seconds that a distribution has to load one name."""

OK = "ok"


def states(catalog: Catalog, timeout: float = TIMEOUT) -> list[tuple[str, Entry, str]]:
    """(group, registration, state) of everything registered; `ok`, or what is wrong.

    Built-ins are loaded here, every other distribution in a child process.
    """
    rows = [(group, entry) for group, entries in catalog.entries().items() for entry in entries]
    found: dict[tuple[str, Entry], str] = {}
    by_distribution: dict[str, list[tuple[str, Entry]]] = {}
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


def _with_claims(rows: Sequence[tuple[str, Entry]], group: str, entry: Entry, state: str) -> str:
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


def _load(catalog: Catalog, group: str, entry: Entry) -> str:
    try:
        catalog.registry(base_of(group)).load(entry)
    except PluginError as error:
        return str(error)
    return OK


def _ask(pending: Sequence[tuple[str, Entry]], timeout: float) -> dict[tuple[str, Entry], str]:
    """States of one distribution's names; a new child goes on behind a name that ended one."""
    found: dict[tuple[str, Entry], str] = {}
    left = list(pending)
    while left:
        answers, end = _run_child(left, timeout)
        for row, state in zip(left, answers, strict=False):
            found[row] = state
        left = left[len(answers) :]
        if left:
            found[left.pop(0)] = f"does not load: {end}"
    return found


def _run_child(rows: Sequence[tuple[str, Entry]], timeout: float) -> tuple[list[str], str]:
    """The answers that a child gave before it ended, and how it ended."""
    token = secrets.token_hex(8)  # tells its answers from what a plugin may print
    wanted = [[group, entry.provider.distribution, entry.name] for group, entry in rows]
    command = [
        sys.executable,
        "-m",
        "lenetkit.cli.plugins.probe",
        token,
        str(timeout),
        json.dumps(wanted),
    ]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    end = f"it ended the process with status {done.returncode}"
    if b"Timeout (" in done.stderr:
        end = f"no answer in {timeout:g} s"
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [json.loads(line[len(token) :]) for line in lines if line.startswith(token)], end


def _answer(token: str, timeout: float, wanted: Sequence[tuple[str, str, str]]) -> None:
    """In the child: load one name after the other and say how it went.

    A watchdog ends the child when one takes too long, even inside compiled code.
    """
    catalog = installed()
    for group, distribution, name in wanted:
        faulthandler.dump_traceback_later(timeout, exit=True)
        registry = catalog.registry(base_of(group))
        state = _load(catalog, group, registry.entry(f"{distribution}:{name}"))
        sys.stdout.write(f"\n{token}{json.dumps(state)}\n")
        sys.stdout.flush()
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    _answer(sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3]))
