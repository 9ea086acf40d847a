"""A team of threads that share the blocks of a pass.

The calling thread starts immediately. Helpers join as they wake, and each free thread takes the
next block, so on a busy machine nobody waits for a late helper. Which thread computes a block does
not affect the result.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from lenetkit_numba.claims import Claims, claim, claims_on, finish, finished
from lenetkit_numba.threads import threads

_jobs: list[SimpleQueue[Callable[[], None]]] = []
"""The jobs of each helper."""
_hiring = threading.Lock()


def share(work: Callable[..., None], blocks: int, *arguments: Any) -> None:
    """Run `work(claims, member, *arguments)` on every member of the team; return when all is done.

    `work` claims blocks until none is left, without holding Python's lock. Members are numbered
    from 0, and each may use its own memory. Helpers that find no block left touch only `claims`.
    An interrupt ends it only when no block is being computed, and none will be.
    """
    claims = claims_on(blocks)
    try:
        for member in range(1, min(threads(), blocks)):
            _helper(member).put(functools.partial(work, claims, member, *arguments))
        work(claims, 0, *arguments)
        while not finished(claims):
            time.sleep(0)
    except BaseException:
        while not _abandoned(claims):
            pass
        raise


def _abandoned(claims: Claims) -> bool:
    """Take what is left of the blocks, undone, and wait; False if that was interrupted too."""
    try:
        while claim(claims) >= 0:
            finish(claims)
        while not finished(claims):
            time.sleep(0)
    except BaseException:  # the first one is raised
        return False
    return True


def _helper(member: int) -> SimpleQueue[Callable[[], None]]:
    """The jobs of a helper, which is started when first needed."""
    with _hiring:
        while len(_jobs) < member:
            jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
            name = f"lenetkit-numba {len(_jobs) + 1}"
            threading.Thread(target=_help, args=(jobs,), name=name, daemon=True).start()
            _jobs.append(jobs)
    return _jobs[member - 1]


def _help(jobs: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        jobs.get()()


if hasattr(os, "register_at_fork"):  # a forked process has none of these threads
    os.register_at_fork(after_in_child=_jobs.clear)
