"""An object with other options: what a class promises, it promises for all of their values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from lenetkit.conformance.compare import fail
from lenetkit.errors import OptionError
from lenetkit.options import Configurable, Option, options_of
from lenetkit.values import alternatives

Thing = TypeVar("Thing", bound=Configurable)


@dataclass(frozen=True, eq=False)
class Variant(Generic[Thing]):
    """An object, and the options in which it differs from the one under test."""

    thing: Thing
    changes: dict[str, Any]

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.changes.items())


def variants(thing: Thing) -> list[Variant[Thing]]:
    """The object with each of its options changed, one at a time.

    A number changes once, a choice to each of the others. Where an option needs another
    (`nesterov` a momentum), both change. Options that hold text or an object stay.
    """
    found: list[Variant[Thing]] = []
    for knob in _knobs(thing):
        seen: list[Any] = []
        for variant in _turned(thing, knob):
            value = variant.changes[knob.option.name]
            if not seen or (value in _choices(knob.option.hint) and value not in seen):
                found.append(variant)
                seen.append(value)
    return found


def expect_effects(
    thing: Thing, results: Callable[[Thing], bytes], ignored: Sequence[str] = ()
) -> None:
    """Raises CheckFailed for an option of which no value changes the results, in any variant.

    `ignored` are options that others read.
    """
    contexts = [thing, *(variant.thing for variant in variants(thing))]
    for knob in _knobs(thing):
        pairs = [
            (context, other.thing)
            for context in contexts
            for other in _turned(context, knob)
            if len(other.changes) == 1
        ]
        if knob.option.name in ignored or not pairs:
            continue
        if all(results(one) == results(other) for one, other in pairs):
            name = knob.option.name
            raise fail(
                f"option '{knob}': every value of it gives the same results",
                f"nothing reads self.{name}; use the option, or remove it",
            )


@dataclass(frozen=True)
class _Knob:
    """An option, or one element of a tuple whose elements have names of their own."""

    option: Option
    index: int | None = None

    def __str__(self) -> str:
        return self.option.name + ("" if self.index is None else f"[{self.index}]")


def _knobs(thing: Configurable) -> Iterator[_Knob]:
    for opt in options_of(type(thing)):
        value = getattr(thing, opt.name)
        fixed = isinstance(value, tuple) and ... not in get_args(opt.hint)
        yield from (_Knob(opt, i) for i in range(len(value))) if fixed else (_Knob(opt),)


def _turned(thing: Thing, knob: _Knob) -> Iterator[Variant[Thing]]:
    """Variants in which the option has another value."""
    name, refused = knob.option.name, True
    others = list(_others(knob, thing))
    for value in others:
        for variant in _made(thing, {name: value}):
            refused = False
            yield variant
    for partner in _knobs(thing) if refused else ():
        if partner.option.name != name:
            for value in _others(partner, thing):
                for other in others:
                    yield from _made(thing, {name: other, partner.option.name: value})


def _made(thing: Thing, changes: dict[str, Any]) -> Iterator[Variant[Thing]]:
    with contextlib.suppress(ValueError):  # OptionError is one
        yield Variant(replace(thing, **changes), changes)


def _others(knob: _Knob, thing: Configurable) -> Iterator[Any]:
    """Values that the option takes, other than its own: the nearest first."""
    opt, value = knob.option, getattr(thing, knob.option.name)
    low = opt.bounds.get("minimum", opt.bounds.get("above"))
    if isinstance(value, tuple):
        at, hint = knob.index or 0, get_args(opt.hint)[0] if get_args(opt.hint) else None
        items = _candidates(hint, value[at], low) if value else ()
        found: Iterator[Any] = ((*value[:at], item, *value[at + 1 :]) for item in items)
    else:
        found = _candidates(opt.hint, value, low)
    for other in found:
        with contextlib.suppress(OptionError):
            if opt.convert(other) != value:
                yield other


def _choices(hint: Any) -> list[Any]:
    """The values of a hint that can be listed."""
    found: list[Any] = []
    for part in alternatives(hint):
        if get_origin(part) is Literal:
            found += get_args(part)
        elif part in (bool, type(None)):
            found += [False, True] if part is bool else [None]
    return found


def _candidates(hint: Any, value: Any, low: float | None) -> Iterator[Any]:
    kinds = alternatives(hint)
    for kind in (int, float):
        if kind in kinds:
            yield from _numbers(kind, value, low)
    yield from _choices(hint)


def _numbers(kind: type, value: Any, low: float | None) -> Iterator[float]:
    """Twice and half a number, then some that are usual for options."""
    if isinstance(value, int | float) and value:
        yield from (2 * value, value + 1) if kind is int else (2 * value, value / 2)
    yield from (3, 1, 2, 5) if kind is int else (0.5, 0.1, 1.0, 2.0, 1e-3, 30.0)
    if low is not None:
        yield low if kind is int else low + 1e-3
