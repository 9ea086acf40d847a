"""A class as a new process would have it: its module has just run, and remembers nothing."""

from __future__ import annotations

import importlib.util
import operator
import sys
from dataclasses import replace
from typing import TypeVar

from lenetkit.conformance.report import CheckSkipped
from lenetkit.options import Configurable, options_of
from lenetkit.registry.blame import package_of

Thing = TypeVar("Thing", bound=Configurable)
FORGOTTEN = (
    "a module or class remembers something from the first call in a process on; a run that is "
    "resumed begins with another call"
)


def reloaded(thing: Thing) -> Thing:
    """An object with the same options, of the class that its module makes when it runs again.

    Other modules stay as they are, and lenetkit's own. Raises CheckSkipped if the module cannot
    run again, or does not make such a class.
    """
    cls = type(thing)
    if package_of(cls.__module__) == package_of(__name__):
        return replace(thing)
    old = sys.modules.get(cls.__module__)
    spec = getattr(old, "__spec__", None)
    if old is None or spec is None or spec.loader is None:
        raise CheckSkipped(f"{cls.__module__} is no module that can run again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[cls.__module__] = module  # dataclasses look up their module while it runs
    try:
        spec.loader.exec_module(module)
        made = operator.attrgetter(cls.__qualname__)(module)
        options = {opt.name: getattr(thing, opt.name) for opt in options_of(cls)}
        again: Thing = made(**options)
    except Exception as error:  # whatever the module's own code raises
        raise CheckSkipped(f"{cls.__module__} cannot run again: {error!r}") from None
    finally:
        sys.modules[cls.__module__] = old
    return again
