"""`lenetkit train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lenetkit.cli.arguments import (
    PATH,
    SHORT,
    data_dir_option,
    kernels_option,
    plugin_option,
    set_options,
    threads_option,
)
from lenetkit.cli.output import command_line, echo, paragraphs, report
from lenetkit.cli.progress import EpochTable, ProgressBar
from lenetkit.errors import (
    InputError,
    LenetkitError,
    ModelFileError,
    PluginError,
    RunError,
    cause,
)
from lenetkit.registry.catalog import naming_plugins
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.folder import RunFolder
from lenetkit.runs.interrupt import INTERRUPTED, leaving
from lenetkit.runs.run import Run
from lenetkit.spec.merge import Override
from lenetkit.text import percent, printable
from lenetkit.training.calls import warn_of_unused_rate
from lenetkit.training.divergence import DivergedError


@click.command(name="train", epilog="Example: lenetkit train specs/lenet5.yaml --epochs 3")
@click.argument("spec", metavar="SPEC", required=False)
@set_options(*SHORT)
@plugin_option
@data_dir_option
@click.option(
    "--out",
    type=PATH,
    metavar="DIR",
    help="The run folder; must be new or empty.  [default: runs/NAME/001, 002, …]",
)
@click.option(
    "--init-from",
    type=PATH,
    metavar="MODEL",
    help="Start from a model file's weights, where layer names and shapes match.",
)
@click.option(
    "--resume",
    type=PATH,
    metavar="RUN",
    help="Resume an interrupted run, or a finished one with more --epochs; needs no SPEC.",
)
@click.option(
    "--allow-different",
    is_flag=True,
    help="With --resume: resume even if spec, data, versions or threads are not the run's.",
)
@kernels_option
@threads_option
@click.option("--quiet", is_flag=True, help="No progress; warnings and the result only.")
def command(
    spec: str | None,
    changes: Sequence[Override],
    data_dir: Path | None,
    out: Path | None,
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
    changed = list(changes)
    if kernels is not None:
        changed.append(Override.from_option("--kernels", "kernels", kernels))
    shared: dict[str, Any] = {"set": changed, "data_dir": data_dir, "threads": threads}
    if resume is not None:
        _refuse_with_resume({"--out": out, "--init-from": init_from})
        run = Run.resume(
            resume, spec=spec, allow_different=allow_different, report=report, **shared
        )
        _report_resumed(run)
    elif allow_different:
        raise InputError("--allow-different: goes with --resume only")
    elif spec is None:
        raise click.UsageError("missing argument 'SPEC' (or --resume RUN)")
    else:
        run = Run.create(spec, out=out, init_from=init_from, report=report, **shared)
    with run:
        with naming_plugins():
            warn_of_unused_rate(run.network.plan, changed, report)
        return _train(run, quiet, ["--data-dir", str(data_dir)] if data_dir else [])


def _train(run: Run, quiet: bool, options: Sequence[str]) -> int:
    """Train with a progress bar; returns the exit status."""
    if not quiet:
        echo(_opening(run), err=True)
    try:
        with ProgressBar(run, quiet) as bar:
            result = run.train(watch=bar.show, pictures=False)
        with leaving(lambda: f"\nstopped immediately; {_saved(run.folder, options)}"):
            run.plot()
    except KeyboardInterrupt as error:
        said = str(error) or "stopped immediately"
        report(f"\n{said}; {_saved(run.folder, options)}")
        return INTERRUPTED
    except DivergedError as error:
        saved = _saved(run.folder, [*options, "--allow-different"])
        raise DivergedError(f"{error}\n  {saved}") from error
    except PluginError as error:
        saved = _saved(run.folder, [*options, "--allow-different"])
        raise LenetkitError(f"{error}; the run stopped\n  {saved}") from error
    except RunError as error:
        raise LenetkitError(f"{error}; the run stopped\n  {_saved(run.folder, options)}") from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        why, saved = error.strerror or cause(error), _saved(run.folder, options)
        raise LenetkitError(f"{where}{why}; the run stopped\n  {saved}") from error
    echo(_closing(result, run.folder))
    return 0


def _saved(folder: RunFolder, options: Sequence[str]) -> str:
    """What of a run that ended early is saved, and the command that resumes it."""
    try:
        step = Checkpoint.read(folder.checkpoint).state.step
    except ModelFileError:
        return f"{folder.path}: nothing was saved; start over"
    command = command_line("train", "--resume", str(folder.path), *options)
    return f"{folder.path}: saved at step {step}; resume with: {command}"


def _refuse_with_resume(others: dict[str, Any]) -> None:
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(
            f"{', '.join(given)}: does not go with --resume, which continues the run as it is"
        )


def _report_resumed(run: Run) -> None:
    path, done = run.folder.path, run.progress.epoch
    if run.differences:
        report("\n  ".join([f"warning: {path}: resumed with differences:", *run.differences]))
    elif run.is_finished:
        report(f"{path}: is finished; to train longer, pass --epochs above {done}")


def _opening(run: Run) -> str:
    plan, data = run.network.plan, run.data
    held_out = f" + {len(data.validation):,} held out" if data.validation else ""
    samples = (
        f"{data.train.called}: {len(data.train):,} training{held_out} + {len(data.test):,} test "
        "images"
    )
    return (
        f"{plan.spec.name}: {plan.count():,} parameters → {printable(run.folder.path)}\n"
        f"{paragraphs(samples)}\n{EpochTable.of(run).heading}"
    )


def _closing(result: dict[str, Any], folder: RunFolder) -> str:
    kept = f" (epoch {result['model_epoch']})" if result["model_epoch"] != result["epochs"] else ""
    figures = (
        f"{result['name']} on {printable(result['dataset'])}{kept}: "
        f"test {percent(result['test_accuracy'])}, train {percent(result['train_accuracy'])}, "
        f"{result['seconds']:.1f} s"
    )
    return f"{paragraphs(figures)}\n{printable(folder.model)}"
