"""What shows only in processes of their own: equal bits, the cache, other processors, imports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

COMPILING = "compiling numba kernels, once (about 10 s) …"

PASSES = """
import hashlib
import sys

import numpy as np
from lenetkit.network.network import Network
from lenetkit.network.plan import load_plan
from lenetkit.spec.merge import Override

network = Network(load_plan("lenet5", [Override.from_text("kernels=numba")]), dtype=sys.argv[2])
rng = np.random.default_rng(0)
x = rng.normal(size=(203, 1, 28, 28)).astype(sys.argv[2])
dy = rng.normal(size=(203, 10)).astype(sys.argv[2])
with network.limited(int(sys.argv[1])):
    for fused in (True, False):
        workspace = network.workspace(training=True, fused=fused)
        for _ in range(5):
            y = network.forward(x, workspace)
            network.backward(dy.copy(), workspace)
            print(hashlib.sha256(y.tobytes() + network.grads.tobytes()).hexdigest(), fused)
"""

CORRECT = """
from lenetkit.testing import check_kernels
from lenetkit_numba.kernels import NumbaKernels
from lenetkit_numba.target import TARGET

print(TARGET, check_kernels(NumbaKernels()))
"""


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end, which is to be a good one."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONUTF8": "1"} | environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_depend_neither_on_the_run_nor_on_the_number_of_threads(dtype: str) -> None:
    """Matrix products of linear layers take one thread in all of them."""
    lines = [
        line
        for threads in ("1", "1", "2", "2", "3")
        for line in run(PASSES, threads, dtype).stdout.splitlines()
    ]
    assert len(lines) == 5 * 10
    assert len(set(lines)) == 2  # fused, and not: they add up in another order


def test_the_first_run_says_that_it_compiles_and_later_ones_do_not(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    first, second = (run(PASSES, "2", "float32", NUMBA_CACHE_DIR=cache) for _ in range(2))
    assert first.stderr == f"{COMPILING}\n"
    assert second.stderr == ""
    assert first.stdout == second.stdout


@pytest.mark.parametrize(
    ("name", "features", "target"),
    [
        ("generic", "", "Target(vector_bytes=16, registers=16)"),
        ("haswell", "+avx,+avx2,+fma", "Target(vector_bytes=32, registers=16)"),
    ],
)
def test_lesser_processors_get_right_results(
    tmp_path: Path, name: str, features: str, target: str
) -> None:
    """As Numba compiles for them; a processor of that kind, or a better one, can run it."""
    from lenetkit_numba.target import TARGET

    if not features and TARGET.registers == 32 and TARGET.vector_bytes == 16:
        pytest.skip("the names are those of another family of processors")
    if int(target.split("=")[1].split(",")[0]) > TARGET.vector_bytes:
        pytest.skip("this processor has no vectors so wide")
    said = run(
        CORRECT,
        NUMBA_CACHE_DIR=str(tmp_path),
        NUMBA_CPU_NAME=name,
        NUMBA_CPU_FEATURES=features,
    )
    found = re.fullmatch(
        rf"{re.escape(target)} (\d+) checks: (\d+) passed, 0 failed, .*\n", said.stdout
    )
    assert found, said.stdout
    assert int(found[1]) == int(found[2]) >= 23


def test_numba_is_imported_by_the_first_pass_and_not_before() -> None:
    program = """
import sys
from lenetkit.network.network import Network
from lenetkit.network.plan import load_plan
from lenetkit.spec.merge import Override

network = Network(load_plan("lenet5", [Override.from_text("kernels=numba")]))
with network.limited(None):
    network.workspace(training=True)
print(sorted({"numba", "llvmlite"} & sys.modules.keys()))
"""
    assert run(program).stdout == "[]\n"


def test_a_forked_process_has_a_team_of_its_own() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    program = (
        PASSES
        + """
import os

child = os.fork()
if child == 0:
    network.forward(x, workspace)
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    )
    assert run(program, "2", "float32").stdout.splitlines()[-1] == "0"
