"""Copies of networks train as the original does, and share nothing with it."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
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


def test_a_network_reaches_another_process(tmp_path: Path) -> None:
    network = Model(PLAN)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        answers = pool.apply(network.predict, (np.zeros((3, 8, 8), np.uint8),))
    assert answers.tolist() == network.predict(np.zeros((3, 8, 8), np.uint8)).tolist()
