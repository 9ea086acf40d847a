"""A resumed run equals one never interrupted: every bit, after every step."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lenetkit.losses import Loss, SecondOrderLoss
from lenetkit.model.model import Model
from lenetkit.network.plan import Plan
from lenetkit.optimizers import Optimizer, SecondOrderOptimizer
from lenetkit.registry.catalog import installed
from lenetkit.runs import resume
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.folder import RunFolder
from lenetkit.runs.recorder import Recorder
from lenetkit.schedules import Schedule
from lenetkit.training import loop
from lenetkit.training.data import TrainingData, load_training_data
from lenetkit.training.draws import Draws
from lenetkit.training.loop import EpochBegun
from tests.support.specs import small_plan

TRANSFORMS = """[
    {type: random_affine, degrees: 10, translate: [0.1, 0.1]},
    {type: elastic, alpha: 2.0, sigma: 2.0},
    scale,
]"""
NORM = "layers.norm1={type: batch_norm2d, after: conv1}"
EVENTS = 3 + 1 + 3 + 1
"""In two epochs with steps of 5, 5 and 2 samples: the steps, and each epoch's end."""


def optimizers() -> dict[str, str]:
    """Every registered optimizer, and the built-in ones with all the state they can have."""
    names = installed().registry(Optimizer).names()
    found = {name: f"{{type: {name}, lr: 0.01}}" for name in names}
    found["sgd with momentum"] = "{type: sgd, lr: 0.01, momentum: 0.9, nesterov: true}"
    found["adam with decay"] = "{type: adam, lr: 0.01, weight_decay: 0.1}"
    return found


OPTIMIZERS = optimizers()


def curved_loss() -> str:
    """A registered loss with second derivatives."""
    losses = installed().registry(Loss)
    names = losses.names()
    return next(n for n in names if issubclass(losses.get(n), SecondOrderLoss))


@dataclass
class Bench:
    """Runs of one spec, each in its own folder."""

    plan: Plan
    data: TrainingData
    folder: Path

    def recorder(self, name: str, seed: int = 0) -> Recorder:
        """A recorder of a run that has not started."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        network = Model(self.plan, seed=seed)
        progress = loop.start(network, self.plan.spec.train)
        return Recorder(RunFolder(path), network, self.data, progress)

    def run(self, recorder: Recorder, events: int = EVENTS) -> Recorder:
        """Train and record this many events, then save as Ctrl-C would."""
        settings, progress = self.plan.spec.train, recorder.progress
        stream = loop.train(recorder.network, self.data, settings, progress)
        with recorder:
            for event in itertools.islice(stream, events):
                recorder.record(event)
                if isinstance(event, EpochBegun):  # comes together with a step
                    recorder.record(next(stream))
            recorder.save()
        return recorder

    def resumed(self, name: str, change: Callable[[Checkpoint], Checkpoint] | None = None) -> str:
        """The digest of the run in a folder after resuming it to its end."""
        recorder = self.recorder(name, seed=1)
        saved = Checkpoint.read(recorder.folder.checkpoint)
        resume.resume(recorder, change(saved) if change else saved, allow_different=False)
        return digest(self.run(recorder).folder)


def digest(folder: RunFolder, *, model: bool = True) -> str:
    """A digest of all that a run leaves except seconds, the specs of earlier parts, and the model
    file if `model` is false."""
    saved = Checkpoint.read(folder.checkpoint)
    total = hashlib.sha256()
    for name in sorted(saved.tensors):
        total.update(name.encode() + saved.tensors[name].tobytes())
    state = replace(saved.state, seconds=0.0, tables={}, parts=[])
    total.update(repr(state).encode())
    total.update(folder.steps.read_bytes())
    metrics = folder.read_metrics()
    del metrics["seconds"]
    total.update(json.dumps(metrics).encode())
    total.update(folder.model.read_bytes() if model else b"")
    return total.hexdigest()


@pytest.fixture
def make_bench(tmp_path: Path, make_idx: Callable[..., Path]) -> Callable[..., Bench]:
    """`make_bench(*changes)` → a bench for the small spec with distortions and these changes."""
    common = ("data.validation=3", f"data.transforms={TRANSFORMS}", "train.schedule=cosine")

    def make(*changes: str) -> Bench:
        plan = small_plan(*common, *changes)
        return Bench(plan, load_training_data(plan, make_idx(train=15)), tmp_path)

    return make


@pytest.fixture(params=OPTIMIZERS)
def bench(request: pytest.FixtureRequest, make_bench: Callable[..., Bench]) -> Bench:
    """A bench for each optimizer; one that needs second derivatives gets layers that have them."""
    name = request.param.split()[0]
    curved = issubclass(installed().registry(Optimizer).get(name), SecondOrderOptimizer)
    optimizer = f"train.optimizer={OPTIMIZERS[request.param]}"
    if curved:
        removed = ("layers.pool1=null", "layers.drop1=null")
        return make_bench(optimizer, *removed, f"loss={curved_loss()}")
    return make_bench(optimizer, NORM)


@pytest.fixture
def adam(make_bench: Callable[..., Bench]) -> Bench:
    """A bench with every kind of randomness."""
    return make_bench(NORM)


def test_the_built_in_optimizers_are_among_those_tried() -> None:
    assert {"sgd", "adam", "sgd with momentum"} <= set(OPTIMIZERS)


def test_resuming_after_every_event_gives_the_same_bits(bench: Bench) -> None:
    whole = digest(bench.run(bench.recorder("whole")).folder)
    for events in range(EVENTS + 1):
        bench.run(bench.recorder(f"{events}"), events)
        assert bench.resumed(f"{events}") == whole, f"interrupted after {events} events"


def test_resuming_repeatedly_gives_the_same_bits(adam: Bench) -> None:
    whole = digest(adam.run(adam.recorder("whole")).folder)
    adam.run(adam.recorder("parts"), 1)
    for _ in range(EVENTS - 1):
        recorder = adam.recorder("parts", seed=2)
        saved = Checkpoint.read(recorder.folder.checkpoint)
        resume.resume(recorder, saved, allow_different=False)
        adam.run(recorder, 1)
    assert digest(RunFolder(adam.folder / "parts")) == whole


def test_a_crash_after_a_checkpoint_drops_the_rows_after_it(adam: Bench) -> None:
    """Rows beyond the checkpoint belong to steps that are repeated."""
    whole = digest(adam.run(adam.recorder("whole")).folder)
    for events in range(EVENTS):
        recorder = adam.run(adam.recorder(f"{events}"), events)
        for table in (recorder.folder.steps, recorder.folder.metrics):
            table.write_text(table.read_text("utf-8") + "99,0.5\n99,", "utf-8")
        assert adam.resumed(f"{events}") == whole


PLATEAU = "{type: reduce_on_plateau, patience: 0, factor: 0.5, threshold: 0.5}"


@pytest.mark.parametrize(
    "schedule",
    [PLATEAU, f"{{type: warmup, epochs: 1, then: {PLATEAU}}}"],
    ids=["alone", "warmed up"],
)
def test_a_schedule_that_judges_held_out_samples_resumes(
    make_bench: Callable[..., Bench], schedule: str
) -> None:
    """Its rates depend on the losses of all epochs before, to the last bit."""
    bench = make_bench(f"train.schedule={schedule}", "train.epochs=4")
    every = 2 * EVENTS
    whole = bench.run(bench.recorder("whole"), every)
    rates = whole.folder.read_metrics()["lr"]
    assert min(rates) < max(rates)
    for events in range(every + 1):
        bench.run(bench.recorder(f"{events}"), events)
        recorder = bench.recorder(f"{events}", seed=1)
        saved = Checkpoint.read(recorder.folder.checkpoint)
        resume.resume(recorder, saved, allow_different=False)
        assert digest(bench.run(recorder, every).folder) == digest(whole.folder), events


def test_a_forgotten_held_out_loss_would_show(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(f"train.schedule={PLATEAU}", "train.epochs=4")
    whole = digest(bench.run(bench.recorder("whole"), 2 * EVENTS).folder)
    bench.run(bench.recorder("broken"), EVENTS)
    recorder = bench.recorder("broken", seed=1)
    saved = Checkpoint.read(recorder.folder.checkpoint)
    assert len(saved.state.validation_losses) == 2
    forgotten = replace(saved.state, validation_losses=[])
    resume.resume(recorder, replace(saved, state=forgotten), allow_different=False)
    assert digest(bench.run(recorder, 2 * EVENTS).folder) != whole


STATE = [
    *("conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias", "fc1.weight", "fc1.bias"),
    *("norm1.running_mean", "norm1.running_var", "optimizer/mean", "optimizer/square"),
]


@pytest.mark.parametrize("left_out", STATE)
def test_leaving_one_tensor_out_would_show(adam: Bench, left_out: str) -> None:
    """The negative control: the digest sees each piece of state."""
    whole = digest(adam.run(adam.recorder("whole")).folder)
    adam.run(adam.recorder("broken"), 2)

    def forget(saved: Checkpoint) -> Checkpoint:
        assert sorted(saved.tensors) == sorted(STATE)
        blank = np.zeros_like(saved.tensors[left_out])
        return replace(saved, tensors=saved.tensors | {left_out: blank})

    assert adam.resumed("broken", forget) != whole
    assert adam.resumed("broken") != whole  # its checkpoint is now the broken run's


def test_a_miscounted_step_would_show(adam: Bench) -> None:
    whole = digest(adam.run(adam.recorder("whole")).folder)
    recorder = adam.run(adam.recorder("broken"), 2)
    table = recorder.folder.steps
    lines = table.read_text("utf-8").splitlines(keepends=True)
    shorter = hashlib.sha256("".join(lines[:2]).encode()).hexdigest()

    def miscount(saved: Checkpoint) -> Checkpoint:
        tables = saved.state.tables | {table.name: shorter}
        return replace(saved, state=replace(saved.state, step=1, tables=tables))

    assert adam.resumed("broken", miscount) != whole


@pytest.mark.parametrize("purpose", ["SHUFFLE", "TRANSFORMS", "LAYERS"])
def test_another_random_stream_would_show(
    adam: Bench, purpose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Order, augmentation and dropout all affect the digest."""
    whole = digest(adam.run(adam.recorder("whole")).folder)
    adam.run(adam.recorder("broken"), 2)
    monkeypatch.setattr(Draws, purpose, 9)
    assert adam.resumed("broken") != whole


def test_more_epochs_give_what_the_longer_run_gives(adam: Bench) -> None:
    def epochs(count: int) -> Plan:
        train: Any = replace(adam.plan.spec.train, epochs=count)
        return replace(adam.plan, spec=replace(adam.plan.spec, train=train))

    constant = installed().registry(Schedule).get("constant")()
    train: Any = replace(adam.plan.spec.train, schedule=constant)
    adam.plan = replace(adam.plan, spec=replace(adam.plan.spec, train=train))
    adam.run(adam.recorder("extended"))
    adam.plan = epochs(4)
    whole = digest(adam.run(adam.recorder("whole"), 2 * EVENTS).folder, model=False)
    recorder = adam.recorder("extended", seed=1)
    saved = Checkpoint.read(recorder.folder.checkpoint)
    assert resume.resume(recorder, saved, allow_different=False) == []
    # a best model from before the extension holds the spec that it was trained with
    assert digest(adam.run(recorder).folder, model=False) == whole
