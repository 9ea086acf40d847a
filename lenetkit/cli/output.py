"""How commands print: results on standard output, notes and warnings on standard error."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TextIO

import click

from lenetkit.text import json_text, printable, printable_lines

PLUGIN_FILES = "lenetkit.plugin_files"
"""The key under which click's context keeps the files given by `--plugin`."""
_NO_TERMINAL = 10_000
"""Columns of a file or pipe, where no table has to be narrowed."""
_MIN_COLUMNS = 40
_GAP = 2  # spaces between two columns of a table
_MIN_WRAPPED = 12  # columns that text keeps when it is broken into lines


def print_json(value: Any) -> None:
    """Print one JSON document; it escapes what the stream's encoding lacks."""
    text = json_text(value)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    echo(text)


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text; what in its lines is not `printable` is escaped.

    All that commands print goes through here. Line breaks are ours, so the caller makes names from
    files, specs and plugins `printable`; `table` does so with its cells.
    """
    click.echo(printable_lines(str(text)), err=err, nl=nl)


def columns(stream: TextIO | None = None) -> int:
    """How wide the terminal behind `stream`, or else standard output, is; `$COLUMNS` overrides."""
    if stream is None or os.environ.get("COLUMNS"):
        found = shutil.get_terminal_size((_NO_TERMINAL, 0)).columns
    else:
        try:
            found = os.get_terminal_size(stream.fileno()).columns or _NO_TERMINAL
        except (AttributeError, OSError, ValueError):
            found = _NO_TERMINAL
    return max(found, _MIN_COLUMNS)


def report(message: str) -> None:
    """Print a note, a warning or an error on standard error.

    Its other lines are indented, so that no text from a file can look like a message of its own.
    """
    start = len(message) - len(message.lstrip("\n"))
    first, *others = message[start:].split("\n")
    indented = [line if line.startswith("  ") else f"  {line}" for line in others]
    echo("\n" * start + "\n".join([first, *indented]), err=True)


def paragraphs(text: str) -> str:
    """`text`, with its paragraphs broken anew if a line is wider than the terminal."""
    room = columns()
    if all(len(line) <= room for line in text.splitlines()):
        return text
    return click.wrap_text(text, room, preserve_paragraphs=True)


def command_line(command: str, *arguments: str) -> str:
    """A lenetkit command to type, quoted for this system's shell.

    It repeats the `--plugin` files of the command that is running.
    """
    files = click.get_current_context().meta.get(PLUGIN_FILES, ())
    plugins = [word for path in files for word in ("--plugin", str(path))]
    words = ["lenetkit", command, *arguments, *plugins]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def table(
    rows: Sequence[Sequence[Any]],
    headers: Sequence[str],
    right: Sequence[str] = (),
    total: Sequence[Any] = (),
) -> str:
    """Rows as a plain table of `printable` cells, the columns named in `right` to the right.

    `total` is a last row below a rule. Where the terminal is too narrow, columns that say the same
    in every row are left out and named in a line below, long texts are broken into lines, and the
    columns that still do not fit follow in a second table below the first.
    """
    body = [headers, *rows, *([total] if total else [])]
    cells = [[printable(row[i]) for row in body] for i in range(len(headers))]
    drawn = [_Column(texts, name in right) for name, texts in zip(headers, cells, strict=True)]
    same: list[_Column] = []
    blocks = [drawn]
    if _width(drawn) > (room := columns()):
        same = [column for column in drawn[1:] if column.says_the_same]
        blocks = _blocks(_wrapped([column for column in drawn if column not in same], room), room)
    parts = [_text(block, with_total=bool(total)) for block in blocks]
    if same:
        facts = ", ".join(" ".join(column.cells[:2]) for column in same)
        parts.append(paragraphs(f"All: {facts}."))
    return "\n\n".join(parts)


@dataclass(frozen=True)
class _Column:
    """A header and cells; a character may take two columns of a terminal, or none."""

    cells: list[str]
    right: bool
    limit: int | None = None
    """The width at which cells are broken into lines."""

    @property
    def width(self) -> int:
        from wcwidth import wcswidth

        widest = max(wcswidth(line) for cell in self.cells for line in cell.split("\n"))
        return min(widest, self.limit or widest)

    @property
    def header_lines(self) -> int:
        from tabulate import tabulate

        alone = tabulate([[self.cells[0]]], tablefmt="plain", maxcolwidths=[self.limit])
        return len(alone.splitlines()) or 1

    @property
    def narrowest(self) -> int:
        """The width below which cells are not broken into lines; numbers never are."""
        from wcwidth import wcswidth

        numbers = self.cells[1:] if self.right else []
        return max([_MIN_WRAPPED, *map(wcswidth, numbers)])

    @property
    def says_the_same(self) -> bool:
        header, *cells = self.cells
        named = {cell for cell in cells if cell}  # a total has none
        return bool(header) and not self.right and len(cells) > 2 and len(named) == 1


def _width(drawn: Sequence[_Column]) -> int:
    return sum(column.width + _GAP for column in drawn) - _GAP


def _wrapped(drawn: Sequence[_Column], room: int) -> list[_Column]:
    """The columns with the widest texts broken into lines, until all fit or none is left."""
    narrowed = list(drawn)
    while _width(narrowed) > room:
        breakable = [column for column in narrowed if column.width > column.narrowest]
        if not breakable:
            break
        widest = max(breakable, key=lambda column: column.width)
        narrowed[narrowed.index(widest)] = replace(widest, limit=widest.width - 1)
    return narrowed


def _blocks(drawn: Sequence[_Column], room: int) -> list[list[_Column]]:
    """The columns as tables that fit, each beginning with the first column."""
    first, *others = drawn
    blocks = [[first]]
    for column in others:
        if len(blocks[-1]) > 1 and _width([*blocks[-1], column]) > room:
            blocks.append([first])
        blocks[-1].append(column)
    return blocks


def _text(drawn: Sequence[_Column], *, with_total: bool) -> str:
    from tabulate import tabulate

    made = tabulate(  # headers stand in the body: above it, tabulate widens columns for them
        list(zip(*(column.cells for column in drawn), strict=True)),
        tablefmt="simple",
        colalign=["right" if column.right else "left" for column in drawn],
        disable_numparse=True,
        maxcolwidths=[column.limit for column in drawn],
    )
    rule, *lines, _ = (line.rstrip() for line in made.splitlines())
    lines.insert(max(column.header_lines for column in drawn), rule)
    if with_total:
        lines.insert(-1, rule)
    return "\n".join(lines)
