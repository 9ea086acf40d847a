"""Arguments and options that several commands share, as decorators."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lenetkit.cli.output import PLUGIN_FILES, report
from lenetkit.errors import InputError
from lenetkit.files.opening import user_path
from lenetkit.operations.blas import MAX_THREADS

if TYPE_CHECKING:
    from lenetkit.spec.merge import Override


class UserPath(click.Path):
    """A path, with a leading `~` as the home folder: shells leave the one in `--out=~/a` as it is.

    It takes what `click.Path` takes.
    """

    def __init__(self, **checks: Any) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Any:
        if value == "":
            self.fail("expected a path, found ''; the current folder is .", param, context)
        return super().convert(user_path(value), param, context)


PATH = UserPath()
Command = Callable[..., Any]

spec_argument = click.argument("spec", metavar="SPEC")
model_argument = click.argument("model_file", metavar="MODEL", type=PATH)
SHORT: dict[str, tuple[str, Any, str]] = {
    "--epochs": ("train.epochs", click.IntRange(min=1), "Passes over the training set."),
    "--batch-size": ("train.batch_size", click.IntRange(min=1), "Samples a step."),
    "--optimizer": ("train.optimizer.type", str, "Another optimizer, with its own defaults."),
    "--lr": ("train.optimizer.lr", float, "The optimizer's learning rate."),
    "--seed": ("train.seed", click.IntRange(min=0), "Seed of every random draw."),
    "--name": ("name", str, "The model's name; also names its run folders."),
}
"""Options for values of the spec that are changed often: the path, type and help of each."""


def set_options(
    *short: str, example: str = "train.optimizer.eps=1e-7"
) -> Callable[[Command], Command]:
    """`--set` and these of the short options, which the command receives as overrides `changes`.

    The short ones are applied last.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def changed(texts: tuple[str, ...], **others: Any) -> Any:
            from lenetkit.spec.merge import Override

            changes = [Override.from_text(text) for text in texts]
            for name in short:
                value = others.pop(_destination(name))
                if value is not None:
                    changes.append(Override.from_option(name, SHORT[name][0], value))
            return command(changes=changes, **others)

        for name in reversed(short):
            path, kind, text = SHORT[name]
            changed = click.option(
                name,
                _destination(name),
                type=kind,
                metavar="TYPE" if "type" in path else None,
                help=text,
            )(changed)
        return click.option(
            "--set",
            "texts",
            metavar="KEY=VALUE",
            multiple=True,
            help=f"Change one value of the spec, such as {example}. Repeatable.",
        )(changed)

    return decorate


def picture_path(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """The callback of an option for a picture's file, which refuses other kinds at once."""
    from lenetkit.runs.folder import PICTURE_KINDS  # the runs take a while to import

    if path is not None and path.suffix.lower().removeprefix(".") not in PICTURE_KINDS:
        wanted = ", ".join(f".{kind}" for kind in PICTURE_KINDS)
        raise InputError(f"{path}: cannot save a picture as {path.suffix!r}; use {wanted}")
    return path


def _destination(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


data_dir_option = click.option(
    "--data-dir",
    type=UserPath(exists=True),
    metavar="DIR",
    help="The folder or ZIP archive of the data, instead of the spec's or $LENETKIT_DATA.",
)
kernels_option = click.option(
    "--kernels",
    metavar="TYPE",
    help="Another kernel set for convolution and pooling, such as numpy.  [default: the spec's]",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1, max=MAX_THREADS),
    help="Number of threads.  [default: whatever is fastest for the network]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _register(context: click.Context, option: click.Parameter, paths: tuple[Path, ...]) -> None:
    if not paths:
        return
    from lenetkit.registry.catalog import GROUPS, installed
    from lenetkit.registry.plugin_file import add_file
    from lenetkit.runs.interrupt import leaving

    for path in dict.fromkeys(paths):
        with leaving():
            entries = add_file(installed(), path)
        for entry in entries:
            registry = installed().registry(GROUPS[entry.point.group])
            if rivals := registry.rivals(entry):
                report(f"warning: {path}: {rivals} to use this file's")
    context.meta[PLUGIN_FILES] = paths


plugin_option = click.option(
    "--plugin",
    metavar="FILE.py",
    multiple=True,
    type=PATH,
    callback=_register,
    expose_value=False,
    is_eager=True,
    help="A Python file whose PLUGINS the spec may name. Repeatable.",
)


def with_plan(
    spec: Callable[[Command], Command] = spec_argument, short: Sequence[str] = ()
) -> Callable[[Command], Command]:
    """SPEC, `--set` and `--plugin`, which the command receives as `plan`, checked and planned.

    `spec` is the decorator that adds the spec itself; `short` are short options to take.
    """

    def decorate(command: Command) -> Command:
        @spec
        @set_options(*short)
        @plugin_option
        @functools.wraps(command)
        def planned(spec: str, changes: Sequence[Override], **others: Any) -> Any:
            from lenetkit.network.plan import load_plan

            plan = load_plan(spec, changes)
            for warning in plan.warnings:
                report(f"warning: {warning}")
            return command(plan=plan, **others)

        return planned

    return decorate
