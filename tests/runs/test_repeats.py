"""The same spec, seed, build and number of threads give the same bits, in fresh processes.

`LENETKIT_THOROUGH=1` repeats it 20 times, and the shipped lenet5 on synthetic digits too.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.small_run import THOROUGH, outcome, write_inputs

TIMES = 20 if THOROUGH else 3


def fresh(folder: Path, *arguments: str, hash_seed: int) -> str:
    """The digest of what a run in a separate process leaves, except times."""
    code = (
        "import sys; from lenetkit.runs.run import Run; from lenetkit.cli.main import run; "
        "Run.plot = lambda run: []; sys.exit(run(sys.argv[1:]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, "train", *arguments, "--quiet", "--out", str(folder)],
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    left = outcome(folder)
    for path in folder.iterdir():
        path.unlink()
    return hashlib.sha256(repr(sorted(left.items())).encode()).hexdigest()


def test_fresh_processes_give_the_same_bits(tmp_path: Path) -> None:
    spec, data = write_inputs(tmp_path)
    arguments = (str(spec), "--data-dir", str(data))
    seen = [fresh(tmp_path / f"{time}", *arguments, hash_seed=time) for time in range(1, TIMES + 1)]
    assert len(set(seen)) == 1
    assert fresh(tmp_path / "other", *arguments, "--seed", "1", hash_seed=0) not in seen


@pytest.mark.skipif(not THOROUGH, reason="takes minutes; set LENETKIT_THOROUGH")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_fresh_processes_give_the_same_bits_with_lenet5(tmp_path: Path, threads: str) -> None:
    digits = "data={type: synthetic_digits, train: 1200, test: 300}"
    arguments = ("lenet5-augmented", "--set", digits, "--epochs", "2", "--threads", threads)
    seen = {fresh(tmp_path / f"{time}", *arguments, hash_seed=time) for time in range(TIMES)}
    assert len(seen) == 1
