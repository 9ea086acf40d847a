"""What a network was trained on is what `predict`, `probabilities` and `evaluate` take."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lenetkit
from lenetkit.cli.main import run as run_command
from lenetkit.data.idx import read_idx, write_idx
from lenetkit.data.pipeline import Pipeline
from lenetkit.errors import ArrayError, DataError, ModelFileError
from lenetkit.files import tensorfile
from lenetkit.model.model import Model
from lenetkit.training.data import TrainingData, load_training_data
from tests.support.specs import small_plan

Array = NDArray[Any]


@pytest.fixture
def images(make_idx: Callable[..., Path]) -> Array:
    return read_idx(make_idx("bytes") / "train-images-idx3-ubyte")


def binary(folder: Path) -> Path:
    """The folder with black and white images, of the bytes 0 and 1."""
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
        write_idx(folder / name, (read_idx(folder / name) > 127).astype(np.uint8))
    return folder


def test_a_network_takes_what_it_was_trained_on(
    make_idx: Callable[..., Path], images: Array, tmp_path: Path
) -> None:
    """Files of 0 and 1 train as those of 0 and 255 do, and are what the network then takes."""
    plan = small_plan("layers.drop1=null")
    unit, full = Model(plan), Model(plan)
    data = load_training_data(plan, binary(make_idx()))
    list(lenetkit.train(unit, data))
    bright = [replace(s, images=s.images * np.uint8(255)) for s in (data.train, data.test)]
    pipeline = Pipeline(plan.spec.data.options.transforms, 3)
    list(lenetkit.train(full, TrainingData(bright[0], bright[1], None, pipeline, "resize")))
    unit.save(tmp_path / "unit.safetensors")
    expected = full.probabilities(images)
    for network in (unit, lenetkit.load(tmp_path / "unit.safetensors")):
        np.testing.assert_allclose(network.probabilities(images / 255), expected, atol=1e-3)
        np.testing.assert_allclose(network.read(images[:, None]), expected, atol=1e-3)
        with pytest.raises(ValueError, match=r"from 0 to 1, as in training, .*; divide by 255$"):
            network.predict(images)
        assert network.predict(images > 127).shape == (12,)
    with pytest.raises(ValueError, match=r"from 0 to 255, as stored, .*; multiply by 255$"):
        full.predict(images / 255)


def test_evaluate_compares_the_scale_of_files(
    make_idx: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Model(small_plan())
    list(lenetkit.train(network, data_dir=make_idx("digits")))
    network.save(tmp_path / "m.safetensors")
    arguments = ["evaluate", str(tmp_path / "m.safetensors"), "--data-dir"]
    assert run_command([*arguments, str(binary(make_idx("unit")))]) == 2
    assert "stripes: test images: expected pixels from 0 to 255" in capsys.readouterr().err


def test_training_goes_on_with_the_same_scale_only(make_idx: Callable[..., Path]) -> None:
    folder = make_idx()
    network = Model(small_plan())
    list(lenetkit.train(network, data_dir=folder))
    message = r"^stripes: training images: expected pixels from 0 to 255"
    with pytest.raises(ArrayError, match=message):
        list(lenetkit.train(network, data_dir=binary(folder)))


def test_all_parts_of_the_data_are_on_one_scale(make_idx: Callable[..., Path]) -> None:
    data = load_training_data(small_plan(), make_idx())
    unit = replace(data.test, images=(data.test.images / 255).astype(np.float32))
    for part in ("train", "test", "validation"):
        with pytest.raises(ArrayError) as caught:
            replace(data, **{part: unit})  # type: ignore[arg-type]
        assert "multiply by 255" in str(caught.value)
        assert isinstance(caught.value, DataError)


def test_what_transforms_learned_is_kept_by_train(make_idx: Callable[..., Path]) -> None:
    network = Model(small_plan("data.transforms=[standardize]"))
    folder = make_idx()
    list(lenetkit.train(network, data_dir=folder))
    data: TrainingData = load_training_data(network.plan, folder)
    *_, last = lenetkit.train(Model(network.plan), data, epochs=1)
    assert isinstance(last, lenetkit.EpochDone)
    network.predict(data.test.images)


def test_blank_arrays_are_read(images: Array) -> None:
    network = Model(small_plan())
    expected = network.probabilities(np.zeros((1, 8, 8), np.uint8))
    for kind in ("f4", "f8", "?", "i1", "i8", "u2"):
        found = network.probabilities(np.zeros((1, 8, 8), kind))
        np.testing.assert_array_equal(found, expected)


def test_no_images() -> None:
    network = Model(small_plan())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing: list[Any] = [[], np.zeros((0, 8, 8))]
        for none in nothing:
            assert network.probabilities(none).shape == (0, 3)
            assert network.predict(none).shape == (0,)
            result = network.evaluate(none, [])
            assert result.n == 0
            assert np.isnan([result.accuracy, result.loss]).all()
            assert result.confusion.shape == (3, 3)


def test_evaluate_refuses_other_labels(images: Array) -> None:
    network = Model(small_plan())
    right = network.evaluate(images, np.arange(12) % 3)
    assert right.n == 12
    assert network.evaluate(images, (np.arange(12.0) % 3)[:, None]).loss == right.loss
    assert network.evaluate(images, np.eye(3)[np.arange(12) % 3]).loss == right.loss
    for wrong in (np.arange(11), np.arange(12), np.eye(4)[np.arange(12) % 3], ["a"] * 12):
        with pytest.raises(ArrayError, match=r"^expected 12 labels|is no class|^found label rows"):
            network.evaluate(images, wrong)


@pytest.mark.parametrize("pixels", ["[1]", "{}", "[1, 0]", "[0, NaN]", "[0, true]", "x"])
def test_a_damaged_range_is_named(pixels: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    Model(small_plan()).save(path)
    tensors, metadata = tensorfile.read(path)
    tensorfile.write(path, tensors, {**metadata, "pixels": pixels})
    with pytest.raises(ModelFileError, match="pixels: expected two numbers, low and high, found"):
        lenetkit.load(path)


def test_evaluations_and_networks_say_what_they_are(images: Array) -> None:
    network = Model(small_plan())
    assert repr(network) == "<Model small: input 1×8×8, 77 parameters, float32>"
    said = repr(network.evaluate(images, np.zeros(12, int)))
    assert said.startswith("<Evaluation of 12 samples: accuracy ")
