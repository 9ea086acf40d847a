"""What a worker process does: load plugins, or check them, and report one after another.

Events go to the file behind standard output, tracebacks to the one behind standard error. Both are
moved out of the way first, so that nothing a plugin prints gets there.
"""

from __future__ import annotations

import faulthandler
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb
from typing import Any

from lenetkit.cli.plugins import grading, probe
from lenetkit.cli.plugins.registered import Row
from lenetkit.cli.plugins.workers import LOST
from lenetkit.errors import PluginError, cause
from lenetkit.registry.catalog import GROUPS, installed
from lenetkit.registry.plugin_file import add_file

_MIN_MEMORY = 4 << 30
_exit = os._exit  # plugins get another one, which says where it was called


class _Channel:
    """Where this process reports; forked children and what plugins print never get there."""

    def __init__(self, token: str, limit: float) -> None:
        self.token, self.limit, self.process = token, limit, os.getpid()
        self.events, self.traces = os.dup(1), os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        faulthandler.enable(self.traces, all_threads=False)
        for name in ("_exit", "kill"):
            setattr(os, name, self._traced(getattr(os, name)))

    def send(self, kind: str, *values: Any) -> None:
        """Report one event."""
        if os.getpid() != self.process:  # a plugin has forked, and this is its child
            _exit(0)
        left = f"{self.token} {json.dumps([kind, *values])}\n".encode()
        try:
            while left:
                left = left[os.write(self.events, left) :]
        except OSError:
            _exit(LOST)

    def begin(self) -> None:
        """Report that the next class has its turn; after the limit, say where it is and end."""
        self.send("begin")
        with suppress(OSError):
            os.write(self.traces, b"Stack of the next class\n")
        faulthandler.dump_traceback_later(self.limit, exit=True, file=self.traces)

    def _traced(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def traced(*arguments: Any) -> Any:
            if os.getpid() == self.process:
                with suppress(OSError):
                    faulthandler.dump_traceback(self.traces, all_threads=False)
            return function(*arguments)

        return traced


def main() -> None:
    """Do the job in the command line's last argument. Never returns."""
    job = json.loads(sys.argv.pop())
    channel = _Channel(job["token"], job["limit"])
    channel.send("ready")
    _limit_memory()
    try:
        faulthandler.dump_traceback_later(job["limit"], exit=True, file=channel.traces)
        rows = _rows(job)
        channel.send("rows", [[g, e.provider.distribution, e.name] for g, e in rows])
        for row in rows[job["skip"] :]:
            channel.begin()
            channel.send("answer", _answer(job, row, channel))
    except PluginError as error:
        channel.send("raised", str(error), list(_frames(error.__cause__ or error)))
    except BaseException as error:  # a plugin may raise anything
        channel.send("raised", f"raised {cause(error)}", list(_frames(error)))
    _exit(0)  # whatever a plugin has left running or registered for the end


def _rows(job: dict[str, Any]) -> list[Row]:
    if job["file"]:
        return [(e.point.group, e) for e in add_file(installed(), Path(job["file"]))]
    names = [(GROUPS[group], group, f"{where}:{name}") for group, where, name in job["names"]]
    return [(group, installed().registry(base).entry(name)) for base, group, name in names]


def _answer(job: dict[str, Any], row: Row, channel: _Channel) -> Any:
    if job["task"] == "load":
        return probe.state(row)
    return grading.graded(row, channel.send, verbose=job["verbose"])


def _frames(error: BaseException) -> Iterator[tuple[str, int, str]]:
    """(file, line, function) of an error, the innermost first."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        yield error.filename, error.lineno, ""
    for frame, number in reversed(list(walk_tb(error.__traceback__))):
        yield frame.f_code.co_filename, number, frame.f_code.co_name


def _limit_memory() -> None:
    """Let a plugin have half of the machine's memory; Windows and macOS set no such limit."""
    if sys.platform == "linux":
        import resource

        half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        with suppress(ValueError, OSError):
            most = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (max(half, _MIN_MEMORY), most))
