"""Files that the documents name exist, under that name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*.md")]
NAMED = re.compile(r"(?<![\w./-])(?:tests|scripts|benchmarks|docs|specs)/[\w./-]*\w")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    named = set(NAMED.findall(document.read_text("utf-8")))
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_reliability_names_a_test_for_every_part() -> None:
    """Each part of docs/reliability.md that makes promises names what holds them."""
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    parts = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", text, flags=re.M)[1:]}
    silent = [name for name, part in parts.items() if "tests/" not in part]
    assert silent == ["Runs", "Figures"]
