"""An observer sees every stage of every pass, and changes no bit of what is computed."""

from __future__ import annotations

import numpy as np
import pytest

from lenetkit.arrays import Array
from lenetkit.diagnosis.microscope import Microscope
from lenetkit.diagnosis.skill import Judge
from lenetkit.diagnosis.static import PlanLook
from lenetkit.diagnosis.subject import Subject
from lenetkit.diagnosis.watch import Watch
from lenetkit.kernels.base import Kernels
from lenetkit.network.network import Network
from lenetkit.network.observer import Observer
from lenetkit.network.stage import Stage
from lenetkit.registry.catalog import installed
from lenetkit.training import loop
from tests.support.ill import CLASSES, SPEC, subject

CONV = {
    **SPEC,
    "layers": {
        "conv1": {"type": "conv2d", "out_channels": 4, "kernel_size": 3},
        "norm": "batch_norm2d",
        "relu1": "relu",
        "pool1": {"type": "max_pool2d", "kernel_size": 2},
        "drop": {"type": "dropout", "p": 0.3},
        "fc1": {"type": "linear", "out_features": CLASSES},
    },
}
STEPS = 12


class Diary(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def forward_begins(self, x: Array) -> None:
        self.lines.append(f"in {x.shape}")

    def forward_done(self, stage: Stage, y: Array) -> None:
        self.lines.append(f"{stage.name} {y.shape}")

    def backward_begins(self, dy: Array) -> None:
        self.lines.append(f"back {dy.shape}")

    def backward_done(self, stage: Stage, dx: Array | None) -> None:
        self.lines.append(f"{stage.name} {None if dx is None else dx.shape}")


def test_every_stage_is_told_in_order() -> None:
    plan = subject(spec=CONV).plan
    network, diary = Network(plan), Diary()
    workspace = network.workspace(training=True, fused=False, observer=diary)
    network.forward(np.zeros((2, 1, 8, 8), np.float32), workspace)
    network.backward(np.zeros((2, CLASSES), np.float32), workspace)
    names = [layer.name for layer in plan.layers]
    told = [line.split()[0] for line in diary.lines]
    assert told == ["in", *names, "back", *reversed(names)]
    assert diary.lines[1] == "conv1 (2, 4, 6, 6)"
    assert diary.lines[-1] == "conv1 None"


def kernel_sets() -> list[str]:
    registry = installed().registry(Kernels)
    return [entry.name for entry in registry.entries() if not entry.unusable]


@pytest.mark.parametrize("kernels", kernel_sets())
def test_watching_changes_no_bit_of_training(kernels: str) -> None:
    one = subject(f"kernels={kernels}", spec=CONV)
    settings = one.plan.spec.train
    plain = Network(one.plan, seed=settings.seed)
    trainer = loop.Trainer(plain, one.data, settings, loop.start(plain, settings))
    steps = trainer.all_steps()
    for _ in range(STEPS):
        next(steps)
    for watched in (_observed(one), _looked_at(one)):
        for name, values in plain.tensors().items():
            np.testing.assert_array_equal(watched.tensors()[name], values, strict=True)


def _observed(one: Subject) -> Network:
    settings = one.plan.spec.train
    network = Network(one.plan, seed=settings.seed)
    trainer = loop.Trainer(network, one.data, settings, loop.start(network, settings), Diary())
    steps = trainer.all_steps()
    for _ in range(STEPS):
        next(steps)
    return network


def _looked_at(one: Subject) -> Network:
    microscope = Microscope(one, PlanLook(one.plan).functions.activations)
    watch = Watch(one, Judge(one), microscope)
    return watch.run(STEPS).network
