"""Every code block of the documentation runs, in the order of its page.

A page's commands and programs run in one folder, on a small data set in place of MNIST. Blocks are
told by their language: `sh` and `python` run, `yaml` with a title is written to that file and read
as a spec; `text`, `console` and blocks without a language are shown only.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import lenetkit
from lenetkit.network.plan import load_plan

ROOT = Path(lenetkit.__file__).resolve().parents[1]
PAGES = ["tutorial.md", "training.md", "notebooks.md"]
_BLOCK = re.compile(r'^```(\w*)[ ]*(?:title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of code of a page."""

    language: str
    title: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for found in _BLOCK.finditer((ROOT / "docs" / page).read_text("utf-8")):
        yield Block(*(part or "" for part in found.groups()))


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, digits: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "LENETKIT_DATA": str(digits),
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }
    programs = []
    for block in blocks(page):
        commands = []
        if block.title:
            (tmp_path / block.title).write_text(block.text, "utf-8")
            if block.language == "yaml":
                load_plan(tmp_path / block.title)
        elif block.language == "python":
            programs.append(block.text)
            commands = [[sys.executable, "-c", "\n".join(programs)]]  # a page is one session
        elif block.language == "sh":
            lines = block.text.replace("\\\n", " ").splitlines()
            commands = [[sys.executable, "-m", *shlex.split(line)] for line in lines]
        for command in commands:
            done = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8"
            )
            assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"


def test_the_translation_has_the_same_blocks() -> None:
    assert list(blocks("zh/tutorial.md")) == list(blocks("tutorial.md"))


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_blocks_that_run(page: str) -> None:
    assert {block.language for block in blocks(page)} & {"sh", "python"}
