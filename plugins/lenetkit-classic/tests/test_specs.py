"""The three specs: the papers' counts, the connection table, second derivatives, learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lenetkit_classic.partial_conv2d import PartialConv2d

from lenetkit.authoring import SecondOrderLoss
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, load_plan
from lenetkit.spec.merge import Override
from lenetkit.training.data import load_training_data
from lenetkit.training.loop import EpochBegun, EpochDone, start, train

TABLE_I = "012 123 234 345 450 501 0123 1234 2345 3450 4501 5012 0134 1245 0235 012345"
CONNECTIONS = {
    "C1": 122_304,
    "S2": 5_880,
    "C3": 151_600,
    "S4": 2_000,
    "C5": 48_120,
    "F6": 10_164,
    "output": 840,
}
TRAINED = {"C1": 156, "S2": 12, "C3": 1_516, "S4": 32, "C5": 48_120, "F6": 10_164, "output": 0}


def layers(plan: Plan) -> dict[str, tuple[int, int]]:
    """Trained parameters and connections of every layer that has any."""
    return {
        layer.name: (layer.count(trainable_only=True), layer.cost.connections)
        for layer in plan.layers
        if layer.tensors
    }


def test_lenet5_counts_as_the_paper() -> None:
    plan = load_plan("lenet5-1998")
    assert layers(plan) == {name: (TRAINED[name], CONNECTIONS[name]) for name in TRAINED}
    assert plan.count(trainable_only=True) == 60_000
    assert plan.cost.connections == 340_908


@pytest.mark.parametrize(
    ("name", "parameters", "connections"), [("lenet1", 2_578, 98_442), ("lenet4", 16_998, 258_306)]
)
def test_the_relatives_count_as_their_papers(name: str, parameters: int, connections: int) -> None:
    plan = load_plan(name)
    assert (plan.count(), plan.cost.connections) == (parameters, connections)


def test_c3_follows_table_i() -> None:
    (c3,) = (n.layer for n in load_plan("lenet5-1998").spec.layers if n.name == "C3")
    assert isinstance(c3, PartialConv2d)
    assert ["".join(map(str, inputs)) for inputs in c3.table] == TABLE_I.split()


def test_c5_of_lenet4_has_no_unit_twice_on_the_same_maps_in_other_order() -> None:
    (c5,) = (n.layer for n in load_plan("lenet4").spec.layers if n.name == "C5")
    assert isinstance(c5, PartialConv2d)
    assert sorted(len(inputs) for inputs in c5.table) == [4] * 40 + [5] * 80
    uses = np.bincount([m for inputs in c5.table for m in inputs])
    assert uses.min() >= 30  # every map of S4 is read, none by a few units only


def test_network_gradients_are_numeric() -> None:
    plan = load_plan("lenet5-1998")
    network = Network(plan, seed=1, dtype=np.float64)
    rng, workspace = np.random.default_rng(0), network.workspace(training=True)
    images, labels = rng.uniform(-0.1, 1.175, (1, 1, 32, 32)), np.array([3])

    def loss() -> float:
        outputs = network.forward(images, workspace)
        return float(plan.spec.loss.forward(outputs, labels)[0].mean())

    loss()
    outputs = network.forward(images, workspace)
    network.backward(plan.spec.loss.backward(plan.spec.loss.forward(outputs, labels)[1]), workspace)
    found = network.grads.copy()
    for place in rng.choice(len(found), 40, replace=False):
        value = network.params[place]
        network.params[place] = value + 1e-5
        up = loss()
        network.params[place] = value - 1e-5
        numeric = (up - loss()) / 2e-5
        network.params[place] = value
        assert found[place] == pytest.approx(numeric, rel=1e-4, abs=1e-6)


def test_single_kernels_change_nothing() -> None:
    """The same step of one image with lenetkit's own kernels."""
    found = []
    for kernels in ("numpy_single", "numpy"):
        plan = load_plan("lenet5-1998", [Override.from_text(f"kernels={kernels}")])
        network = Network(plan, seed=1, dtype=np.float64)
        workspace = network.workspace(training=True, fused=False)
        images = np.random.default_rng(0).uniform(-0.1, 1.175, (1, 1, 32, 32))
        outputs = network.forward(images, workspace)
        loss = plan.spec.loss
        assert isinstance(loss, SecondOrderLoss)
        saved = loss.forward(outputs, np.array([3]))[1]
        d2params = network.second_backward(loss.second_backward(saved), workspace)
        outputs = network.forward(images, workspace)
        network.backward(loss.backward(saved), workspace)
        found.append((outputs, network.grads, d2params))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kernel_set", ["numpy_single", "numpy"])
def test_it_learns(kernel_set: str) -> None:
    """400 rendered digits, one by one, three passes: well above chance; the rates are told."""
    changes = ["data.type=synthetic_digits", "train.epochs=3", f"kernels={kernel_set}"]
    plan = load_plan("lenet5-1998", [Override.from_text(change) for change in changes])
    data = load_training_data(plan)
    data = replace(data, train=data.train.take(slice(400)), test=data.test.take(slice(200)))
    settings = plan.spec.train
    network = Network(plan, seed=0)
    events = list(train(network, data, settings, start(network, settings)))
    notes = [event.notes for event in events if isinstance(event, EpochBegun)]
    done = [event for event in events if isinstance(event, EpochDone)]
    assert len(notes) == len(done) == 3
    assert 0 < notes[0]["smallest rate"] < notes[0]["median rate"] < notes[0]["largest rate"]
    assert notes[0]["largest rate"] <= 5e-4 / 0.02
    assert done[-1].train.accuracy > 0.5
    assert done[-1].train.loss < done[0].train.loss
