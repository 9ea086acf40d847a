"""Specs are data: dicts in, dicts out, objects in both, mistakes with their paths."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lenetkit
from lenetkit.cli.main import run as run_command
from lenetkit.errors import PluginError, SpecError
from lenetkit.layers.activations import Tanh
from lenetkit.losses import MeanSquaredError
from lenetkit.optimizers import SGD
from lenetkit.spec.shipped import shipped_specs
from tests.support.specs import SMALL

SPEC: dict[str, Any] = yaml.safe_load(SMALL)
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)


class Own(Tanh):
    """A layer without a registered name."""


@pytest.mark.parametrize("name", [n for n in shipped_specs() if n not in ("lenet1", "lenet4")])
def test_a_spec_comes_back_as_a_dict(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if run_command(["spec", name]) == 2:
        pytest.skip("needs a plugin")
    network = lenetkit.build(name)
    assert network.spec == yaml.safe_load(capsys.readouterr().out)
    again = lenetkit.build(network.spec)
    assert again.plan == network.plan
    assert again.params.tobytes() == network.params.tobytes()


def test_a_dict_extends_a_shipped_spec() -> None:
    spec = {"lenetkit": 1, "name": "mine", "extends": "lenet5", "layers": {"relu1": "tanh"}}
    network = lenetkit.build(spec, {"train.epochs": 2})
    assert network.spec["layers"]["relu1"] == "tanh"
    assert network.spec["train"]["epochs"] == 2
    assert list(network.spec["layers"]) == list(lenetkit.build("lenet5").spec["layers"])


def test_all_mistakes_of_a_dict_have_their_paths() -> None:
    layers = SPEC["layers"] | {"conv1": {"type": "conv2d", "out_channels": 2, "kernel_size": "a"}}
    wrong = {**SPEC, "layers": {**layers, "relu1": Tanh}, "train": {"epoch": 3, "batch_size": 0}}
    with pytest.raises(SpecError) as caught:
        lenetkit.build(wrong)
    said = [(problem.source, problem.line, problem.path) for problem in caught.value.problems]
    paths = ["layers.conv1.kernel_size", "layers.relu1", "train", "train.batch_size"]
    assert said == [("the spec", 0, path) for path in paths]
    assert "for an object, write Tanh(…)" in str(caught.value)
    assert "did you mean 'epochs'?" in str(caught.value)


def test_options_of_all_data_sets_need_no_type() -> None:
    spec = {key: value for key, value in SPEC.items() if key != "data"}
    network = lenetkit.build(spec, {"data.validation": 0.1})
    assert network.spec["data"]["type"] == "mnist"
    assert lenetkit.build({**spec, "data": {"limit": 100}}).spec["data"]["limit"] == 100
    with pytest.raises(SpecError, match=r"^the spec: data: expected a `type`"):
        lenetkit.build({**spec, "data": {"dir": "x"}})


def test_what_is_no_spec_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["layers"] = endless
    with pytest.raises(SpecError, match="nested more than 40 levels deep"):
        lenetkit.build(endless)
    with pytest.raises(TypeError, match=r"^expected a spec: a file, .* or a dict, found int$"):
        lenetkit.build(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["the dict", "the overrides"])
def test_objects_without_a_name_train_predict_and_pickle(where: str, tmp_path: Path) -> None:
    objects = {"layers.relu1": Own(), "train.optimizer": SGD(lr=0.1), "loss": MeanSquaredError()}
    if where == "the dict":
        spec = {**SPEC, "loss": MeanSquaredError(), "layers": {**SPEC["layers"], "relu1": Own()}}
        spec["train"] = {**SPEC["train"], "optimizer": SGD(lr=0.1)}
        network = lenetkit.build(spec)
    else:
        network = lenetkit.build(SPEC, objects)
    network.fit(IMAGES, np.arange(12) % 3)
    twin = pickle.loads(pickle.dumps(network))
    assert twin.plan == network.plan
    np.testing.assert_array_equal(twin.predict(IMAGES), network.predict(IMAGES))
    assert network.spec["layers"]["relu1"] == Own()
    assert network.spec["loss"] == "mean_squared_error"
    assert lenetkit.build(network.spec).plan == network.plan
    with pytest.raises(
        PluginError, match=r"^layers\.relu1: Own is not registered .*'NAME': Own\}$"
    ):
        network.save(tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()
