"""Runs from Python: everything that the command line can do."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit import EpochDone, Run, StepDone
from lenetkit.errors import PluginError, RunError, SpecError
from lenetkit.layers.activations import ReLU
from lenetkit.layers.base import Layer
from lenetkit.layers.linear import Linear
from lenetkit.losses import SoftmaxCrossEntropy
from lenetkit.model import file
from lenetkit.runs import checkpoint
from lenetkit.runs.interrupt import Terminated
from lenetkit.runs.recorder import Recorder
from lenetkit.training import loop


def digest(path: str) -> str:
    return str(lenetkit.load(path).metadata["digest"])


def test_a_run_leaves_the_same_files_as_the_command(small: Path) -> None:
    run = Run.create(small, out="a", set={"train.epochs": 3})
    seen: list[Any] = []
    result = run.train(watch=seen.append)
    assert [type(event) for event in seen] == [*[StepDone] * 3, EpochDone] * 3
    assert result["epochs"] == 3
    assert result == run.result == run.folder.read_result() | {"seconds": result["seconds"]}
    assert len(run.history["test_accuracy"]) == 3
    names = {path.name for path in Path("a").iterdir()}
    assert {"model.safetensors", "checkpoint.safetensors", "loss.png", "mistakes.png"} <= names
    assert "run.lock" not in names
    again = lenetkit.load("a")
    images = run.data.test.images
    np.testing.assert_array_equal(run.network.predict(images), again.predict(images))
    evaluation = again.evaluate(images, run.data.test.labels)
    assert evaluation.accuracy == pytest.approx(result["test_accuracy"])


def test_pictures_may_be_left_out_and_drawn_later(small: Path) -> None:
    run = Run.create(small, out="a")
    run.train(pictures=False)
    assert not list(Path("a").glob("*.png"))
    assert {path.name for path in run.plot()} >= {"loss.png", "accuracy.png"}


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_breaking_out_of_the_loop_saves_and_resuming_gives_the_same_bits(
    small: Path, steps: int
) -> None:
    Run.create(small, out="whole").train(pictures=False)
    for event in Run.create(small, out="part").events():
        if isinstance(event, StepDone) and event.step == steps:
            break
    run = Run.resume("part")
    assert run.progress.step == steps
    assert not run.is_finished
    for _ in run.events():
        pass
    assert run.is_finished
    assert digest("part") == digest("whole")
    assert Path("part/steps.csv").read_bytes() == Path("whole/steps.csv").read_bytes()


def test_ctrl_c_finishes_the_step_saves_and_interrupts(small: Path) -> None:
    def press(event: Any) -> None:
        if isinstance(event, StepDone) and event.step == 2:
            signal.raise_signal(signal.SIGINT)

    run = Run.create(small, out="a")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored
    try:
        with pytest.raises(KeyboardInterrupt, match="interrupted after step 2"):
            run.train(watch=press)
    finally:
        signal.signal(signal.SIGINT, before)
    assert Run.resume("a").progress.step == 2


MOMENTS = {
    "the first checkpoint is written": (checkpoint, "save", 0),
    "the first step is computed": (SoftmaxCrossEntropy, "forward", 0),
    "an epoch is evaluated": (loop, "evaluate", 3),
    "an epoch's model is written": (file, "save", 3),
    "the result is written": (Recorder, "finish", 6),
}


@pytest.mark.parametrize("name", [n for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n)])
@pytest.mark.parametrize(("where", "what", "step"), MOMENTS.values(), ids=MOMENTS)
def test_a_signal_ends_a_run_soon_and_loses_no_step(
    small: Path, monkeypatch: pytest.MonkeyPatch, name: str, where: Any, what: str, step: int
) -> None:
    number, real, calls = signal.Signals[name], getattr(where, what), []

    def press(*given: Any, **options: Any) -> Any:
        calls.append(True)
        signal.raise_signal(number)
        return real(*given, **options)

    Run.create(small, out="whole").train(pictures=False)
    run = Run.create(small, out="a")
    with monkeypatch.context() as patch:
        patch.setattr(where, what, press)
        with pytest.raises(Terminated, match=f"after step {step}$") as caught:
            run.train()
    assert (caught.value.code, run.saved_step, len(calls)) == (128 + number, step, 1)
    assert signal.getsignal(number) is signal.SIG_DFL
    resumed = Run.resume("a")
    assert resumed.progress.step == step
    resumed.train(pictures=False)
    assert digest("a") == digest("whole")
    assert Path("a/steps.csv").read_bytes() == Path("whole/steps.csv").read_bytes()
    assert {p.name for p in Path("a").iterdir()} == {p.name for p in Path("whole").iterdir()}


def test_an_error_in_the_users_loop_saves_too(small: Path) -> None:
    def fail(event: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as kept:  # with its traceback, as notebooks keep it
        Run.create(small, out="a").train(watch=fail)
    with pytest.raises(ZeroDivisionError) as kept_too, Run.resume("a") as run:  # noqa: PT012
        events = run.events()  # still referred to afterwards: leaving the block must end it
        for _ in events:
            raise ZeroDivisionError
    assert Run.resume("a").progress.step == 2
    assert kept.tb
    assert kept_too.tb


def test_a_run_trains_once(small: Path) -> None:
    """Two generators would share one network, and a closed run no longer has its folder's lock."""
    run = Run.create(small, out="a")
    assert run.history["test_accuracy"] == []
    events = run.events()
    next(events)
    words = r'a: this run has been trained or closed; to continue, Run.resume\("a"\)'
    with pytest.raises(RunError, match=words):
        run.events()
    assert sum(isinstance(event, EpochDone) for event in events) == 2
    with pytest.raises(RunError, match=words):
        run.train()
    assert len(run.history["test_accuracy"]) == 2
    closed = Run.create(small, out="b")
    closed.close()
    with pytest.raises(RunError, match="b: this run has been trained or closed"):
        closed.train()


@pytest.mark.parametrize("wrong", ["train.epochs=3", ["train.epochs=3"], [3]])
def test_changes_of_the_wrong_type_are_refused(small: Path, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r'expected changes such as {"train.epochs": 3}, found'):
        Run.create(small, out="a", set=wrong)


def test_a_folder_has_one_run_at_a_time(small: Path) -> None:
    events = Run.create(small, out="a").events()
    next(events)
    with pytest.raises(RunError, match="is writing this run"):
        Run.resume("a")
    for _ in events:
        pass
    assert Run.resume("a").is_finished


def test_a_closed_run_releases_its_folder(small: Path) -> None:
    with Run.create(small, out="a") as run:
        next(events := run.events())
        events.close()
    assert Run.resume("a").progress.step == 1


def test_differences_are_refused_or_reported(small: Path) -> None:
    Run.create(small, out="a").train(pictures=False)
    with pytest.raises(RunError, match=r"cannot resume.*\n  spec train.seed: was 0, is 1\n"):
        Run.resume("a", set={"train.seed": 1})
    changes = {"train.seed": 1, "train.epochs": 3}
    run = Run.resume("a", set=changes, allow_different=True, report=print)
    assert run.differences == ["spec train.seed: was 0, is 1"]
    run.close()


def test_mistakes_are_found_before_a_folder_is_made(small: Path) -> None:
    with pytest.raises(SpecError, match=r"override train.epoch.*did you mean 'epochs'"):
        Run.create(small, out="a", set={"train.epoch": 3})
    assert not Path("a").exists()


def test_notes_are_warnings(small: Path) -> None:
    Run.create(small, out="a").train(pictures=False)
    with pytest.warns(UserWarning, match="loaded conv1.weight, conv1.bias, fc1.weight"):
        Run.create(small, out="b", init_from="a").close()
    told: list[str] = []
    Run.create(small, out="c", init_from="a", report=told.append).close()
    assert told == ["a: loaded conv1.weight, conv1.bias, fc1.weight, fc1.bias"]


def test_lenetkits_own_errors_are_blamed_on_no_plugin(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Layer, *arguments: Any) -> Any:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(Linear, "forward", fail)  # lenetkit's own, so nobody else is blamed
    with pytest.raises(ZeroDivisionError):
        Run.create(small, out="a").train()


class Unregistered(ReLU):
    """A layer that no spec can name."""


def test_what_cannot_be_recorded_is_refused_before_the_folder_is_made(small: Path) -> None:
    said = r"^layers\.relu1: Unregistered is not registered in lenetkit\.layers; "
    with pytest.raises(PluginError, match=said):
        Run.create(small, out="a", set={"layers.relu1": Unregistered()})
    assert not Path("a").exists()
