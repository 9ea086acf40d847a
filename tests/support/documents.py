"""The documents, their code blocks, and a session that runs them."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import click

import lenetkit
from lenetkit.cli.main import cli
from lenetkit.testing.commands import run_command

ROOT = Path(lenetkit.__file__).resolve().parents[1]
DOCUMENTS = sorted(
    {
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.md", "docs/**/*.md", "plugins/*.md", "plugins/*/*.md", "*/README.md")
        for path in ROOT.glob(pattern)
    }
)

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^>]+) -->\n)?"
    r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.DOTALL | re.MULTILINE,
)
_OTHER_PROGRAMS = {"cd", "export", "mkdocs", "mypy", "pip", "pytest", "ruff", "tensorboard", "."}
"""Programs of others that a block which is not run may name."""


@dataclass(frozen=True)
class Block:
    """A code block; `reason` says why it is not run, where it is not."""

    language: str
    title: str
    text: str
    reason: str

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a shell block or console, as words; quotes may span several lines."""
        if self.language == "console":
            return [words for words, _ in self.examples]
        found: list[list[str]] = []
        line = ""
        for part in self.text.replace("\\\n", " ").splitlines():
            line += f"{part}\n"
            with contextlib.suppress(ValueError):  # an open quote
                words = shlex.split(line, comments=True)
                found += [list(c) for last, c in groupby(words, "&&".__eq__) if not last]
                line = ""
        assert not line, f"an open quote: {line}"
        return found

    @property
    def examples(self) -> Iterator[tuple[list[str], str]]:
        """Of a console: each command, and what it prints."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.replace("\\\n", " ").partition("\n")
            yield shlex.split(command), output


def blocks(document: str) -> list[Block]:
    """The blocks of a document, in order; those in HTML comments are its preparations."""
    return blocks_in((ROOT / document).read_text("utf-8"))


def blocks_in(text: str) -> list[Block]:
    """The blocks of a document's text."""
    return [
        Block(*(found[name] or "" for name in ("language", "title", "text", "reason")))
        for found in _BLOCK.finditer(text)
    ]


def prose(document: str) -> str:
    """A document without its blocks."""
    return prose_in((ROOT / document).read_text("utf-8"))


def prose_in(text: str) -> str:
    """The text of a document without its blocks."""
    return _BLOCK.sub("", text)


def check_command(words: Sequence[str]) -> None:
    """Compare a command that is not run with what it names: programs, scripts, options."""
    program, *arguments = words
    if program == "lenetkit":
        _check_lenetkit(arguments)
    elif program == "python" and arguments[0] != "-m":
        source = (ROOT / arguments[0]).read_text("utf-8")
        options = [word.partition("=")[0] for word in arguments if word.startswith("--")]
        assert [option for option in options if f'"{option}"' not in source] == [], words
    else:
        assert program in _OTHER_PROGRAMS | {"python"}, words


def _check_lenetkit(arguments: list[str]) -> None:
    """Raises UsageError for commands and options that do not exist."""
    command: click.Command = cli
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"lenetkit has no command {name}"
        command = found
    command.make_parser(click.Context(command)).parse_args(arguments)


@dataclass
class Session:
    """A page's terminal and Python: the current folder, one module, one environment."""

    module: types.ModuleType
    environment: dict[str, str] = field(default_factory=dict)
    python: str = ""
    """The interpreter of every command; without one, `lenetkit` runs in this process."""
    printed: str = field(default="", init=False)
    """What the last command printed: messages, then results."""

    def run(self, words: Sequence[str]) -> int:
        """Run a command; return its exit status."""
        program, *arguments = words
        if program == "lenetkit" and not self.python:
            result = run_command(*arguments)
            self.printed = result.err + result.out
            return result.status
        assert program in ("lenetkit", "python"), f"{words}: only lenetkit and python are run"
        if program == "lenetkit":
            arguments = ["-m", "lenetkit", *arguments]
        done = subprocess.run(
            [self.python or sys.executable, *arguments],
            env=os.environ | self.environment, capture_output=True, encoding="utf-8",
        )  # fmt: skip
        self.printed = done.stderr + done.stdout
        return done.returncode

    def execute(self, program: str) -> None:
        """Run lines of Python after those before them."""
        exec(compile(program, "<page>", "exec"), vars(self.module))


def agrees(shown: str, printed: str) -> bool:
    """Whether lines as a document shows them are among those that were printed.

    Numbers, which differ from run to run, stand for any number, spaces and dashes for any width of
    a column, and `…` for anything.
    """
    any_lines, anything = r"(?:.*\n)*?", ".*?"
    lines = [re.escape(line).replace("…", anything) for line in _plain(shown).splitlines()]
    pattern = "".join(any_lines if line.strip("\\ ") == anything else f"{line}\n" for line in lines)
    return bool(re.search(pattern, _plain(printed)))


def _plain(text: str) -> str:
    """Lines without what differs from run to run."""
    lines = [line.rstrip() for line in text.splitlines()]
    numbers = r"(?<![A-Za-z\d])\d[\d,.]*(?:e[+-]?\d+)?"
    return "".join(
        re.sub(r"[ -]+", " ", re.sub(numbers, "0", line)) + "\n" for line in lines if line
    )
