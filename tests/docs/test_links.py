"""Files that the documents name exist, and links lead somewhere, on GitHub as on the site."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from tests.support.documents import DOCUMENTS, ROOT, prose

NAMED = re.compile(r"(?<![\w./-])(?:tests|scripts|benchmarks|docs|specs|plugins)/[\w./-]*\w")
LINK = re.compile(r"(?<!`)\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
OF_THE_SITE = "docs/reference/"
"""Pages that only the site has; its start page links to them, and the site is built strictly."""


def headings(document: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in found}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading(document: str) -> None:
    broken = []
    for target, anchor in LINK.findall(prose(document)):
        path = (ROOT / document).parent / target if target else ROOT / document
        if not path.exists():
            broken.append(target)
        elif anchor and anchor not in headings(path.resolve().relative_to(ROOT).as_posix()):
            broken.append(f"{target}#{anchor}")
    if document == "docs/index.md":
        broken = [t for t in broken if not (PurePosixPath("docs") / t).is_relative_to(OF_THE_SITE)]
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_exists(document: str) -> None:
    named = set(NAMED.findall((ROOT / document).read_text("utf-8")))
    folders = ROOT, (ROOT / document).parent
    assert [n for n in sorted(named) if not any((folder / n).exists() for folder in folders)] == []


def test_reliability_names_a_test_for_every_part() -> None:
    """Each part of docs/reliability.md that makes promises names what holds them."""
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    parts = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", text, flags=re.M)[1:]}
    silent = [name for name, part in parts.items() if "tests/" not in part]
    assert silent == ["Runs", "Figures"]
