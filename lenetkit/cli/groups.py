"""Groups of commands."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from lenetkit.errors import did_you_mean
from lenetkit.runs.interrupt import leaving


class Group(click.Group):
    """Suggests the nearest name for an unknown command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            hint = did_you_mean(args[0], known)
            raise click.UsageError(f"no such command '{args[0]}'{hint}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """Knows each command's name and one line of help, and imports it only when it is called.

    `summaries` maps names to these lines; command `name` is `command` in `package`'s module `name`.
    """

    def __init__(self, *args: Any, package: str, summaries: Mapping[str, str], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._package = package
        self._summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._summaries)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self._summaries:
            return None
        with leaving():
            module = importlib.import_module(f"{self._package}.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))
