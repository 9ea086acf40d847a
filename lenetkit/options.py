"""Options: the fields of a frozen dataclass, written once and used everywhere.

A layer's (optimizer's, transform's, …) fields are its options. The same declaration checks a
value given from Python, validates a spec, writes a spec back and documents the plugin::

    @dataclass(frozen=True, kw_only=True)
    class LeakyReLU(Layer):
        negative_slope: float = option(0.01, minimum=0, doc="Slope for x < 0.")
"""

from __future__ import annotations

import dataclasses
import functools
import math
import typing
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

from lenetkit import values
from lenetkit.errors import OptionError, did_you_mean
from lenetkit.values import alternatives, describe, show

REQUIRED = dataclasses.MISSING
UNRECORDED = Path("(a path, which model files do not record)")
"""Stands for a path that an option requires, in the spec of a model file."""


def option(
    default: Any = REQUIRED,
    *,
    doc: str,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """Declare one option of a `Configurable`.

    `minimum` and `maximum` include the bound, `above` and `below` exclude it; for a tuple each
    element is checked. `doc` is one sentence, shown to people who write specs.

    A file or folder is declared as `Path`, never as `str`: then a path in a spec is relative to the
    spec's file, and model files, which travel between computers, neither record nor obey it.
    """
    bounds = {"minimum": minimum, "maximum": maximum, "above": above, "below": below}
    metadata = {"doc": doc, "bounds": {k: v for k, v in bounds.items() if v is not None}}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Option:
    """One option: its name, type, default, bounds and documentation."""

    name: str
    hint: Any
    default: Any
    doc: str
    bounds: Mapping[str, float]

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is REQUIRED

    @property
    def is_path(self) -> bool:
        """Whether it names files or folders of this computer."""
        return any(Path in (part, *get_args(part)) for part in alternatives(self.hint))

    @property
    def expected(self) -> str:
        """The type and bounds in words: `an integer ≥ 1`."""
        words = {"minimum": "≥", "maximum": "≤", "above": ">", "below": "<"}
        limits = " and ".join(f"{words[k]} {v:g}" for k, v in self.bounds.items())
        return f"{describe(self.hint)} {limits}".rstrip()

    def convert(self, value: Any) -> Any:
        """The value as the declared type (a list becomes a tuple, an integer a float).

        Raises OptionError for any other value.
        """
        try:
            converted = values.convert(value, self.hint)
        except values.Mismatch:
            raise self._refusal(value) from None
        if not self._within_bounds(converted):
            raise self._refusal(value)
        return converted

    def _refusal(self, value: Any) -> OptionError:
        literals = [h for h in alternatives(self.hint) if get_origin(h) is Literal]
        choices = [c for h in literals for c in get_args(h) if isinstance(c, str)]
        near = did_you_mean(value, choices) if choices and isinstance(value, str) else ""
        return OptionError(self.name, f"expected {self.expected}, found {show(value)}{near}")

    def _within_bounds(self, value: Any) -> bool:
        if isinstance(value, tuple):
            return all(self._within_bounds(item) for item in value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        b, infinity = self.bounds, math.inf
        within = b.get("minimum", -infinity) <= value <= b.get("maximum", infinity)
        return within and b.get("above", -infinity) < value < b.get("below", infinity)


@dataclass(frozen=True, kw_only=True)
class Configurable(ABC):
    """Base of everything that a spec can name: frozen options and no other state.

    Subclasses are frozen, keyword-only dataclasses whose fields are made by `option`.
    Raises OptionError if an option has a value that its declaration does not accept.
    """

    group: ClassVar[str] = ""
    """The entry-point group that classes of this kind register in."""
    kind: ClassVar[str] = ""
    """What an object of the group is, in the singular: `layer`, `data set`."""
    expected_failures: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Conformance checks that the class is meant to fail, with the reason."""

    def __post_init__(self) -> None:
        for opt in options_of(type(self)):
            object.__setattr__(self, opt.name, opt.convert(getattr(self, opt.name)))
        self.validate()

    @classmethod
    def examples(cls) -> Sequence[Self]:
        """Objects for the conformance suite to check.

        Needed only if options without a default cannot be guessed from their bounds.
        """
        return ()

    def validate(self) -> None:
        """Check options against each other; raise OptionError."""


@functools.cache
def options_of(cls: type[Configurable]) -> tuple[Option, ...]:
    """The options of a class, in the order of declaration."""
    hints = typing.get_type_hints(cls)
    return tuple(
        Option(
            name=field.name,
            hint=hints[field.name],
            default=field.default,
            doc=field.metadata.get("doc", ""),
            bounds=field.metadata.get("bounds", {}),
        )
        for field in dataclasses.fields(cls)
    )


def plugin_base(hint: Any) -> type[Configurable] | None:
    """The kind of plugin that an option holds (`Initializer | None` → Initializer), if any."""
    for part in alternatives(hint):
        if get_origin(part) is tuple:
            part = get_args(part)[0]
        if isinstance(part, type) and issubclass(part, Configurable) and part.group:
            return part
    return None


def base_of(thing: Configurable) -> type[Configurable]:
    """The kind of plugin that an object is, such as Layer: its topmost class that has a group."""
    return [cls for cls in type(thing).__mro__ if vars(cls).get("group")][-1]


def is_list(hint: Any) -> bool:
    """Whether an option takes a list of any length."""
    return any(get_origin(h) is tuple and get_args(h)[-1] is ... for h in alternatives(hint))
