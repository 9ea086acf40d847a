"""The plugin files among those in a folder."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

_NEVER = {"__pycache__", "site-packages", "node_modules", "venv", "env"}
_TESTS = ("test_*.py", "*_test.py", "conftest.py", "setup.py", "__init__.py", "__main__.py")


def python_files(folder: Path) -> Iterator[Path]:
    """The Python files in a folder and below that somebody may have handed in.

    Tests, hidden files and folders, and virtual environments are left out.
    """
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _NEVER
            and not Path(here, name, "pyvenv.cfg").exists()
        )
        for path in map(Path(here).joinpath, sorted(names)):
            tests = any(path.match(pattern) for pattern in _TESTS)
            if path.suffix == ".py" and not path.name.startswith(".") and not tests:
                yield path


def may_have_plugins(file: Path) -> bool:
    """Whether a file mentions `PLUGINS`, or cannot be parsed."""
    try:
        source = file.read_bytes()
        ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return True  # loading it will say why
    return b"PLUGINS" in source
