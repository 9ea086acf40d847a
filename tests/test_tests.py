"""All tests: they use no private names of the package, and the slow ones are listed by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = sorted([*TESTS.rglob("*.py"), *TESTS.parent.glob("plugins/*/tests/**/*.py")])
PUBLIC = {"_exit", "_fields", "_replace", "_repr_html_", "_repr_mimebundle_"}
"""Public names of Python itself, of `os` and of named tuples, and what notebooks call."""


def private_uses(tree: ast.AST) -> Iterator[str]:
    """The private names of other objects and modules that a file uses, with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name):
                names = [name]
            case ast.ImportFrom(module=module, names=aliases):
                names = [*str(module).split("."), *(alias.name for alias in aliases)]
            case ast.Call(func=ast.Attribute(attr="setattr" | "delattr"), args=args):
                texts = [str(arg.value) for arg in args if isinstance(arg, ast.Constant)]
                names = [name for text in texts for name in text.split(".")]
            case _:
                continue
        for name in names:
            if re.match(r"_[^_]", name) and name not in PUBLIC:
                yield f"{node.lineno}: {name}"


@pytest.mark.parametrize(
    "line",
    [
        "stage.call._buffers",
        "from lenetkit.training.loop import _draw",
        "from lenetkit._version import __version__",
        "monkeypatch.setattr(loop, '_draw', draw)",
        "monkeypatch.setattr('lenetkit.training.loop._draw', draw)",
    ],
)
def test_private_names_are_seen(line: str) -> None:
    assert list(private_uses(ast.parse(line)))


def test_no_test_uses_a_private_name() -> None:
    used = {
        path.relative_to(TESTS.parent).as_posix(): found
        for path in FILES
        if path.name != "x09_syntax.py"
        and (found := list(private_uses(ast.parse(path.read_text("utf-8")))))
    }
    assert used == {}


def test_every_slow_test_exists() -> None:
    for test in (TESTS / "slow.txt").read_text("utf-8").splitlines():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (TESTS.parent / file).read_text("utf-8"), test
