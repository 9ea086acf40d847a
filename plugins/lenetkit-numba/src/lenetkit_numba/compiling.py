"""Compilation: once, cached by Numba, and announced."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core import event

F = TypeVar("F", bound=Callable[..., Any])
_LOG = logging.getLogger("lenetkit_numba")


def compiled(function: F) -> F:
    """`function`, compiled on its first call with each combination of argument types."""
    result: F
    try:
        result = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no cache folder is writable: compile in every process
        result = numba.njit(nogil=True)(function)
    return result


class _Announcer(event.Listener):  # type: ignore[misc]
    """Says once that kernels are being compiled, which takes a while."""

    said = False

    def on_start(self, event: Any) -> None:
        """Called when a function that is not in the cache is compiled."""
        ours = event.data["dispatcher"].py_func.__module__.startswith("lenetkit_numba.")
        if ours and not self.said:
            self.said = True
            _LOG.warning("compiling numba kernels, once (about 10 s) …")

    def on_end(self, event: Any) -> None:
        """Does nothing; Numba requires the method."""


event.register("numba:compile", _Announcer())
