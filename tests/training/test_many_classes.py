"""Many classes cost what their samples cost; more than can be counted are refused in words."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import lenetkit
from lenetkit.data.finding import file_names
from lenetkit.data.idx import write_idx
from lenetkit.data.source import MAX_CLASSES, SPLITS
from lenetkit.errors import DataError
from lenetkit.network.plan import Plan, load_plan
from lenetkit.testing.commands import RunCommand, run_command_in_a_folder
from lenetkit.training.data import load_training_data
from lenetkit.training.evaluation import Evaluation

__all__ = ["run_command_in_a_folder"]

MakeIdx = Callable[..., Path]


def plan(classes: int) -> Plan:
    return load_plan(
        {
            "lenetkit": 1,
            "name": "many",
            "input": [1, 8, 8],
            "layers": {"fc": {"type": "linear", "out_features": classes}},
            "data": {"type": "idx"},
            "train": {"epochs": 1, "batch_size": 50},
        }
    )


def write(folder: Path, classes: int) -> Path:
    """Two training images and a test image of each class."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for split, each in zip(SPLITS, (2, 1), strict=True):
        images, labels = file_names(split)
        write_idx(folder / images, rng.integers(0, 256, (each * classes, 8, 8), np.uint8))
        write_idx(folder / labels, np.tile(np.arange(classes, dtype=np.int16), each))
    return folder


def told(folder: Path, labels: NDArray[np.int32]) -> str:
    """What is said of such training labels, and that it took no memory to find out."""
    write_idx(folder / file_names("train")[1], labels)
    tracemalloc.start()
    with pytest.raises(DataError) as caught:
        load_training_data(plan(3), folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    return str(caught.value)


@pytest.mark.parametrize("largest", [MAX_CLASSES, 99_999, 2**31 - 1])
def test_labels_of_more_classes_than_can_be_counted_are_refused(
    make_idx: MakeIdx, largest: int
) -> None:
    labels = np.append(np.arange(11) % 3, largest).astype(np.int32)
    said = told(make_idx(), labels)
    assert f"labels go up to {largest:,}, so there are {largest + 1:,} classes" in said
    assert "expected at most 5,000; number the classes without gaps: numpy.unique(" in said


def test_labels_that_start_far_from_0_are_classes_all_the_same(make_idx: MakeIdx) -> None:
    """Unicode's numbers of Chinese characters, say."""
    folder = make_idx()
    for split, count in zip(SPLITS, (12, 6), strict=True):
        labels = np.arange(count, dtype=np.int32) % 3 + 0x4E00
        write_idx(folder / file_names(split)[1], labels)
    with pytest.raises(DataError, match=r"labels start at 19968 .* data.label_offset: 19968"):
        load_training_data(plan(3), folder)


@pytest.mark.parametrize("classes", [MAX_CLASSES + 1, 2**31, 10**15])
def test_more_outputs_than_can_be_counted_are_refused_before_data_is_read(
    classes: int, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"layers.fc: {classes:,} outputs, .* at most 5,000"):
        load_training_data(plan(classes), tmp_path / "nothing is there")


def test_arrays_are_refused_alike() -> None:
    network = lenetkit.build(
        {
            "lenetkit": 1,
            "name": "wide",
            "input": [1, 2, 2],
            "layers": {"fc": {"type": "linear", "out_features": 6000}},
        }
    )
    with pytest.raises(DataError, match="6,000 outputs"):
        network.fit(np.eye(4, dtype=np.uint8).reshape(4, 2, 2) * 255, [0, 1, 2, 3])


def test_an_evaluation_keeps_a_few_numbers_a_sample() -> None:
    n, K = 1000, 5000
    numbers = np.arange(n)
    tracemalloc.start()
    result = Evaluation(0.5, numbers, numbers[::-1], np.ones(n, np.float32), K)
    assert result.accuracy == 0.0
    assert np.nanmax(result.recall()) == np.nanmax(result.precision()) == 0.0
    assert result.errors().shape == (n, 3)
    assert len(result.mistakes()) == n
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert result.confusion.shape == (K, K)


def test_figures_are_those_of_the_confusion_matrix() -> None:
    rng = np.random.default_rng(3)
    labels, predicted = rng.integers(0, 6, 200), rng.integers(0, 5, 200)
    result = Evaluation(0.0, labels, predicted, rng.random(200), 7)
    counts = result.confusion
    assert counts.sum() == result.n == 200
    assert result.accuracy == np.trace(counts) / 200
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(result.recall(), np.diag(counts) / counts.sum(axis=1))
        np.testing.assert_array_equal(result.precision(), np.diag(counts) / counts.sum(axis=0))
    errors = result.errors()
    assert (np.diff(errors[:, 2]) <= 0).all()
    np.testing.assert_array_equal(counts[errors[:, 0], errors[:, 1]], errors[:, 2])
    assert errors[:, 2].sum() == 200 - np.trace(counts)


def test_commands_list_the_worst_of_many_classes(run_command: RunCommand, tmp_path: Path) -> None:
    data, model = write(tmp_path / "data", 300), tmp_path / "m.safetensors"
    spec = tmp_path / "many.yaml"
    spec.write_text(plan(300).to_yaml(), "utf-8")
    lenetkit.build(spec).save(model)
    evaluate = ("evaluate", model, "--data", "idx", "--data-dir", data)
    said = run_command(*evaluate)
    assert said.status == 0, said.err
    assert len(said.out.splitlines()) < 60
    assert "Lowest recall (20 of " in said.out
    assert "Most frequent errors (" in said.out
    counts = json.loads(run_command(*evaluate, "--json").out)["confusion"]
    assert np.shape(counts) == (300, 300)
    assert np.sum(counts) == 300
    said = run_command("data", "info", spec, "--data-dir", data)
    assert "300 classes; samples of each: train 2, test 1" in said.out
    assert len(said.out.splitlines()) < 30
