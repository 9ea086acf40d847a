"""How many threads a pass uses: the kernel set decides, unless told otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.network.network import Network
from lenetkit.network.plan import load_plan
from lenetkit.operations import blas

ALL = os.cpu_count() or 1


@pytest.mark.parametrize(("macs", "threads"), [(281_640, 1), (10**9, ALL)])
def test_small_products_are_not_shared(macs: int, threads: int) -> None:
    with blas.limited(ALL):
        assert NumpyKernels().best_threads(macs) == threads


def test_large_products_use_no_more_threads_than_the_process_may() -> None:
    with blas.limited(1):
        assert NumpyKernels().best_threads(10**9) == 1


def test_a_limit_holds_inside_its_block() -> None:
    network = Network(load_plan("lenet5"))
    with blas.limited(ALL):
        with network.limited(None):
            assert NumpyKernels().threads() == blas.threads() == 1
        with network.limited(3):  # which convolutions share; each of their products takes one
            assert (NumpyKernels().threads(), blas.threads()) == (3, 1)
        assert blas.threads() == ALL


@dataclass(frozen=True, kw_only=True)
class OwnThreads(NumpyKernels):
    """Kernels that record how many threads they were given."""

    def best_threads(self, macs: int) -> int:
        return macs

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        given.append(threads)
        yield
        given.append(0)


given: list[int] = []


def test_kernels_may_have_their_own_threads() -> None:
    plan = load_plan("lenet5")
    object.__setattr__(plan.spec, "kernels", OwnThreads())
    network = Network(plan)
    for asked in (None, 3):
        with network.limited(asked):
            given.append(-1)
    assert given == [plan.cost.macs, -1, 0, 3, -1, 0]


SITE = Path("/env/lib/python3.11/site-packages").resolve()


@pytest.mark.parametrize(
    ("loaded", "numpys"),
    [
        (["opencv_python_headless.libs/libopenblasp.so", "numpy.libs/libscipy_openblas64_.so"], 1),
        (["cv2/.dylibs/libopenblas.0.dylib", "numpy/.dylibs/libscipy_openblas64_.dylib"], 1),
        (["scipy.libs/libscipy_openblas.so", "../../libopenblas.so"], 1),  # conda's, or a system's
        (["../../libmkl_rt.so"], 0),
    ],
)
def test_other_packages_bring_libraries_that_are_not_numpys(loaded: list[str], numpys: int) -> None:
    found = [SimpleNamespace(filepath=str(SITE / path)) for path in loaded]
    assert blas.numpys(found, SITE / "numpy") == (found[numpys],)


def test_what_was_computed_with_does_not_depend_on_what_else_is_loaded() -> None:
    pytest.importorskip("cv2")
    code = (
        "{}; from lenetkit.runs.environment import versions; "
        "from lenetkit.kernels.numpy_kernels import NumpyKernels; print(versions(NumpyKernels()))"
    )
    said = [
        subprocess.check_output([sys.executable, "-c", code.format(first)], text=True)
        for first in ("import numpy", "import cv2")
    ]
    assert said[0] == said[1]
