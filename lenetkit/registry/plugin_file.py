"""One-off plugins: a Python file whose classes a spec can name, without any packaging.

The file says what it provides in a dictionary::

    PLUGINS = {"elu": ELU}
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from lenetkit.errors import PluginError
from lenetkit.files.opening import open_regular, refusal
from lenetkit.options import Configurable
from lenetkit.registry.blame import blaming
from lenetkit.registry.catalog import GROUPS, Catalog, Provider, Registration

MODULE = "lenetkit_plugin_"
"""How the names of plugin files' modules begin."""


def kinds() -> str:
    """The base classes of plugins, in words."""
    *names, last = (base.__name__ for base in GROUPS.values())
    return f"{', '.join(names)} or {last}"


def add_file(catalog: Catalog, path: Path, *, replace: bool = False) -> list[Registration]:
    """Run a plugin file and register the classes in its `PLUGINS`.

    The provider is the file's name, its version the SHA-256 of its bytes; with `replace` it takes
    the place of one with that name. Raises PluginError if the file cannot be run or does not say
    what it provides.
    """
    try:
        with open_regular(path) as file:
            source = file.read()
    except OSError as error:
        raise PluginError(f"{path}: {refusal(error, 'a Python file')}") from None
    digest = hashlib.sha256(source).hexdigest()
    provider = Provider(path.name, f"sha256:{digest[:12]}")
    module = _run(path, f"{MODULE}{digest[:12]}")
    with blaming(f"{path}: PLUGINS cannot be read"):
        provided = _provided(module, path)
    added = []
    for name, group, qualname in provided:
        point = EntryPoint(name, f"{module.__name__}:{qualname}", group)
        added.append(Registration(name, point.value, provider, point))
        catalog.add(group, added[-1], replace=replace)
    return added


def _provided(module: ModuleType, path: Path) -> list[tuple[str, str, str]]:
    """(name, group, qualified name) of each class that `PLUGINS` names."""
    plugins = getattr(module, "PLUGINS", None)
    if not isinstance(plugins, dict) or not plugins:
        raise PluginError(
            f"{path}: does not say what it provides; add a line such as "
            "PLUGINS = {'my_layer': MyLayer}"
        )
    provided = []
    for name, cls in plugins.items():
        if not isinstance(name, str):
            raise PluginError(f"{path}: PLUGINS: expected names as keys, found {name!r}")
        group = getattr(cls, "group", None)
        if not (isinstance(cls, type) and issubclass(cls, Configurable) and group in GROUPS):
            raise PluginError(f"{path}: PLUGINS[{name!r}] is not a subclass of {kinds()}")
        provided.append((name, group, cls.__qualname__))
    return provided


def _run(path: Path, name: str) -> ModuleType:
    """The file as a module; an unchanged file is not run again."""
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise PluginError(f"{path}: expected a Python file, its name ending in .py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look up their module while the file runs
    try:
        with blaming(f"{path}: does not run"):
            found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
