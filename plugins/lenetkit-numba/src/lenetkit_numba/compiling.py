"""Compilation, once: kept in Numba's cache, and announced."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core import event

F = TypeVar("F", bound=Callable[..., Any])
_LOG = logging.getLogger("lenetkit_numba")


def compiled(function: F) -> F:
    """`function`, compiled when it is first called with arguments of some types."""
    result: F
    try:
        result = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is no folder that it could write to: compile in every process
        result = numba.njit(nogil=True)(function)
    return result


class _Announcer(event.Listener):  # type: ignore[misc]
    """Says, once, that something of ours is being compiled, which takes a while."""

    said = False

    def on_start(self, event: Any) -> None:
        """Something is compiled because it is not in the cache."""
        ours = event.data["dispatcher"].py_func.__module__.startswith("lenetkit_numba.")
        if ours and not self.said:
            self.said = True
            _LOG.warning("compiling numba kernels, once (about 10 s) …")

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


event.register("numba:compile", _Announcer())
