"""Checks for everything that a spec can name: options, copies, and holding no state."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import json
import pickle
from typing import Any, Protocol

import numpy as np

from lenetkit.conformance.compare import fail
from lenetkit.conformance.origin import Rung
from lenetkit.conformance.report import CheckSkipped
from lenetkit.errors import PluginError, SpecError
from lenetkit.options import Configurable, base_of, options_of
from lenetkit.registry.catalog import installed
from lenetkit.spec.bind import Binder
from lenetkit.spec.nodes import MapNode, Mark, parse

_DECORATE = "decorate the class itself with @dataclass(frozen=True, kw_only=True)"
_MORE = "the object holds more than its options"


class HasThing(Protocol):
    """What these checks need of a case."""

    @property
    def thing(self) -> Configurable:
        """The object under test."""


def options_are_documented(case: HasThing) -> None:
    """Every option is declared by `option(…, doc=…)`, with a sentence for spec writers."""
    for opt in options_of(type(case.thing)):
        if not opt.doc.strip():
            raise fail(
                f"option '{opt.name}': expected a doc, found none",
                f'declare it as {opt.name}: … = option(…, doc="…")',
            )


def options_are_frozen(case: HasThing) -> None:
    """The class is a frozen dataclass: options are read-only, and equal options equal objects."""
    thing = case.thing
    parameters = getattr(type(thing), "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise fail(f"{type(thing).__name__}: expected a frozen dataclass", _DECORATE)
    declared = {field.name for field in dataclasses.fields(thing)}
    for name, hint in inspect.get_annotations(type(thing)).items():
        if name not in declared and not name.startswith("_") and "ClassVar" not in str(hint):
            raise fail(f"'{name}' is annotated but is not an option of the dataclass", _DECORATE)
    twin = dataclasses.replace(thing)
    if twin != thing or hash(twin) != hash(thing):
        raise fail("two objects with the same options differ, or their hashes do", _DECORATE)


def options_round_trip(case: HasThing) -> None:
    """Options written as in a spec are read back as an equal object."""
    thing = case.thing
    text = json.dumps(_written(thing))
    binder = Binder(installed())
    try:
        node = parse(text, Mark("options"))
    except SpecError as error:
        raise fail(f"options {text} cannot be read back: {error}") from error
    if not isinstance(node, MapNode):
        raise fail(f"options {text} cannot be read back as a mapping")
    back = binder.options(type(thing), node, "", type(thing).__name__)
    if binder.problems:
        raise fail(
            f"options {text} cannot be read back: {'; '.join(map(str, binder.problems))}",
            "an option holds a value that its own declaration rejects; is it set after __init__?",
        )
    _expect_equal(back, thing, "")


def deepcopy_is_equal(case: HasThing) -> None:
    """A deep copy equals the original."""
    _expect_equal(copy.deepcopy(case.thing), case.thing, _MORE)


def pickle_is_equal(case: HasThing) -> None:
    """A pickled object is loaded as an equal one, so it can be sent to another process."""
    try:
        twin = pickle.loads(pickle.dumps(case.thing))
    except Exception as error:  # pickle raises many kinds
        raise fail(
            f"cannot be pickled: {type(error).__name__}: {error}",
            "the class is not at the top level of its module, or the object holds a function "
            "or an open file",
        ) from error
    _expect_equal(twin, case.thing, _MORE)


COMMON = (
    options_are_documented,
    options_are_frozen,
    options_round_trip,
    deepcopy_is_equal,
    pickle_is_equal,
)
COMMON_LADDERS = (
    (
        Rung(("options_round_trip",), ("options_are_frozen",)),
        Rung(("pickle_is_equal",), ("deepcopy_is_equal",)),
    ),
)


def _expect_equal(found: Any, expected: Configurable, cause: str) -> None:
    if found != expected:
        raise fail(f"expected {expected!r}, found {found!r}", cause)


class Unchanged:
    """Remembers what an object and its class hold, to find what has changed since."""

    def __init__(self, thing: Configurable) -> None:
        self.thing = thing
        self.before = self._held()

    def expect(self, when: str) -> None:
        """Raises CheckFailed if the object or its class no longer holds what it held before."""
        before, after = self.before, self._held()
        names = sorted({**before, **after})
        changed = [name for name in names if not _same(before.get(name), after.get(name))]
        if changed:
            raise fail(
                f"after {when}, {', '.join(changed)} of {type(self.thing).__name__} changed",
                "an object may hold only its options: pass everything else on through return "
                "values, parameters or the state argument",
            )

    def _held(self) -> dict[str, tuple[Any, Any]]:
        """Every attribute as (value, copy of its contents if they can change)."""
        cls = type(self.thing)
        held = {
            f"self.{name}": value
            for name, value in vars(self.thing).items()
            if not isinstance(getattr(cls, name, None), functools.cached_property)
        }
        for owner in reversed([c for c in cls.__mro__ if c not in Configurable.__mro__]):
            for name, value in vars(owner).items():
                if not name.startswith("__") and name != "_abc_impl":
                    held[f"{owner.__name__}.{name}"] = value
        kinds = (np.ndarray, list, dict, set, bytearray)
        return {n: (v, copy.deepcopy(v) if isinstance(v, kinds) else None) for n, v in held.items()}


def _same(before: tuple[Any, Any] | None, after: tuple[Any, Any] | None) -> bool:
    if before is None or after is None or before[0] is not after[0]:
        return False
    old, new = before[1], after[1]
    return np.array_equal(old, new) if isinstance(old, np.ndarray) else repr(old) == repr(new)


def _written(thing: Configurable) -> dict[str, Any]:
    """The options as a spec writes them: without those that are None by default."""
    options = [(opt, getattr(thing, opt.name)) for opt in options_of(type(thing))]
    return {opt.name: _plain(v) for opt, v in options if (v, opt.default) != (None, None)}


def _plain(value: Any) -> Any:
    """A value as a spec writes it. Raises CheckSkipped for a plugin that no spec can name."""
    if isinstance(value, Configurable):
        try:
            name = installed().registry(base_of(value)).name_of(type(value))
        except PluginError as error:
            raise CheckSkipped(f"no spec can name the value of an option: {error}") from None
        return {"type": name, **_written(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
