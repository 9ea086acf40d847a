"""`lenetkit train`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
import numpy as np

from lenetkit import checkpoint, model, training
from lenetkit.cli.options import (
    data_dir_option,
    kernels_option,
    plugin_option,
    report,
    set_option,
    threads_option,
)
from lenetkit.cli.progress import ProgressBar, epoch_line
from lenetkit.data.loading import TrainingData, load_training_data, with_fitted_transforms
from lenetkit.errors import InputError, RunError
from lenetkit.network import Network
from lenetkit.plan import Plan, load_plan
from lenetkit.recorder import Recorder
from lenetkit.run import RunFolder
from lenetkit.spec.merge import Override


@click.command(name="train", epilog="Example: lenetkit train specs/lenet5.yaml --epochs 3")
@click.argument("spec", metavar="SPEC", required=False)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training set.")
@set_option
@plugin_option
@data_dir_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run folder; must be new or empty.  [default: runs/NAME/001, 002, …]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of every random draw.")
@click.option(
    "--init-from",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Start from a model file's weights, where layer names and shapes match.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with an interrupted run, or with a finished one and more --epochs; needs no SPEC.",
)
@kernels_option
@threads_option
@click.option("--quiet", is_flag=True, help="No progress; warnings and the result only.")
def command(
    spec: str | None,
    epochs: int | None,
    changes: tuple[str, ...],
    data_dir: Path | None,
    out: Path | None,
    seed: int | None,
    init_from: Path | None,
    resume: Path | None,
    kernels: str | None,
    threads: int | None,
    quiet: bool,
) -> int:
    """Train a network and write a run folder.

    The folder holds the model, a checkpoint, the metrics and the pictures. SPEC is a YAML file or
    the bare name of a shipped spec.
    """
    changed = [Override.from_text(text) for text in changes]
    if seed is not None:
        changed.append(Override.from_option("--seed", "train.seed", seed))
    if kernels is not None:
        changed.append(Override.from_option("--kernels", "kernels", kernels))
    longer = [Override.from_option("--epochs", "train.epochs", epochs)] if epochs else []
    if resume is not None:
        _refuse_with_resume({"--out": out, "--init-from": init_from})
        folder = RunFolder.open(resume)
    elif spec is None:
        raise click.UsageError("Missing argument 'SPEC' (or --resume RUN).")

    plan = load_plan(spec or folder.spec, [*changed, *longer])
    data = load_training_data(plan, data_dir, report)
    plan = with_fitted_transforms(plan, data.pipeline)
    if resume is not None:
        _expect_same_spec(plan, load_plan(folder.spec, longer), folder)
    network = Network(plan, seed=plan.spec.train.seed)
    progress = training.start(network, plan.spec.train)
    if init_from is not None:
        _report_loaded(init_from, *model.load_matching(network, init_from))
    if resume is None:
        folder = RunFolder.create(plan.spec.name, out)
        recorder = Recorder(folder, network, data, progress)
    else:
        best, metadata = checkpoint.restore(folder.checkpoint, network, progress)
        recorder = Recorder(folder, network, data, progress)
        recorder.resume(best, metadata)
        if progress.epoch > plan.spec.train.epochs:
            raise RunError(
                f"{resume}: has done {progress.epoch} epochs already; "
                f"expected --epochs above that, found {plan.spec.train.epochs}"
            )
        if progress.epoch == plan.spec.train.epochs:
            report(f"{resume}: is finished; to train longer, pass --epochs above {progress.epoch}")
    # An overflow needs no warning of its own: a loss that is not finite ends the run with a remedy.
    with network.limited(threads), np.errstate(over="ignore", invalid="ignore"):
        return _train(recorder, quiet)


def _train(recorder: Recorder, quiet: bool) -> int:
    """Run the events through the recorder and the progress bar; returns the exit status."""
    network, data, progress = recorder.network, recorder.data, recorder.progress
    settings = network.plan.spec.train
    if not quiet:
        click.echo(_opening(network, data, recorder.folder), err=True)
    events = training.train(network, data, settings, progress)
    with recorder, ProgressBar(data, settings, progress, quiet) as bar, _interruptible() as stop:
        for event in events:
            recorder.record(event)
            bar.show(event)
            if stop:
                recorder.save_checkpoint()
                break
    resume = f'lenetkit train --resume "{recorder.folder.path}"'
    if stop:
        report(f"\ninterrupted after step {progress.step}, saved; to go on: {resume}")
        return 130
    result = recorder.finish()
    _draw(recorder)
    click.echo(_closing(result, recorder.folder))
    return 0


def _draw(recorder: Recorder) -> None:
    from lenetkit.pictures import draw

    draw(recorder.folder, lambda: recorder.data.test)


@contextmanager
def _interruptible() -> Iterator[list[bool]]:
    """A list that is no longer empty once Ctrl-C was pressed; pressed again, it interrupts."""
    pressed: list[bool] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(True)
        report("\nfinishing this step, then saving; press Ctrl-C again to leave at once")

    previous = signal.signal(signal.SIGINT, on_signal)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, previous)


def _refuse_with_resume(others: dict[str, Any]) -> None:
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(
            f"{', '.join(given)}: does not go with --resume, which continues the run as it is"
        )


def _expect_same_spec(given: Plan, ran: Plan, folder: RunFolder) -> None:
    """Raise RunError where a spec given beside --resume is not the run's."""
    before, after = ran.to_yaml().splitlines(), given.to_yaml().splitlines()
    changed = [f"  - {line.strip()}" for line in before if line not in after]
    changed += [f"  + {line.strip()}" for line in after if line not in before]
    if changed:
        raise RunError(
            "\n".join(
                [f"{folder.path}: was made with another spec (- its own, + given):", *changed]
            )
            + "\n  leave SPEC out to go on with the run's own, or train anew without --resume"
        )


def _report_loaded(path: Path, loaded: list[str], left: list[str]) -> None:
    report(f"{path}: loaded {', '.join(loaded)}")
    if left:
        report(f"  not in it, so initialized anew: {', '.join(left)}")


def _opening(network: Network, data: TrainingData, folder: RunFolder) -> str:
    held_out = f" + {len(data.validation):,} held out" if data.validation else ""
    return (
        f"{network.plan.spec.name}: {network.plan.count():,} parameters → {folder.path}\n"
        f"{data.train.dataset}: {len(data.train):,} training{held_out} + {len(data.test):,} test "
        f"images\n{epoch_line()}"
    )


def _closing(result: dict[str, Any], folder: RunFolder) -> str:
    kept = f" (epoch {result['model_epoch']})" if result["model_epoch"] != result["epochs"] else ""
    return (
        f"{result['name']} on {result['dataset']}{kept}: "
        f"test {result['test_accuracy']:.2%}, train {result['train_accuracy']:.2%}, "
        f"{result['seconds']:.1f} s of training\n{folder.model}"
    )
