"""`lenetkit train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from lenetkit.cli.progress import progress_bar
from lenetkit.diagnosis.chance import at_chance
from lenetkit.errors import (
    InputError,
    LenetkitError,
    MissingFileError,
    ModelFileError,
    OutOfMemoryError,
    PluginError,
    RunError,
    cause,
    is_ctrl_c,
)
from lenetkit.registry.catalog import naming_plugins
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.folder import RunFolder
from lenetkit.runs.interrupt import Terminated, leaving, status, words
from lenetkit.runs.run import Run
from lenetkit.runs.tensorboard import TensorBoard, expect_installed
from lenetkit.spec.merge import Override
from lenetkit.text import percent, printable
from lenetkit.training.calls import warn_of_unused_rate
from lenetkit.training.divergence import DivergedError
from lenetkit.training.loop import EpochDone, Event

_PLATEAU = 300
"""Steps that a network may take to leave where it started."""
_FEW = 100
"""Steps after which nobody expects a network to have learned."""


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
    help="Start from the weights of a model file, safetensors or .npz, where they match.",
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
@click.option(
    "--tensorboard",
    is_flag=True,
    help="Also write the figures for TensorBoard, to DIR/tensorboard (extra tensorboard).",
)
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
    tensorboard: bool,
    quiet: bool,
) -> int:
    """Train a network and write a run folder.

    The folder holds the model, a checkpoint, the metrics and the pictures. SPEC is a YAML file or
    the bare name of a shipped spec.
    """
    if tensorboard:
        expect_installed()
    changed = list(changes)
    if kernels is not None:
        changed.append(Override.from_option("--kernels", "kernels", kernels))
    shared: dict[str, Any] = {"set": changed, "data_dir": data_dir, "threads": threads}
    options = ["--data-dir", str(data_dir)] if data_dir else []
    if resume is not None:
        _refuse_with_resume({"--out": out, "--init-from": init_from})
        with _ending(lambda: _saved(RunFolder(resume), options)):
            run = Run.resume(
                resume, spec=spec, allow_different=allow_different, report=report, **shared
            )
            _report_resumed(run)
    elif allow_different:
        raise InputError("--allow-different: goes with --resume only")
    elif spec is None:
        raise click.UsageError("missing argument 'SPEC' (or --resume RUN)")
    else:
        with _ending(lambda: "nothing to save yet"):
            run = Run.create(spec, out=out, init_from=init_from, report=report, **shared)
    with _ending(lambda: _saved(run.folder, options, run.saved_step)), run, ExitStack() as opened:
        with naming_plugins():
            warn_of_unused_rate(run.network.plan, changed, report)
        board = opened.enter_context(TensorBoard.of(run)) if tensorboard else None
        _train(run, quiet, options, board)
    return 0


@contextmanager
def _ending(saved: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C, SIGTERM or SIGHUP inside the block ends the command, and tells what is saved."""
    try:
        yield
    except BaseException as error:
        ours = isinstance(error, KeyboardInterrupt | Terminated)
        if not ours and not is_ctrl_c(error):
            raise
        report(f"\n{(ours and str(error)) or words()}; {saved()}")
        raise click.exceptions.Exit(status()) from error


def _train(run: Run, quiet: bool, options: Sequence[str], board: TensorBoard | None) -> None:
    """Train with a progress bar."""

    def saved(*more: str) -> str:
        return _saved(run.folder, [*options, *more], run.saved_step)

    finished, chance = run.is_finished, _Chance(run, options)
    try:
        with progress_bar(run, quiet) as bar:
            if not quiet:
                echo(f"{_opening(run)}\n{bar.table.heading}", err=True)

            def watch(event: Event) -> None:
                bar.show(event)
                if board:
                    board(event)
                if isinstance(event, EpochDone) and (note := chance.note(event)):
                    bar.note(note)

            result = run.train(watch=watch, pictures=False, progress=False)
        with leaving(saved):
            pictures = run.plot()
            if board:
                board.pictures(pictures)
    except DivergedError as error:
        unbegun = f"{run.folder.path}: no step was taken; start over"  # resuming would end alike
        told = saved("--allow-different") if run.progress.step else unbegun
        raise DivergedError(f"{error}\n  {told}") from error
    except PluginError as error:
        told = saved("--allow-different")
        raise LenetkitError(f"{error}; the run stopped\n  {told}") from error
    except MemoryError as error:
        known = isinstance(error, OutOfMemoryError)
        what = error if known else f"not enough memory ({cause(error)})"
        raise OutOfMemoryError(f"{what}; the run stopped\n  {saved()}") from error
    except RunError as error:
        raise LenetkitError(f"{error}; the run stopped\n  {saved()}") from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        why = error.strerror or cause(error)
        raise LenetkitError(f"{where}{why}; the run stopped\n  {saved()}") from error
    if run.ended_early and not finished and not quiet:
        report(run.ended_early)
    echo(_closing(result, run.folder))


class _Chance:
    """Says once that a training is at chance: after its first epoch, or at its end."""

    def __init__(self, run: Run, options: Sequence[str]) -> None:
        self._network = run.network
        self._last = run.network.plan.spec.train.epochs
        self._look = command_line("diagnose", str(run.folder.spec), *options)
        self._is_said = False

    def note(self, event: EpochDone) -> str:
        """What to say after an epoch; empty if there is nothing, or it was said before."""
        early = event.epoch == 1 and event.step >= _PLATEAU
        late = event.epoch == self._last and event.step >= _FEW
        if self._is_said or not (early or late):
            return ""
        found = at_chance(event.train, self._network)
        self._is_said = bool(found)
        return printable(f"note: {found}: {self._look}") if found else ""


def _saved(folder: RunFolder, options: Sequence[str], known: int | None = None) -> str:
    """What of a run that ended early is saved, and the command that resumes it.

    `known` is the step of its checkpoint, in case that cannot be read now.
    """
    resume = command_line("train", "--resume", str(folder.path), *options)
    try:
        step = Checkpoint.read(folder.checkpoint).state.step
    except MissingFileError:
        return f"{folder.path}: nothing was saved; start over"
    except (ModelFileError, MemoryError) as error:
        if known is None:
            return f"{error}\n  once that is mended, resume with: {resume}"
        step = known
    return f"{folder.path}: saved at step {step}; resume with: {resume}"


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
        longer = run.ended_early or f"to train longer, pass --epochs above {done}"
        report(f"{path}: is finished; {longer}")


def _opening(run: Run) -> str:
    plan, data = run.network.plan, run.data
    held_out = f" + {len(data.validation):,} held out" if data.validation else ""
    samples = (
        f"{data.train.called}: {len(data.train):,} training{held_out} + {len(data.test):,} test "
        "images"
    )
    return (
        f"{plan.spec.name}: {plan.count():,} parameters → {printable(run.folder.path)}\n"
        f"{paragraphs(samples)}"
    )


def _closing(result: dict[str, Any], folder: RunFolder) -> str:
    kept = f" (epoch {result['model_epoch']})" if result["model_epoch"] != result["epochs"] else ""
    figures = (
        f"{result['name']} on {printable(result['dataset'])}{kept}: "
        f"test {percent(result['test_accuracy'])}, train {percent(result['train_accuracy'])}, "
        f"{result['seconds']:.1f} s"
    )
    return f"{paragraphs(figures)}\n{printable(folder.model)}"
