"""Arguments and options that several commands share, as decorators."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lenetkit.files.opening import user_path
from lenetkit.operations.blas import MAX_THREADS

PLUGIN_FILES = "lenetkit.plugin_files"
"""The key under which click's context keeps the files given by `--plugin`."""


class UserPath(click.Path):
    """A path, with a leading `~` as the home folder: shells leave the one in `--out=~/a` as it is.

    It takes what `click.Path` takes.
    """

    def __init__(self, **checks: Any) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Any:
        return super().convert(user_path(value), param, context)


PATH = UserPath()

spec_argument = click.argument("spec", metavar="SPEC")
model_argument = click.argument("model_file", metavar="MODEL", type=PATH)
set_option = click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change one value of the spec, such as train.optimizer.lr=0.01. Repeatable.",
)
data_dir_option = click.option(
    "--data-dir",
    type=UserPath(file_okay=False, exists=True),
    metavar="DIR",
    help="The folder of the data files, instead of the spec's or $LENETKIT_DATA.",
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
    from lenetkit.registry.catalog import installed
    from lenetkit.registry.plugin_file import add_file

    for path in paths:
        add_file(installed(), path)
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

Command = Callable[..., Any]


def with_plan(spec: Callable[[Command], Command] = spec_argument) -> Callable[[Command], Command]:
    """SPEC, `--set` and `--plugin`, which the command receives as `plan`, checked and planned.

    `spec` is the decorator that adds the spec itself.
    """

    def decorate(command: Command) -> Command:
        @spec
        @set_option
        @plugin_option
        @functools.wraps(command)
        def planned(spec: str, changes: tuple[str, ...], **others: Any) -> Any:
            from lenetkit.network.plan import load_plan
            from lenetkit.spec.merge import Override

            plan = load_plan(spec, [Override.from_text(text) for text in changes])
            return command(plan=plan, **others)

        return planned

    return decorate
