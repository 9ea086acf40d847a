"""A run in a separate process, with everything that it imports loaded beforehand."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from typing import Any

import lenetkit.runs.pictures  # noqa: F401  (imported late by the command, so that it starts fast)
from lenetkit.cli.main import run
from lenetkit.runs.run import Run

_CONTEXT: Any = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
if os.name != "nt":
    _CONTEXT.set_forkserver_preload([__name__])


def started(arguments: list[str], *, pictures: bool) -> BaseProcess:
    """A process that runs a command, with or without its pictures."""
    process: BaseProcess = _CONTEXT.Process(target=_run, args=(arguments, pictures))
    process.start()
    return process


def _run(arguments: list[str], pictures: bool) -> None:
    if not pictures:
        Run.plot = lambda self: []  # type: ignore[method-assign]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        sys.stdout = sys.stderr = nowhere
        status = run(arguments)
    sys.exit(status)
