"""Wrong plugins from the field, each with one mistake, load under this plugin API.

They were written for plugin API 1 and ported as docs/plugin-api-2.md says.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lenetkit import authoring
from lenetkit.conformance.examples import examples
from lenetkit.errors import PluginError
from lenetkit.registry.api_version import migration_page
from lenetkit.registry.catalog import Catalog
from lenetkit.registry.plugin_file import add_file

FIELD = Path(__file__).parents[1] / "support" / "field"
FILES = sorted(FIELD.glob("*/*.py"))
UNPARSABLE = {"x09_syntax"}
HARMFUL = UNPARSABLE | {"x01_hang", "x02_osexit"}
"""Files that must not run in this process."""


def lenetkit_names(tree: ast.AST) -> Iterator[str]:
    """What a file imports from lenetkit, by full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "lenetkit")


def test_all_files_are_here() -> None:
    assert {path.stem for path in FILES} > HARMFUL | {"wrong_layers", "wrong_others"}


@pytest.mark.parametrize("path", [p for p in FILES if p.stem not in HARMFUL], ids=lambda p: p.stem)
def test_it_loads_and_its_classes_have_examples(path: Path) -> None:
    classes = [entry.point.load() for entry in add_file(Catalog(()), path)]
    assert classes
    for cls in classes:
        assert [type(example) for example in examples(cls)] == [cls]


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.stem not in UNPARSABLE], ids=lambda p: p.stem
)
def test_it_uses_the_public_names_only(path: Path) -> None:
    used = set(lenetkit_names(ast.parse(path.read_text("utf-8"))))
    assert used
    assert used <= {f"lenetkit.authoring.{name}" for name in authoring.__all__}


def test_a_file_that_does_not_parse_is_refused_with_its_line() -> None:
    path = FIELD / "plugins" / "x09_syntax.py"
    with pytest.raises(PluginError, match=r"SyntaxError: .*x09_syntax\.py, line 1"):
        add_file(Catalog(()), path)


API_1 = """\
from dataclasses import dataclass
import numpy as np
from lenetkit.initializers import Constant
from lenetkit.layer import Layer, ParamSpec, expect_image
"""


def test_its_lines_for_api_1_are_refused_with_the_page_that_helps(tmp_path: Path) -> None:
    source = (FIELD / "plugins" / "l05_added.py").read_text("utf-8")
    path = tmp_path / "l05_added.py"
    path.write_text(API_1 + source[source.index("@dataclass") :], "utf-8")
    with pytest.raises(PluginError) as caught:
        add_file(Catalog(()), path)
    assert "No module named 'lenetkit.layer'" in str(caught.value)
    assert str(migration_page()) in str(caught.value)
