"""Where memory runs out is said, with what would need less."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit.errors import OutOfMemoryError
from lenetkit.layers.activations import Sigmoid
from lenetkit.training.data import load_training_data
from lenetkit.training.evaluation import Evaluation, evaluate
from tests.support.specs import SMALL

MakeIdx = Callable[..., Path]

READING = """
import resource, sys
from pathlib import Path
from lenetkit.data.idx import read_idx
from lenetkit.errors import OutOfMemoryError
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    read_idx(Path(sys.argv[1]))
except OutOfMemoryError as error:
    print(error)
"""


def test_evaluation_does_not_blame_the_batch_size(
    make_idx: MakeIdx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise MemoryError("Unable to allocate 9 GiB")

    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    network = lenetkit.build(tmp_path / "small.yaml", {"layers.relu1": "sigmoid"})
    data = load_training_data(network.plan, make_idx())
    monkeypatch.setattr(Sigmoid, "function", fail)
    with pytest.raises(OutOfMemoryError) as caught:
        evaluate(network, data.test, data.pipeline)
    assert str(caught.value) == (
        "not enough memory to evaluate 250 images at a time (MemoryError: Unable to allocate "
        "9 GiB); use smaller images, or fewer channels in the first layers"
    )


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (5, "5 images (MemoryError: no room); try a smaller batch_size than 5"),
        (1, "1 image (MemoryError: no room); use smaller images, or fewer channels in the first"),
    ],
)
def test_a_step_blames_the_batch_size_if_that_can_be_smaller(
    make_idx: MakeIdx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, said: str
) -> None:
    def fail(*arguments: Any) -> Any:
        raise MemoryError("no room")

    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    network = lenetkit.build(tmp_path / "small.yaml", {"layers.relu1": "sigmoid"})
    monkeypatch.setattr(Sigmoid, "function", fail)
    with pytest.raises(
        OutOfMemoryError, match=re.escape(f"not enough memory for a step of {said}")
    ):
        next(lenetkit.train(network, data_dir=make_idx(), batch_size=size))


def test_so_does_counting_of_too_many_classes() -> None:
    labels = np.zeros(2, np.int64)
    result = Evaluation(0.0, labels, labels, np.ones(2, np.float32), 10**7)
    with pytest.raises(OutOfMemoryError, match="to count which of 10,000,000 classes was taken"):
        _ = result.confusion


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_reading_names_the_file_and_its_size(tmp_path: Path) -> None:
    path = tmp_path / "images"
    with path.open("wb") as file:  # 3 GB of zeros, which take no room on the disk
        file.write(bytes((0, 0, 8, 3)) + b"".join(n.to_bytes(4, "big") for n in (3000, 1000, 1000)))
        file.truncate(16 + 3 * 10**9)
    command = [sys.executable, "-c", READING, str(path)]
    said = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    assert said.startswith(
        f"not enough memory for {path}, 3000×1000×1000 values in 3,000,000,000 bytes"
    )
    assert said.endswith("; store fewer samples in the file\n")


TRAINING = """
import resource, sys
from lenetkit.cli.main import run
from lenetkit.runs import pictures
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = used + (int(sys.argv.pop(1)) << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(run(["train", "small.yaml", "--quiet", "--out", "run", *sys.argv[1:]]))
"""
WIDE = "layers.wide={type: linear, out_features: 300000, after: drop1}"
RAN_OUT = {
    "parameters": (40, [WIDE], "for 6,600,023 parameters and their gradients"),
    "the optimizer": (106, [WIDE], "for the optimizer: 2 × 6,600,023 values"),
    "the first checkpoint": (180, [WIDE], "for 79,200,276 bytes to be written"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
@pytest.mark.parametrize(("room", "changes", "what"), RAN_OUT.values(), ids=RAN_OUT)
def test_training_names_what_took_the_memory(
    make_idx: MakeIdx, tmp_path: Path, room: int, changes: list[str], what: str
) -> None:
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    options = ["--data-dir", str(make_idx()), *(f"--set={change}" for change in changes)]
    command = [sys.executable, "-c", TRAINING, str(room), *options]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert said.returncode == 1, said.stderr
    assert said.stderr.startswith(f"error: not enough memory {what} "), said.stderr
