"""Every code block of every document runs, or a comment before it says why not.

A document is one session: its blocks run in order, in one folder, on a small data set in place of
MNIST. What is done with a block depends on its language:

- `sh`: its commands run, and succeed;
- `console`: its commands run, and print what is shown;
- `text`: was printed by the command before it;
- `python`: runs, with the names that earlier blocks of the document define;
- `yaml`: is read as a spec; `json` and `toml`: are read;
- with `title="NAME"`: is also written to that file; `python` is then not run by itself.

Blocks in HTML comments are not shown: they prepare what the others need. After
`<!-- not run: REASON -->` commands are only compared with the commands, options and scripts that
there are, and other blocks are only written.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tomllib
import types
import venv
from dataclasses import replace
from pathlib import Path

import click
import pytest

from lenetkit.cli.main import cli
from lenetkit.network.plan import load_plan
from lenetkit.registry.catalog import installed
from tests.support.documents import (
    DOCUMENTS,
    ROOT,
    Block,
    Session,
    agrees,
    blocks,
    check_command,
    prose,
)

TRANSLATIONS = {"README.zh-CN.md": "README.md", "docs/zh/tutorial.md": "docs/tutorial.md"}
WITH_BLOCKS = [name for name in DOCUMENTS if blocks(name) and name not in TRANSLATIONS]
LANGUAGES = {"sh", "console", "text", "python", "yaml", "json", "toml"}


@pytest.fixture
def session(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A terminal in an empty folder."""
    (tmp_path / "page").mkdir()
    monkeypatch.chdir(tmp_path / "page")
    monkeypatch.setenv("LENETKIT_DATA", str(digits))
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    environment = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PYTEST_ADDOPTS": "-W error"}
    return Session(module, environment)


@pytest.mark.filterwarnings("ignore:note. .*not MNIST's files")
@pytest.mark.parametrize("document", WITH_BLOCKS)
def test_every_block_holds(document: str, session: Session, tmp_path: Path) -> None:
    found = blocks(document)
    if any("pip" in words for block in found if _runs(block, "sh") for words in block.commands):
        session.python = new_environment(tmp_path / "venv")
        session.environment |= {"PYTHONPATH": ""} | OFFLINE
    for block in found:
        assert block.language in LANGUAGES, f"a block of an unknown language:\n{block.text}"
        if block.title:
            Path(block.title).write_text(block.text, "utf-8")
        check(block, session)
    installed.cache_clear()  # what a page registers, no other test knows


def _runs(block: Block, language: str) -> bool:
    return block.language == language and not block.reason


def check(block: Block, session: Session) -> None:
    """Run a block, or read it."""
    match block.language:
        case "sh" | "console" if block.reason:
            assert block.commands, block.text
            for words in block.commands:
                check_command(words)
        case _ if block.reason:
            pass
        case "sh":
            for words in block.commands:
                assert session.run(words) == 0, f"{words}\n{session.printed}"
        case "console":
            assert block.commands, block.text
            for words, shown in block.examples:
                failed = session.run(words) != 0
                assert failed == shown.startswith("error:"), f"{words}\n{session.printed}"
                assert agrees(shown, session.printed), f"{words}\n{session.printed}"
        case "text":
            assert agrees(block.text, session.printed), session.printed
        case "python" if not block.title:
            session.execute(block.text)
        case "yaml":
            path = Path(block.title or "untitled.yaml")
            path.write_text(block.text, "utf-8")
            load_plan(path)
        case "json":
            json.loads(block.text)
        case "toml":
            tomllib.loads(block.text)


OFFLINE = {
    "PIP_NO_BUILD_ISOLATION": "false",  # pip reads it as the value of --build-isolation
    "PIP_NO_INDEX": "1",
    "PIP_NO_DEPS": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def new_environment(folder: Path) -> str:
    """The interpreter of a new virtual environment that sees this one's packages."""
    venv.create(folder, with_pip=True)
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    site = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    inherited = [path for path in sys.path if path.endswith("site-packages")]
    lines = [str(ROOT), *inherited]
    Path(site, "inherited.pth").write_text("\n".join(lines) + "\n", "utf-8")
    return python


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_code_is_outside_the_blocks(document: str) -> None:
    """Fences that are not closed, and blocks by indentation alone, would not be run."""
    text = prose(document)
    assert "```" not in text
    assert re.findall(r"\n\n    +[^\s-].*", text) == []


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "CHANGELOG.md"])
def test_commands_in_sentences_exist(document: str) -> None:
    for command in re.findall(r"`lenetkit ([^`…]+)`", prose(document)):
        with contextlib.suppress(click.BadOptionUsage):  # `lenetkit bench --compare`, as a name
            check_command(["lenetkit", *command.split()])


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md"])
def test_a_readme_lists_every_command(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    listed = re.findall(r"^\| `lenetkit ([a-z]+)", text, re.MULTILINE)
    assert sorted(listed) == sorted(cli.list_commands(click.Context(cli)))


def without_comments(block: Block) -> Block:
    """A block without what a translation may say otherwise."""
    return replace(block, text=re.sub(r" +# .*", "", block.text), reason=bool(block.reason) * "…")


@pytest.mark.parametrize(("translation", "original"), TRANSLATIONS.items())
def test_a_translation_has_the_same_blocks(translation: str, original: str) -> None:
    expected = [without_comments(block) for block in blocks(original)]
    assert [without_comments(block) for block in blocks(translation)] == expected
