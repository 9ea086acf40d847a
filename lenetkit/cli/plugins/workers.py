"""Plugin code in processes of its own, so that nothing that it does costs another plugin anything.

On import or in a check, a plugin may raise, exit, crash, hang, or damage its process. So each file
or distribution has a worker process, which reports on one class after another. A class with which
a worker ends has a fault for an answer, and a new worker goes on after it. Every process that a
plugin started ends with its worker.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lenetkit.cli.plugins.process_group import ending, family

Name = tuple[str, str, str]
"""Group, distribution and name."""
Frame = tuple[str, int, str]
"""File, line and function."""

_STARTUP = 60.0
"""Seconds that Python and lenetkit have to start."""
_GRACE = 2.0
"""Seconds after which a worker that should have ended itself is ended."""
_POLL = 0.01
LOST = 113
"""The exit status of a worker that cannot report any more."""
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')
_START = "import sys; sys.path[:] = {}; from lenetkit.cli.plugins.worker import main; main()"


@dataclass(frozen=True)
class Job:
    """What a worker is to do: `load` or `check` the classes of a file, or registered names."""

    task: str
    names: Sequence[Name] = ()
    file: Path | None = None
    verbose: bool = False


@dataclass(frozen=True)
class Fault:
    """How a worker ended before it had an answer."""

    how: str
    events: Sequence[Any] = ()
    """What it reported about the class."""
    frames: Sequence[Frame] = ()
    """Where it was, the innermost first; empty if that is not known."""


@dataclass
class _Run:
    """What one worker has reported, and how it ended."""

    names: Sequence[Name] | None = None
    answers: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    """Since the last answer."""
    fault: Fault = Fault("")


def ask_all(jobs: Sequence[Job], timeout: float) -> list[list[tuple[Name | None, Any]]]:
    """The answers to every job, several at a time: (name, answer or Fault) of each class.

    A file that does not load has a Fault alone, without a name. Loading a file, and each class,
    have `timeout` seconds.
    """
    stopped = threading.Event()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        try:
            asked = [pool.submit(_ask, job, timeout, stopped) for job in jobs]
            return [one.result() for one in asked]
        except BaseException:  # such as Ctrl-C: wait for no worker
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _ask(job: Job, timeout: float, stopped: threading.Event) -> list[tuple[Name | None, Any]]:
    names: Sequence[Name] | None = None if job.file else job.names
    answers: list[Any] = []
    while names is None or len(answers) < len(names):
        run = _run(job, len(answers), timeout, stopped)
        names = (run.names or names) if job.file else names
        answers += run.answers
        if names is None:
            return [(None, run.fault)]
        if left := len(names) - len(answers):
            answers += [run.fault] * (1 if run.events or not job.file else left)
    return list(zip(names, answers, strict=True))


def _run(job: Job, skip: int, timeout: float, stopped: threading.Event) -> _Run:
    """One worker, from its start to its end."""
    token = secrets.token_hex(8)
    told = {
        "token": token,
        "task": job.task,
        "limit": timeout,
        "file": str(job.file or ""),
        "names": [] if job.file else job.names[skip:],
        "skip": skip if job.file else 0,
        "verbose": job.verbose,
    }
    command = [sys.executable, "-c", _START.format(sys.path), json.dumps(told)]
    run = _Run()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        events, traces = Path(folder) / "events", Path(folder) / "traces"
        with _started(command, events, traces) as child, events.open("rb") as reported:
            how = _follow(child, reported, token, timeout, stopped, run)
        said = traces.read_text("utf-8", errors="replace")
    if run.fault.how:
        return run
    if "Timeout (" in said and how == f"it ended the process {ending(1)}":
        how = f"no answer in {timeout:g} s"
    run.fault = Fault(how, tuple(run.events), _frames(said))
    return run


@contextmanager
def _started(
    command: Sequence[str], events: Path, traces: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with (
        events.open("wb") as out,
        traces.open("wb") as err,
        family(command, out, err) as child,
    ):
        yield child


def _follow(
    child: subprocess.Popen[bytes],
    reported: Any,
    token: str,
    timeout: float,
    stopped: threading.Event,
    run: _Run,
) -> str:
    """Read what a worker reports until it ends; returns how it ended."""
    since, limit, rest = time.monotonic(), _STARTUP, b""
    while True:
        status = child.poll()
        rest += reported.read()
        *lines, rest = rest.split(b"\n")
        for line in lines:
            if _take(line, token, run):
                since, limit = time.monotonic(), timeout + _GRACE
        if status is not None:
            lost = status == LOST
            return (
                "it closed lenetkit's files" if lost else f"it ended the process {ending(status)}"
            )
        if stopped.is_set() or time.monotonic() - since > limit:
            return f"no answer in {min(limit, timeout):g} s"
        time.sleep(_POLL)


def _take(line: bytes, token: str, run: _Run) -> bool:
    """Take note of one event; returns whether a new time limit begins."""
    ours, _, text = line.decode("utf-8", errors="replace").partition(" ")
    if ours != token:  # a plugin has written into the file
        return False
    kind, *values = json.loads(text)
    match kind:
        case "rows":
            run.names = [(group, where, name) for group, where, name in values[0]]
        case "answer":
            run.answers.append(values[0])
            run.events.clear()
        case "raised":
            run.fault = Fault(values[0], tuple(run.events), [tuple(f) for f in values[1]])
        case "ready":
            pass
        case _:
            run.events.append([kind, *values])
    return kind in ("ready", "rows", "begin")


def _frames(traces: str) -> list[Frame]:
    """The frames of the main thread in the last traceback that `faulthandler` wrote."""
    last = re.split(r"^(?:Current thread|Thread|Stack) .*$", traces, flags=re.MULTILINE)[-1]
    found = [match.groups() for line in last.splitlines() if (match := _FRAME.match(line))]
    return [(file, int(number), function) for file, number, function in found]
