"""Whether plugins load, found out in worker processes."""

from __future__ import annotations

from collections import defaultdict

from lenetkit.cli.plugins.registered import Row, load, rows
from lenetkit.cli.plugins.workers import Fault, Job, ask_all
from lenetkit.errors import PluginError
from lenetkit.registry.catalog import BUILTIN, GROUPS, Registration, installed

TIMEOUT = 10.0
"""Seconds that a distribution has to load one name."""


def states(timeout: float) -> list[tuple[str, Registration, str]]:
    """(group, entry, state) of everything registered; the state is `ok`, or what is wrong.

    Built-ins are loaded here, every other distribution in a worker.
    """
    everything = rows()
    found: dict[Row, str] = {}
    pending: dict[str, list[Row]] = defaultdict(list)
    for row in everything:
        _, entry = row
        if entry.unusable:
            found[row] = entry.unusable
        elif entry.provider.distribution == BUILTIN or entry.point.dist is None:
            found[row] = state(row)
        else:
            pending[entry.provider.distribution].append(row)
    jobs = [Job("load", [name_of(row) for row in asked]) for asked in pending.values()]
    for asked, answers in zip(pending.values(), ask_all(jobs, timeout), strict=True):
        for row, (_, answer) in zip(asked, answers, strict=True):
            faulty = isinstance(answer, Fault)
            found[row] = f"does not load: {answer.how}" if faulty else answer
    return [(*row, found[row] + _rivals(row)) for row in everything]


def name_of(row: Row) -> tuple[str, str, str]:
    """Group, distribution and name."""
    group, entry = row
    return group, entry.provider.distribution, entry.name


def state(row: Row) -> str:
    """`ok`, or why the class cannot be used."""
    try:
        load(row)
    except PluginError as error:
        return str(error)
    return "ok"


def _rivals(row: Row) -> str:
    group, entry = row
    rivals = installed().registry(GROUPS[group]).rivals(entry)
    return f"; {rivals}" if rivals else ""
