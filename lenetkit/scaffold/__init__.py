"""What `lenetkit plugins new` creates: a distribution with a layer, an optimizer and tests.

The other files here are its templates; `$name` is the distribution, `$module` its package.
"""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from pathlib import Path
from string import Template

from lenetkit._version import __version__
from lenetkit.errors import InputError
from lenetkit.files import atomic
from lenetkit.registry.api_version import API

_NAME = re.compile(r"[a-z]([a-z0-9]|-(?=[a-z0-9]))*")
_TARGETS = {
    "pyproject.toml.in": "pyproject.toml",
    "README.md.in": "README.md",
    "package.py.in": "src/$module/__init__.py",
    "tests.py.in": "tests/test_$module.py",
}


def write(name: str, parent: Path) -> list[Path]:
    """Create the distribution `name` in a new folder of that name; returns its files.

    Raises InputError for an unsuitable name and if the folder exists.
    """
    module = name.replace("-", "_")
    taken = module in sys.stdlib_module_names or keyword.iskeyword(module) or module == "lenetkit"
    if not _NAME.fullmatch(name) or taken:
        raise InputError(
            f"'{name}': expected a name of lowercase letters, digits and single hyphens that is "
            "not a Python module or keyword, such as my-layers"
        )
    folder = parent / name
    if folder.exists():
        raise InputError(f"{folder}: already exists; choose another name, or another --out")
    values = {"name": name, "module": module, "version": __version__, "api": API}
    written = []
    for template, target in _TARGETS.items():
        text = resources.files(__package__).joinpath(template).read_text("utf-8")
        path = folder / Template(target).substitute(values)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, Template(text).substitute(values))
        written.append(path)
    return written
