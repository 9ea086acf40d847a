"""Copies of networks train as the original does, and share nothing with it."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit.layers.activations import Tanh
from lenetkit.model.model import Model
from lenetkit.network.network import Network
from lenetkit.training.data import TrainingData, load_training_data
from tests.support.specs import small_plan

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy.deepcopy": copy.deepcopy,
    "copy.copy": copy.copy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "a copy of a copy": lambda thing: copy.deepcopy(pickle.loads(pickle.dumps(thing, 2))),
}
DEEP = [name for name in COPIES if name != "copy.copy"]
PLAN = small_plan("layers.norm1={type: batch_norm2d, after: conv1}")


@pytest.fixture
def data(make_idx: Callable[..., Path]) -> TrainingData:
    return load_training_data(PLAN, make_idx())


def trained(network: Network, data: TrainingData) -> bytes:
    """The bits of everything that training changes."""
    list(lenetkit.train(network, data))
    return b"".join(view.tobytes() for view in network.tensors().values())


@pytest.mark.parametrize("kind", [Network, Model])
@pytest.mark.parametrize("how", COPIES)
def test_a_copy_trains_to_the_same_bits(how: str, kind: type[Network], data: TrainingData) -> None:
    expected = trained(kind(PLAN), data)
    assert trained(COPIES[how](kind(PLAN)), data) == expected


@pytest.mark.parametrize("how", DEEP)
def test_a_copy_of_a_trained_network_goes_on_alike(how: str, data: TrainingData) -> None:
    original = Model(PLAN)
    trained(original, data)
    twin = COPIES[how](original)
    assert trained(twin, data) == trained(original, data)


@pytest.mark.parametrize("how", DEEP)
def test_a_copy_shares_no_memory(how: str) -> None:
    original = Model(PLAN)
    twin = COPIES[how](original)
    mine, theirs = original.tensors(), twin.tensors()
    twin.params += 1
    twin.grads[:] = 7
    theirs["norm1.running_mean"] += 1
    assert all((twin.gradients()[name] == 7).all() for name in twin.gradients())
    for name, values in theirs.items():
        assert not np.shares_memory(values, mine[name])
        assert name == "norm1.running_var" or (values != mine[name]).all()


def test_a_copied_workspace_belongs_to_the_copied_network() -> None:
    network = Model(PLAN)
    both = {"network": network, "pass": network.workspace(training=True)}
    for how in DEEP:
        twin = COPIES[how](both)
        twin["network"].params[:] = 0
        outputs = twin["network"].forward(np.ones((2, 1, 8, 8), np.float32), twin["pass"])
        assert (outputs == 0).all(), how
    assert network.params.any()


def test_a_network_may_hold_its_workspace() -> None:
    network = Model(PLAN)
    network.kept = network.workspace(training=False)  # type: ignore[attr-defined]
    twin = copy.deepcopy(network)
    assert twin.kept.network is twin  # type: ignore[attr-defined]
    assert len(twin.kept.stages) == len(network.kept.stages)  # type: ignore[attr-defined]


def fitted(network: Model, images: Any, labels: list[str]) -> Model:
    """The network after two epochs; run in another process, too."""
    return network.fit(images, labels, epochs=2)


def test_a_network_goes_on_in_other_processes_to_the_same_bits() -> None:
    """To a worker, back, and on: weights, running means, labels and history."""
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)
    labels = ["cat", "dog", "emu"] * 4
    original = fitted(fitted(Model(PLAN), images, labels), images, labels)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        returned = pool.apply(fitted, (Model(PLAN), images, labels))
    returned = fitted(returned, images, labels)
    for name, values in original.tensors().items():
        assert returned.tensors()[name].tobytes() == values.tobytes()
    assert returned.predict(images).tolist() == original.predict(images).tolist()
    assert [row["epoch"] for row in returned.history] == [1, 2, 3, 4]


PLUGIN = """
from dataclasses import dataclass
import numpy as np
from lenetkit.authoring import Elementwise

@dataclass(frozen=True, kw_only=True)
class Softsign(Elementwise):
    def function(self, x, out):
        return x / (1 + np.abs(x))

    def derivative(self, x, y):
        return 1 / (1 + np.abs(x)) ** 2

PLUGINS = {"soft": Softsign}
"""


def test_a_network_with_a_plugin_file_reaches_another_process(tmp_path: Path) -> None:
    (tmp_path / "soft.py").write_text(PLUGIN, "utf-8")
    plugins = [tmp_path / "soft.py"]
    network = lenetkit.build(network_spec(), plugins=plugins)
    (tmp_path / "n.pickle").write_bytes(pickle.dumps(network))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).spec['layers']['relu1'])"
    command = [sys.executable, "-c", code, str(tmp_path / "n.pickle")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "soft\n"
    (tmp_path / "soft.py").unlink()
    assert copy.deepcopy(network).spec == network.spec


@dataclass(frozen=True, kw_only=True)
class Halved(Tanh):
    """A layer that programs give by `plugins=`."""


def respelt(network: Model, path: Path) -> Any:
    """What another process makes of a network's spec and file."""
    network.save(path)
    return lenetkit.load(path).spec["layers"]["relu1"], lenetkit.build(network.spec).spec


def test_a_network_with_a_named_class_reaches_another_process(tmp_path: Path) -> None:
    spec = {**network_spec(), "layers": {**network_spec()["layers"], "relu1": "halved"}}
    network = lenetkit.build(spec, plugins={"halved": Halved})
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answer = pool.apply(respelt, (network, tmp_path / "m.safetensors"))
    assert answer == ("halved", network.spec)


def network_spec() -> dict[str, Any]:
    """The spec with the plugin's layer."""
    spec = Model(PLAN).spec
    return {**spec, "layers": {**spec["layers"], "relu1": "soft"}}


def test_a_network_reaches_another_process(tmp_path: Path) -> None:
    network = Model(PLAN)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        answers = pool.apply(network.predict, (np.zeros((3, 8, 8), np.uint8),))
    assert answers.tolist() == network.predict(np.zeros((3, 8, 8), np.uint8)).tolist()
