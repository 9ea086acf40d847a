"""How a kernel set limits and counts its threads."""

from __future__ import annotations

import os
from typing import Any

from lenetkit.conformance.compare import fail
from lenetkit.kernels.base import Kernels
from lenetkit.operations import blas

_NETWORKS = (0, 1, 1_000, 400_000, 5_000_000, 10**9, 10**13)
"""Multiply-adds per image."""


class _Raised(Exception):  # noqa: N818
    """Passes through a block."""


def expect_limits(kernels: Kernels) -> None:
    """Raises CheckFailed unless limits hold, nest, end, and let errors through."""
    with blas.limited(3):  # so that a limit on matrix products has something to do
        outside = kernels.threads(), blas.threads()
        expect_count(outside[0], "threads()")
        for count in (1, 2, 3):
            with kernels.limited(count):
                _expect_at_most(count, kernels, f"inside limited({count})")
                around = kernels.threads(), blas.threads()
                with kernels.limited(1):
                    _expect_at_most(1, kernels, f"inside limited(1) inside limited({count})")
                _expect_restored(around, kernels, f"limited(1) inside limited({count})")
            _expect_restored(outside, kernels, f"limited({count})")
        try:
            with kernels.limited(1):
                raise _Raised
        except _Raised:
            _expect_restored(outside, kernels, "limited(1) that an error ends")
            return
    raise fail("limited(1): expected an error inside to pass through, found none")


def expect_best(kernels: Kernels) -> None:
    """Raises CheckFailed unless `best_threads` gives a number of processors."""
    most = os.cpu_count() or 1
    for macs in _NETWORKS:
        expect_count(kernels.best_threads(macs), f"best_threads({macs:,})", most)


def expect_count(found: Any, what: str, most: int | None = None) -> None:
    """Raises CheckFailed unless `found` is a whole number from 1 to `most`."""
    if type(found) is not int or found < 1 or (most is not None and found > most):
        limit = "≥ 1" if most is None else f"from 1 to {most}"
        raise fail(f"{what}: expected an integer {limit}, found {found!r}")


def _expect_at_most(count: int, kernels: Kernels, where: str) -> None:
    expect_count(kernels.threads(), f"{where}: threads()", count)
    if (found := blas.threads()) > count:
        cause = "super().limited(…) limits the matrix products"
        raise fail(f"{where}: matrix products may use {found} threads, expected {count}", cause)


def _expect_restored(before: tuple[int, int], kernels: Kernels, block: str) -> None:
    for name, old, new in (
        ("threads()", before[0], kernels.threads()),
        ("the threads of matrix products", before[1], blas.threads()),
    ):
        if old != new:
            raise fail(f"after {block}: expected {name} to be {old} again, found {new}")
