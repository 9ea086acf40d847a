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
from lenetkit.data.finding import file_names
from lenetkit.data.idx import write_idx
from lenetkit.data.source import Place
from lenetkit.data.synthetic import SyntheticDigits
from lenetkit.network.plan import load_plan

ROOT = Path(lenetkit.__file__).resolve().parents[1]
PAGES = ["tutorial.md", "training.md", "scikit-learn.md"]
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


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 600 training and 200 test images, drawn, in MNIST's format."""
    folder = tmp_path_factory.mktemp("digits")
    source = SyntheticDigits(train=600, test=200)
    for split in ("train", "test"):
        samples = source.load(split, Place())
        images, labels = file_names(split)
        write_idx(folder / images, samples.images[:, 0])
        write_idx(folder / labels, samples.labels.astype("uint8"))
    return folder


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
