"""The documentation builds as a site, without a warning, and no page of it leaves the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lenetkit
from lenetkit.cli.main import cli
from lenetkit.registry.catalog import BUILTIN, KINDS, installed

pytest.importorskip("material", reason="mkdocs-material is not installed")
pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed")

ROOT = Path(lenetkit.__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_type_and_option_is_in_the_reference(site: Path) -> None:
    text = "".join(page.read_text("utf-8") for page in (site / "reference").glob("*.html"))
    for base in KINDS:
        for entry in installed().registry(base).entries():
            if entry.provider.distribution == BUILTIN:
                assert f'id="{entry.name}"' in text, entry.name


def test_every_command_is_in_the_reference(site: Path) -> None:
    text = (site / "reference" / "commands.html").read_text("utf-8")
    for name in cli.commands or cli.list_commands(None):  # type: ignore[arg-type]
        assert f"lenetkit {name}" in text


def test_no_page_asks_another_machine_for_anything(site: Path) -> None:
    loaded = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"')
    for page in site.rglob("*.html"):
        found = loaded.findall(page.read_text("utf-8"))
        assert found == [], page.name


def test_chinese_pages_link_to_each_other(site: Path) -> None:
    text = (site / "zh" / "index.html").read_text("utf-8")
    assert 'href="tutorial.html"' in text
    assert (site / "zh" / "tutorial.html").is_file()
