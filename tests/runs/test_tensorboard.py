"""What is written for TensorBoard, read back by TensorBoard's own reader."""

from __future__ import annotations

import csv
import importlib.util
import io
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import lenetkit
from lenetkit.errors import InputError, RunError
from lenetkit.runs.run import Run
from lenetkit.spec.merge import Override
from lenetkit.training.data import load_training_data
from tests.support.small_run import write_inputs

pytest.importorskip("tensorboard", reason="TensorBoard is not installed; it is an extra")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lenetkit.runs.tensorboard import TensorBoard


def read(folder: Path) -> EventAccumulator:
    everything = {"tensors": 0, "images": 0, "scalars": 0, "histograms": 0}
    accumulator = EventAccumulator(str(folder), size_guidance=everything)
    accumulator.Reload()
    return accumulator


def scalars(found: EventAccumulator) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def create(folder: Path, name: str, *changes: str) -> Run:
    spec, data = write_inputs(folder)
    return Run.create(
        spec, out=folder / name, set=list(map(Override.from_text, changes)), data_dir=data
    )


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_scalars_are_those_of_the_tables(tmp_path: Path) -> None:
    run = create(tmp_path, "a")
    with TensorBoard.of(run) as board:
        run.train(watch=board, pictures=False)
    found = scalars(read(tmp_path / "a" / "tensorboard"))
    steps, epochs = rows(tmp_path / "a" / "steps.csv"), rows(tmp_path / "a" / "metrics.csv")
    assert [step for step, _ in found["loss/batch"]] == [int(row["step"]) for row in steps]
    np.testing.assert_allclose(
        [loss for _, loss in found["loss/batch"]], [float(row["loss"]) for row in steps], rtol=1e-6
    )
    assert len(found["learning_rate"]) == len(found["accuracy/batch"]) == len(steps)
    for tag, column in {
        "loss/train": "train_loss",
        "accuracy/test": "test_accuracy",
        "accuracy/held_out": "validation_accuracy",
    }.items():
        values = [value for _, value in found[tag]]
        expected = [float(row[column]) for row in epochs]
        np.testing.assert_allclose(values, expected, atol=1e-6)
    assert [step for step, _ in found["loss/test"]] == [3, 6, 9]  # the last step of each epoch


def test_histograms_count_every_weight_and_gradient(tmp_path: Path) -> None:
    run = create(tmp_path, "a")
    with TensorBoard.of(run) as board:
        run.train(watch=board, pictures=False)
    found = read(tmp_path / "a" / "tensorboard")
    expected = {name.replace(".", "/"): v for name, v in run.network.tensors().items()}
    gradients = run.network.gradients().items()
    expected |= {f"{name.replace('.', '/')}/gradient": values for name, values in gradients}
    assert set(found.Tags()["histograms"]) == set(expected)
    for tag, values in expected.items():
        last = found.Histograms(tag)[-1].histogram_value
        assert sum(last.bucket) == last.num == values.size
        np.testing.assert_allclose([last.min, last.max], [values.min(), values.max()])
        np.testing.assert_allclose(last.sum, values.sum(dtype=float))


def test_pictures_are_the_files(tmp_path: Path) -> None:
    run = create(tmp_path, "a", "train.epochs=1")
    with TensorBoard.of(run) as board:
        run.train(watch=board, pictures=False)
        board.pictures(run.plot())
    found = read(tmp_path / "a" / "tensorboard")
    assert "loss" in found.Tags()["images"]
    (shown,) = found.Images("loss")
    with Image.open(io.BytesIO(shown.encoded_image_string)) as image:
        assert image.size == (shown.width, shown.height)
    assert shown.encoded_image_string == (tmp_path / "a" / "loss.png").read_bytes()


@pytest.mark.parametrize("stop", [2, 5])
def test_a_resumed_run_reads_as_if_it_was_never_interrupted(tmp_path: Path, stop: int) -> None:
    """Steps after the checkpoint, which are trained again, are there once."""
    whole = create(tmp_path, "whole")
    with TensorBoard.of(whole) as board:
        whole.train(watch=board, pictures=False)
    parts = create(tmp_path, "parts")
    with TensorBoard.of(parts) as board:
        for event in islice(parts.events(), stop):
            board(event)
        parts.close()
        for step in (parts.progress.step + 1, parts.progress.step + 2):  # as after a crash
            board(lenetkit.StepDone(step, 1, loss=99.0, accuracy=0.0, lr=9.0, samples=1))
    parts = Run.resume(tmp_path / "parts", data_dir=tmp_path / "data")
    with TensorBoard.of(parts) as board:
        parts.train(watch=board, pictures=False)
    found, expected = (scalars(read(tmp_path / n / "tensorboard")) for n in ("parts", "whole"))
    assert found == expected


def test_the_loop_of_a_user_takes_it_too(tmp_path: Path) -> None:
    spec, data = write_inputs(tmp_path)
    network = lenetkit.build(spec)
    with TensorBoard(tmp_path / "board", network) as board:
        for event in lenetkit.train(network, load_training_data(network.plan, data), epochs=1):
            board(event)
    assert len(scalars(read(tmp_path / "board"))["loss/batch"]) == 3


def test_a_regression_has_its_own_scalars(tmp_path: Path) -> None:
    network = lenetkit.build(
        {
            "lenetkit": 1,
            "name": "heights",
            "input": [4],
            "layers": {"fc1": {"type": "linear", "out_features": 2}},
            "loss": "mean_squared_error",
        }
    )
    rows = np.random.default_rng(0).normal(size=(50, 4))
    data = network.training_data(rows, rows[:, :2], validation=0.2)
    with TensorBoard(tmp_path / "board", network) as board:
        for event in lenetkit.train(network, data, epochs=1):
            board(event)
    found = scalars(read(tmp_path / "board"))
    assert "accuracy/batch" not in found  # NaN of real targets
    assert isinstance(event, lenetkit.EpochDone)
    last = event.figures()
    for tag, column in {"rmse/train": "train_rmse", "r2/held_out": "validation_r2"}.items():
        ((_, value),) = found[tag]
        assert value == pytest.approx(last[column], rel=1e-6)


def test_the_command_writes_it_beside_the_run(tmp_path: Path, monkeypatch: Any) -> None:
    from lenetkit.cli.main import cli

    spec, data = write_inputs(tmp_path)
    out = tmp_path / "run"
    arguments = ["train", str(spec), "--data-dir", str(data), "--out", str(out), "--tensorboard"]
    cli.main([*arguments, "--quiet"], standalone_mode=False)
    found = read(out / "tensorboard")
    assert {"loss", "accuracy", "confusion_test"} <= set(found.Tags()["images"])
    assert len(scalars(found)["loss/batch"]) == len(rows(out / "steps.csv"))


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _ = write_inputs(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "lenetkit\[tensorboard\]"'):
        TensorBoard(tmp_path / "board", lenetkit.build(spec))
    assert not (tmp_path / "board").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    spec, _ = write_inputs(tmp_path)
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(RunError, match=r"board: cannot be written"):
        TensorBoard(tmp_path / "file" / "board", lenetkit.build(spec))
