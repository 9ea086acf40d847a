"""The public names: those that the documents use exist, and each is listed once."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import lenetkit
from lenetkit import authoring
from lenetkit.registry.api_version import API_GROUP
from lenetkit.registry.catalog import GROUPS
from tests.support.documents import blocks_in, prose_in

PACKAGE = Path(lenetkit.__file__).resolve().parent
PAGES = [PACKAGE.parent / "README.md", *sorted((PACKAGE.parent / "docs").glob("*.md"))]
IMPORT = re.compile(r"^\s*from (lenetkit[\w.]*) import ([^#\n]+)", re.MULTILINE)
DOTTED = re.compile(r"(?<![\w./-])lenetkit(?:\.[A-Za-z_]\w*)+")


def used_names(text: str) -> set[str]:
    """The dotted lenetkit names in a page's Python code blocks and inline code."""
    code = "\n".join(block.text for block in blocks_in(text) if block.language == "python")
    inline = re.findall(r"`([^`\n]+)`", prose_in(text))
    names = set(DOTTED.findall("\n".join([code, *(c for c in inline if "import" not in c)])))
    for module, imported in IMPORT.findall(code):
        names |= {f"{module}.{name.strip(' ()')}" for name in imported.split(",")}
    return names


def resolve(name: str) -> Any:
    """The module or attribute that a dotted name stands for."""
    found: Any = lenetkit
    for part in name.split(".")[1:]:
        if not hasattr(found, part):
            importlib.import_module(f"{found.__name__}.{part}")
        found = getattr(found, part)
    return found


USED = sorted({name for page in PAGES for name in used_names(page.read_text("utf-8"))})


def test_the_names_of_a_page_are_found() -> None:
    page = (
        "`lenetkit.load` and `lenetkit/load.py`\n```python\nfrom lenetkit.authoring import A, B\n"
        "lenetkit.train(x)\n```\n```yaml\nlenetkit.no: 1\n```\n"
    )
    names = {"load", "authoring", "authoring.A", "authoring.B", "train"}
    assert used_names(page) == {f"lenetkit.{name}" for name in names}
    assert {"lenetkit.Run.create", "lenetkit.authoring.Elementwise"} <= set(USED)


@pytest.mark.parametrize("name", USED)
def test_a_name_in_the_documents_is_public(name: str) -> None:
    if name in {*GROUPS, API_GROUP}:  # an entry-point group
        return
    resolve(name)
    first = name.split(".")[1]
    is_module = importlib.util.find_spec(f"lenetkit.{first}") is not None
    assert is_module or first in lenetkit.__all__


@pytest.mark.parametrize("name", lenetkit.__all__)
def test_a_listed_name_exists(name: str) -> None:
    assert getattr(lenetkit, name) is not None
    assert name in dir(lenetkit)


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {"__version__", *seen} == set(lenetkit.__all__)
    for name, module in seen.items():
        assert getattr(importlib.import_module(module), name) is getattr(lenetkit, name)


def test_authoring_lists_exactly_what_it_offers() -> None:
    offered = {name for name in vars(authoring) if not name.startswith("_")}
    assert offered == set(authoring.__all__)
    assert len(authoring.__all__) == len(set(authoring.__all__))


def test_the_version_comes_from_a_module_that_imports_nothing() -> None:
    tree = ast.parse((PACKAGE / "_version.py").read_text("utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    (version,) = (node.value for node in tree.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(version) == lenetkit.__version__


@pytest.mark.parametrize("name", [name for name in lenetkit.__all__ if name != "__version__"])
def test_every_public_name_is_in_the_reference(name: str) -> None:
    found = getattr(lenetkit, name)
    listed = (PACKAGE.parent / "docs" / "python-api.md").read_text("utf-8").splitlines()
    assert f"::: {found.__module__}.{name}" in listed
