"""`lenetkit train`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np

from lenetkit.cli.arguments import MAX_THREADS as MOST_THREADS
from lenetkit.cli.arguments import (
    data_dir_option,
    kernels_option,
    plugin_option,
    set_option,
    threads_option,
)
from lenetkit.cli.output import command_line, report
from lenetkit.cli.progress import ProgressBar, epoch_line
from lenetkit.errors import (
    InputError,
    LenetkitError,
    ModelFileError,
    PluginError,
    RunError,
    SpecError,
    cause,
)
from lenetkit.files import atomic
from lenetkit.model import model
from lenetkit.model.metadata import missing_providers
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, load_plan
from lenetkit.registry.blame import naming_plugins
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.folder import RunFolder
from lenetkit.runs.interrupt import INTERRUPTED, finishing, leaving
from lenetkit.runs.recorder import Recorder
from lenetkit.runs.resume import go_on
from lenetkit.spec.merge import Override
from lenetkit.training import loop
from lenetkit.training.data import TrainingData, load_training_data, with_fitted_transforms
from lenetkit.training.divergence import DivergedError


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
@click.option(
    "--allow-different",
    is_flag=True,
    help="With --resume: go on although spec, data, versions or threads are not the run's.",
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
    allow_different: bool,
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
    if epochs:
        changed.append(Override.from_option("--epochs", "train.epochs", epochs))
    if allow_different and resume is None:
        raise InputError("--allow-different: goes with --resume only")
    if resume is None and spec is None:
        raise click.UsageError("missing argument 'SPEC' (or --resume RUN)")
    with ExitStack() as held:
        # An overflow needs no warning of its own: it ends the run with a remedy.
        held.enter_context(np.errstate(over="ignore", invalid="ignore"))
        if resume is None:
            plan, data = _prepared(load_plan(str(spec), changed), data_dir)
            network = Network(plan, seed=plan.spec.train.seed)
            if init_from is not None:
                _report_loaded(init_from, *model.load_matching(network, init_from))
            folder = RunFolder.create(plan.spec.name, out)
            held.enter_context(folder.owned(report))
            folder.expect_unused()
            held.enter_context(network.limited(threads))
            recorder = Recorder(folder, network, data, loop.start(network, plan.spec.train))
        else:
            _refuse_with_resume({"--out": out, "--init-from": init_from})
            folder = RunFolder.open(resume)
            held.enter_context(folder.owned(report))
            saved = Checkpoint.read(folder.checkpoint)
            if not folder.spec.is_file():
                atomic.write_text(folder.spec, saved.metadata["spec"])
            try:
                planned = load_plan(spec or folder.spec, changed)
            except SpecError as error:
                hint = missing_providers(saved.metadata)
                if not hint:
                    raise
                raise RunError(f"{error}{hint}") from None
            plan, data = _prepared(planned, data_dir)
            network = Network(plan)
            wanted = threads or saved.state.threads
            held.enter_context(network.limited(wanted and min(wanted, MOST_THREADS)))
            recorder = Recorder(folder, network, data, loop.start(network, plan.spec.train))
            differences = go_on(recorder, saved, allow_different=allow_different)
            if differences:
                report("\n  ".join([f"warning: {folder.path}: goes on differently:", *differences]))
            elif recorder.progress.epoch == plan.spec.train.epochs:
                report(
                    f"{folder.path}: is finished; to train longer, pass --epochs above "
                    f"{recorder.progress.epoch}"
                )
        return _train(recorder, quiet, data_dir)


def _prepared(plan: Plan, data_dir: Path | None) -> tuple[Plan, TrainingData]:
    """The data, and the plan with what its transforms learned from them."""
    data = load_training_data(plan, data_dir, report)
    return with_fitted_transforms(plan, data.pipeline), data


def _train(recorder: Recorder, quiet: bool, data_dir: Path | None) -> int:
    """Run the events through the recorder and the progress bar; returns the exit status."""
    network, data, progress = recorder.network, recorder.data, recorder.progress
    settings = network.plan.spec.train
    if not quiet:
        click.echo(_opening(network, data, recorder.folder), err=True)
    events = loop.train(network, data, settings, progress)
    place = ["--data-dir", str(data_dir)] if data_dir else []
    try:
        bar = ProgressBar(data, settings, progress, quiet)
        with naming_plugins(), recorder, bar, finishing() as stop:
            for event in events:
                recorder.record(event)
                bar.show(event)
                if stop and not isinstance(event, loop.EpochBegun):
                    recorder.save()
                    break
        if stop:
            report(f"\ninterrupted after step {progress.step}; {_saved(recorder.folder, place)}")
            return INTERRUPTED
        result = recorder.finish()
        with leaving(lambda: _left(recorder.folder, place)):
            _draw(recorder)
    except KeyboardInterrupt:
        report(_left(recorder.folder, place))
        return INTERRUPTED
    except DivergedError as error:
        way_on = _saved(recorder.folder, [*place, "--allow-different"])
        raise DivergedError(f"{error}\n  {way_on}") from None
    except PluginError as error:
        way_on = _saved(recorder.folder, [*place, "--allow-different"])
        raise LenetkitError(f"{error}; the run stopped\n  {way_on}") from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        why, way_on = error.strerror or cause(error), _saved(recorder.folder, place)
        raise LenetkitError(f"{where}{why}; the run stopped\n  {way_on}") from error
    click.echo(_closing(result, recorder.folder))
    return 0


def _saved(folder: RunFolder, options: list[str]) -> str:
    """What of a run that ended early is saved, and the command that goes on from there."""
    try:
        step = Checkpoint.read(folder.checkpoint).state.step
    except ModelFileError:
        return f"{folder.path}: nothing was saved; train anew"
    way_on = command_line("train", "--resume", str(folder.path), *options)
    return f"{folder.path}: saved is step {step}; to go on: {way_on}"


def _left(folder: RunFolder, options: list[str]) -> str:
    return f"\nleft at once; {_saved(folder, options)}"


def _draw(recorder: Recorder) -> None:
    from lenetkit.runs.pictures import draw

    draw(recorder.folder, lambda: recorder.data.test)


def _refuse_with_resume(others: dict[str, Any]) -> None:
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(
            f"{', '.join(given)}: does not go with --resume, which continues the run as it is"
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
