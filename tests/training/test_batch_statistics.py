"""Batches with one value a channel: no running statistic moves, or the training is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lenetkit
from lenetkit.errors import SpecError
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan
from lenetkit.training.data import TrainingData, load_training_data
from tests.support.specs import small_plan

SINGLE = (
    "layers.conv1.kernel_size=8",  # maps of 1×1
    "layers.pool1=null",
    "layers.norm1={type: batch_norm2d, momentum: 0.9, after: conv1}",
)


@pytest.fixture
def plan() -> Plan:
    return small_plan(*SINGLE)


@pytest.fixture
def data(plan: Plan, make_idx: Callable[..., Path]) -> TrainingData:
    return load_training_data(plan, make_idx(train=12))


def statistics(network: Network) -> list[bytes]:
    names = ("norm1.running_mean", "norm1.running_var")
    return [network.tensors()[name].tobytes() for name in names]


def test_a_last_batch_of_one_moves_no_statistic(plan: Plan, data: TrainingData) -> None:
    network = Network(plan)
    seen = []
    for event in lenetkit.train(network, data, batch_size=11, epochs=3):
        if isinstance(event, lenetkit.StepDone):
            seen.append((event.samples, statistics(network)))
    assert [samples for samples, _ in seen] == [11, 1] * 3
    for (_, full), (_, after) in zip(seen[::2], seen[1::2], strict=True):
        assert after == full
    assert len({bytes(full[1]) for _, full in seen}) == 3


@pytest.mark.parametrize("momentum", [0.1, 1.0])
def test_running_variance_does_not_decay(momentum: float, data: TrainingData) -> None:
    plan = small_plan(*SINGLE, f"layers.norm1.momentum={momentum}")
    network = Network(plan)
    list(lenetkit.train(network, data, batch_size=11, epochs=30))
    assert (network.tensors()["norm1.running_var"] > 1e-3).all()


MESSAGE = (
    r"layers\.norm1: batch_norm2d on 2×1×1 needs training batches of 2 images or more, found 1; "
    r"set train\.batch_size to 2 or more$"
)


def test_batches_of_one_are_refused(plan: Plan, data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=MESSAGE):
        list(lenetkit.train(Network(plan), data, batch_size=1))
    with pytest.raises(SpecError, match=MESSAGE):  # all there is
        list(lenetkit.train(Network(plan), replace(data, train=data.train.take(slice(1)))))


def test_a_run_with_batches_of_one_is_refused_before_its_folder_is_made(
    small: Path, tmp_path: Path
) -> None:
    set_ = dict(change.split("=", 1) for change in SINGLE)
    set_ |= {"layers.pool1": "null", "train.batch_size": "1"}
    with pytest.raises(SpecError, match=MESSAGE):
        lenetkit.Run.create(small, out=tmp_path / "run", set=set_)
    assert not (tmp_path / "run").exists()


def test_batches_of_one_train_where_maps_have_more_values(
    make_idx: Callable[..., Path],
) -> None:
    plan = small_plan("layers.norm1={type: batch_norm2d, after: conv1}")
    network = Network(plan)
    list(lenetkit.train(network, load_training_data(plan, make_idx()), batch_size=1, epochs=1))
    assert np.isfinite(network.params).all()
    assert (network.tensors()["norm1.running_var"] != 1).all()
