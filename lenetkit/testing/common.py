"""Checks for everything that a spec can name: its options, its copies, and that it holds no state.

A case has the object under test as its attribute `thing`.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import json
import pickle
from typing import Any, Protocol

import numpy as np

from lenetkit.errors import PluginError, SpecError
from lenetkit.options import Configurable, base_of, options_of
from lenetkit.registry.catalog import installed
from lenetkit.spec.bind import Binder
from lenetkit.spec.nodes import MapNode, Mark, parse
from lenetkit.testing.compare import fail
from lenetkit.testing.report import CheckSkipped


class HasThing(Protocol):
    """What the checks here need of a case."""

    @property
    def thing(self) -> Configurable:
        """The object under test."""


def options_are_documented(case: HasThing) -> None:
    """Every option is declared by `option(…, doc=…)`, with a sentence for writers of specs."""
    for opt in options_of(type(case.thing)):
        if not opt.doc.strip():
            raise fail(
                f"option '{opt.name}': expected a doc, found none",
                f'declare it as {opt.name}: … = option(…, doc="…")',
            )


def options_are_frozen(case: HasThing) -> None:
    """The class is a frozen dataclass: options cannot be assigned, equal ones are equal objects."""
    thing = case.thing
    parameters = getattr(type(thing), "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise fail(f"{type(thing).__name__}: expected a frozen dataclass", _DECORATE)
    annotations = inspect.get_annotations(type(thing))
    for name, hint in annotations.items():
        declared = {field.name for field in dataclasses.fields(thing)}
        if name not in declared and not name.startswith("_") and "ClassVar" not in str(hint):
            raise fail(f"'{name}' is annotated, but is no option of the dataclass", _DECORATE)
    twin = dataclasses.replace(thing)
    if twin != thing or hash(twin) != hash(thing):
        raise fail(
            "two objects with the same options are not equal, or hash differently", _DECORATE
        )


_DECORATE = "decorate the class itself with @dataclass(frozen=True, kw_only=True)"


def options_round_trip(case: HasThing) -> None:
    """Options written out as a spec has them read back as an equal object."""
    thing = case.thing
    text = json.dumps({name: _plain(v) for name, v in _options(thing).items() if v is not None})
    binder = Binder(installed())
    try:
        node = parse(text, Mark("options"))
    except SpecError as error:
        raise fail(f"options {text} do not read back: {error}") from error
    if not isinstance(node, MapNode):
        raise fail(f"options {text} do not read back as a mapping")
    back = binder.options(type(thing), node, "", type(thing).__name__)
    if binder.problems:
        problems = "; ".join(str(problem) for problem in binder.problems)
        raise fail(
            f"options {text} do not read back: {problems}",
            "an option holds a value that its own declaration refuses; is it set after init?",
        )
    if back != thing:
        raise fail(f"expected {thing!r}, found {back!r} after writing and reading back")


def deepcopy_is_equal(case: HasThing) -> None:
    """A deep copy is equal to the original."""
    twin = copy.deepcopy(case.thing)
    if twin != case.thing:
        raise fail(f"expected {case.thing!r}, found {twin!r}", "the object holds more than options")


def pickle_is_equal(case: HasThing) -> None:
    """A pickled object comes back equal, so that other processes can be given it."""
    thing = case.thing
    try:
        twin = pickle.loads(pickle.dumps(thing))
    except Exception as error:  # pickle raises many kinds
        raise fail(
            f"cannot be pickled: {type(error).__name__}: {error}",
            "the class is not at the top level of its module, or the object holds a function "
            "or an open file",
        ) from error
    if twin != thing:
        raise fail(f"expected {thing!r}, found {twin!r}", "the object holds more than options")


COMMON = (
    options_are_documented,
    options_are_frozen,
    options_round_trip,
    deepcopy_is_equal,
    pickle_is_equal,
)


class Unchanged:
    """Remembers what an object and its class hold, to find what was added or replaced since."""

    def __init__(self, thing: Configurable) -> None:
        self.thing = thing
        self.own, self.shared = self._held()

    def expect(self, when: str) -> None:
        """Raises CheckFailed where the object or its class holds anything else than before."""
        own, shared = self._held()
        found = _changed(self.own, own) + _changed(self.shared, shared)
        if found:
            raise fail(
                f"after {when}, {', '.join(found)} of {type(self.thing).__name__} changed",
                "objects hold options and nothing else: what one pass leaves for another goes "
                "through the return value, the parameters or the state that is handed in",
            )

    def _held(self) -> tuple[dict[str, Any], dict[str, Any]]:
        cls = type(self.thing)
        own = {
            name: value
            for name, value in vars(self.thing).items()
            if not isinstance(getattr(cls, name, None), functools.cached_property)
        }
        owner = [c for c in cls.__mro__ if c not in Configurable.__mro__]
        shared = {
            name: value
            for c in reversed(owner)
            for name, value in vars(c).items()
            if not name.startswith("__") and name != "_abc_impl"
        }
        return _snapshot(own), _snapshot(shared)


def _snapshot(values: dict[str, Any]) -> dict[str, Any]:
    """Each value with a copy of what it holds, where it can be written to."""
    kinds = (np.ndarray, list, dict, set, bytearray)
    copies = {n: copy.deepcopy(v) if isinstance(v, kinds) else None for n, v in values.items()}
    return {name: (value, copies[name]) for name, value in values.items()}


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    names = [name for name in {**before, **after} if name not in before or name not in after]
    for name in before.keys() & after.keys():
        (old, old_copy), (new, new_copy) = before[name], after[name]
        if old is not new or not _equal(old_copy, new_copy):
            names.append(name)
    return sorted(set(names))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and np.array_equal(a, b)
    return repr(a) == repr(b)


def _options(thing: Configurable) -> dict[str, Any]:
    return {opt.name: getattr(thing, opt.name) for opt in options_of(type(thing))}


def _plain(value: Any) -> Any:
    """A value as a spec writes it. Raises CheckSkipped for a plugin that no spec can name."""
    if isinstance(value, Configurable):
        try:
            name = installed().registry(base_of(value)).name_of(type(value))
        except PluginError as error:
            raise CheckSkipped(f"no spec can name an option's value: {error}") from None
        return {"type": name} | {
            name: _plain(v) for name, v in _options(value).items() if v is not None
        }
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
