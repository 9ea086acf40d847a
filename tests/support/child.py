"""A run in a separate process, with everything that it imports loaded beforehand."""

from __future__ import annotations

import multiprocessing
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import lenetkit.runs.pictures  # noqa: F401  (imported late by the command, so that it starts fast)
from lenetkit.__main__ import main
from lenetkit.cli.main import run  # noqa: F401
from lenetkit.runs.run import Run

_CONTEXT: Any = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
if os.name != "nt":
    _CONTEXT.set_forkserver_preload([__name__])


def started(arguments: list[str], *, pictures: bool, log: Path = Path(os.devnull)) -> BaseProcess:
    """A process that runs a command, with or without its pictures; what it prints goes to `log`."""
    process: BaseProcess = _CONTEXT.Process(target=_run, args=(arguments, pictures, log))
    process.start()
    return process


def _run(arguments: list[str], pictures: bool, log: Path) -> None:
    if not pictures:
        Run.plot = lambda self: []  # type: ignore[method-assign]
    with log.open("w", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        sys.argv = ["lenetkit", *arguments]
        main()
