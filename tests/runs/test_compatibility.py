"""What 0.1.0 wrote: its models load, and a run that it began goes on to the same end.

`tests/support/version_0_1_0/` is the run of `tests/support/small_run.py`, interrupted after step 4;
`whole_steps.csv` are the losses of the same run without an interruption.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit import Run
from lenetkit.training import data as data_module
from tests.support.small_run import write_inputs

WRITTEN = Path(__file__).parents[1] / "support" / "version_0_1_0"


def losses(path: Path) -> list[float]:
    """The column of a table of steps."""
    return [float(row["loss"]) for row in csv.DictReader(path.read_text("utf-8").splitlines())]


def test_a_model_of_0_1_0_loads_and_is_as_good_as_it_was(tmp_path: Path) -> None:
    model = lenetkit.load(WRITTEN / "model.safetensors")
    _, data = write_inputs(tmp_path)
    run = Run.create(tmp_path / "small.yaml", out=tmp_path / "run", data_dir=data)
    found = model.evaluate(run.data.test.images, run.data.test.labels)
    run.close()
    assert found.loss == pytest.approx(2.3862295672297478, rel=1e-5)
    assert found.confusion.tolist() == [[0, 1, 1], [0, 2, 0], [0, 2, 0]]


def last(labels: Any, count: int, rng: np.random.Generator, *, leave: bool) -> Any:
    """The rows that 0.1.0 held out."""
    return np.arange(len(labels) - count, len(labels))


def test_a_run_that_0_1_0_began_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same bits on the machine that it began on; here, within rounding.

    Held-out samples are drawn across the classes now, which is named as other data.
    """
    _, data = write_inputs(tmp_path)
    folder = tmp_path / "run"
    shutil.copytree(WRITTEN, folder)
    with Run.resume(folder, data_dir=data, allow_different=True) as run:
        assert [line for line in run.differences if line.startswith("data: stripes had other")]
    monkeypatch.setattr(data_module, "stratified", last)
    run = Run.resume(folder, data_dir=data, allow_different=True)
    assert run.progress.step == 4
    assert not [line for line in run.differences if line.startswith(("spec", "data", "plugin"))]
    result = run.train(pictures=False)
    assert result["epochs"] == 3
    whole = losses(WRITTEN / "whole_steps.csv")
    assert losses(folder / "steps.csv")[:4] == whole[:4]
    np.testing.assert_allclose(losses(folder / "steps.csv"), whole, rtol=1e-3)
