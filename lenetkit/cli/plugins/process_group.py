"""A child process that ends together with every process it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def family(
    command: Sequence[str], out: BinaryIO, err: BinaryIO
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process in its own process group; the whole group ends with the block.

    Its standard input is empty; what it writes goes to the files `out` and `err`. Windows has no
    such groups: there, the descendants of a child that still runs are ended.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,  # no effect on Windows
    )
    try:
        yield child
    finally:
        if sys.platform == "win32":
            tree = ["taskkill", "/T", "/F", "/PID", str(child.pid)]
            with suppress(OSError):
                subprocess.run(tree, capture_output=True, stdin=subprocess.DEVNULL)
            child.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):  # all have ended
                os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def ending(status: int) -> str:
    """An exit status in words: `with status 7`, `by SIGSEGV`."""
    if status >= 0:
        return f"with status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:
        return f"by signal {-status}"
