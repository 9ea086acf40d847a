"""`train.average`, `train.patience` and `train.clip_norm` in runs: what is kept, and resuming."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lenetkit.errors import SpecError
from lenetkit.model.model import load
from lenetkit.network.network import Network
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.interrupt import Terminated
from lenetkit.runs.run import Run
from lenetkit.spec.merge import Override
from lenetkit.training import evaluation, loop
from lenetkit.training.loop import EpochDone, Progress, StepDone, start
from tests.support.small_run import outcome, write_inputs
from tests.support.specs import small_plan

ALL = ("train.average=0.9", "train.patience=2", "train.clip_norm=0.5", "train.epochs=9")
FROZEN = "layers.conv1.trainable=false"


def create(folder: Path, name: str, *changes: str) -> Run:
    spec, data = write_inputs(folder)
    texts = [Override.from_text(change) for change in changes]
    return Run.create(spec, out=folder / name, set=texts, data_dir=data)


def finish(
    folder: Path, name: str, allow_different: bool = False, changes: Sequence[str] = ()
) -> Run:
    texts = [Override.from_text(change) for change in changes]
    run = Run.resume(
        folder / name, set=texts, data_dir=folder / "data", allow_different=allow_different
    )
    run.train(pictures=False)
    return run


def test_a_run_ends_when_patience_does_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    run = create(tmp_path, "a", *ALL)
    result = run.train(pictures=False)
    accuracies = run.history["validation_accuracy"]
    best = int(np.argmax(accuracies))
    assert run.is_finished
    assert len(accuracies) == best + 1 + 2 < 9
    assert result["model_epoch"] == best + 1
    assert result["epochs"] == len(accuracies)


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = create(tmp_path, "whole", *ALL, FROZEN)
    events = sum(1 for _ in whole.events())
    expected = outcome(tmp_path / "whole")
    assert events > 10
    for count in range(1, events, 4):
        name = f"stopped-{count}"
        run = create(tmp_path, name, *ALL, FROZEN)
        for _ in islice(run.events(), count):
            pass
        run.close()
        resumed = finish(tmp_path, name)
        assert outcome(tmp_path / name) == expected, f"stopped after {count} events"
        np.testing.assert_array_equal(resumed.network.params, whole.network.params)


def test_a_run_that_ended_early_has_nothing_left_to_do(tmp_path: Path) -> None:
    create(tmp_path, "a", *ALL).train(pictures=False)
    expected = outcome(tmp_path / "a")
    assert finish(tmp_path, "a").is_finished
    assert outcome(tmp_path / "a") == expected


def test_more_epochs_change_nothing_for_a_run_that_patience_ended(tmp_path: Path) -> None:
    create(tmp_path, "a", *ALL).train(pictures=False)
    before = outcome(tmp_path / "a")["metrics"]
    run = finish(tmp_path, "a", changes=["train.epochs=20"])
    assert run.is_finished
    assert not run.differences
    assert outcome(tmp_path / "a")["metrics"] == before


def test_an_option_that_is_left_out_is_one_difference(tmp_path: Path) -> None:
    create(tmp_path, "a", "train.average=0.9", "train.shuffle=true").train(pictures=False)
    changes = ["train.average=null", "train.shuffle=false"]
    run = finish(tmp_path, "a", allow_different=True, changes=changes)
    assert run.differences == [
        "spec train.shuffle: was true, is false",
        "spec train.average: was 0.9, is absent",
    ]


def test_more_patience_goes_on(tmp_path: Path) -> None:
    create(tmp_path, "a", *ALL).train(pictures=False)
    before = outcome(tmp_path / "a")["metrics"]
    run = finish(tmp_path, "a", allow_different=True, changes=["train.patience=4"])
    after = outcome(tmp_path / "a")["metrics"]
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert any("patience" in line for line in run.differences)


def test_the_average_is_evaluated_and_saved_and_the_checkpoint_holds_both(tmp_path: Path) -> None:
    run = create(tmp_path, "a", "train.average=0.9", "data.validation=0", "layers.norm1=null")
    for event in run.events():
        if isinstance(event, EpochDone) and event.epoch == 2:
            weights = run.network.params.copy()
            saved = Checkpoint.read(run.folder.checkpoint)
            model = load(run.folder.model)
            np.testing.assert_array_equal(model.params, saved.tensors["average"])
            assert not np.array_equal(model.params, weights)
            data = run.data.test
            judged = model.evaluate(data.images, data.labels)
            assert (judged.loss, judged.accuracy) == (event.test.loss, event.test.accuracy)
            flat = [saved.tensors[name].ravel() for name in run.network.tensors()]
            np.testing.assert_array_equal(np.concatenate(flat), weights)
    np.testing.assert_array_equal(run.network.params, load(run.folder.model).params)


def test_the_average_is_the_mean_that_is_documented(tmp_path: Path) -> None:
    run = create(tmp_path, "a", "train.average=0.7")
    mean = run.network.params.astype(np.float64)
    for event in run.events():
        if isinstance(event, StepDone):
            decay = min(0.7, (1 + event.step) / (10 + event.step))
            mean += (1 - decay) * (run.network.params - mean)
    np.testing.assert_allclose(run.network.params, mean, rtol=1e-5, atol=1e-6)


def test_averaging_changes_no_step(tmp_path: Path) -> None:
    for name, changes in (("a", ()), ("b", ("train.average=0.9",))):
        create(tmp_path, name, *changes).train(pictures=False)
    steps = [(tmp_path / name / "steps.csv").read_bytes() for name in "ab"]
    assert steps[0] == steps[1]


def test_an_average_may_begin_in_a_run_that_had_none(tmp_path: Path) -> None:
    """It then starts from the weights at that point."""
    run = create(tmp_path, "a")
    for _ in islice(run.events(), 5):
        pass
    run.close()
    begun = run.network.params.copy()
    changes = ["train.average=0.1", "train.optimizer.lr=0", "train.schedule=constant"]
    run = finish(tmp_path, "a", allow_different=True, changes=changes)
    np.testing.assert_array_equal(run.network.params, begun)


def test_patience_without_held_out_samples_is_refused_before_the_data_are_read(
    tmp_path: Path,
) -> None:
    spec, _ = write_inputs(tmp_path)
    texts = [Override.from_text(t) for t in ("train.patience=3", "data.validation=0")]
    with pytest.raises(
        SpecError,
        match=r"train\.patience: it judges held-out samples, .* such as data\.validation: 0\.1",
    ):
        Run.create(spec, out=tmp_path / "a", set=texts, data_dir=tmp_path / "missing")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("held_out", "patience", "over"),
    [
        ([], 1, False),
        ([0.5], 1, False),
        ([0.5, 0.5], 1, True),
        ([0.5, 0.6], 1, False),
        ([0.5, 0.6, 0.6, 0.4], 2, True),
        ([0.5, 0.6, 0.6, 0.4], 3, False),
        ([0.9, 0.1, 0.1, 0.1], None, False),
    ],
)
def test_patience_counts_epochs_since_the_best(
    held_out: list[float], patience: int | None, over: bool
) -> None:
    changes = [f"train.patience={patience}", "data.validation=3"] if patience else []
    plan = small_plan("train.epochs=9", *changes)
    progress: Progress = start(Network(plan), plan.spec.train)
    progress.validation_merits, progress.epoch = held_out, len(held_out)
    assert progress.is_over(plan.spec.train) is over


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_signal_while_the_average_is_evaluated_saves_the_weights_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path, "whole", *ALL).train(pictures=False)
    run, real = create(tmp_path, "a", *ALL), evaluation.evaluate

    def press(*given: Any) -> Any:
        signal.raise_signal(signal.SIGHUP)
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "evaluate", press)
        with pytest.raises(Terminated, match=r"after step 3$"):
            run.train(pictures=False)
    finish(tmp_path, "a")
    assert outcome(tmp_path / "a") == outcome(tmp_path / "whole")
