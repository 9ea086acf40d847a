"""An object with other options: what a class promises, it promises for all of their values."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from lenetkit.conformance.compare import fail
from lenetkit.errors import OptionError, ShapeError
from lenetkit.options import Configurable, Option, options_of
from lenetkit.values import alternatives, show

Thing = TypeVar("Thing", bound=Configurable)
_FAR = 1000
"""Larger numbers are not tried: a size of that many takes long."""


@dataclass(frozen=True, eq=False)
class Variant(Generic[Thing]):
    """An object, and the options in which it differs from the one under test."""

    thing: Thing
    changes: dict[str, Any]

    def __str__(self) -> str:
        return ", ".join(f"{name}={show(value)}" for name, value in self.changes.items())


def variants(thing: Thing, fixed: Collection[str] = (), each: int = 1) -> list[Variant[Thing]]:
    """The object with each of its options changed, one at a time, then with all of them changed.

    A number changes to `each` others, a choice to each of the others. Where an option needs another
    (`nesterov` a momentum), both change. Options in `fixed`, those that hold text or an object, and
    values that the class refuses are left out.
    """
    found: list[Variant[Thing]] = []
    for knob in _knobs(thing, fixed):
        tried: list[Any] = []
        for variant in _turned(thing, knob):
            value = variant.changes[knob.option.name]
            new = value not in tried
            if new and (len(tried) < each or value in _choices(knob.option.hint)):
                found.append(variant)
                tried.append(value)
    values: dict[str, list[Any]] = {}
    for variant in found:
        for name, value in variant.changes.items():
            values.setdefault(name, []).append(value)
    for turn in range(each if len(values) > 1 else 0):
        found += _made(thing, {name: v[turn % len(v)] for name, v in values.items()})
    return found


def expect_effects(
    thing: Thing, results: Callable[[Thing], bytes], ignored: Collection[str] = ()
) -> None:
    """Raises CheckFailed for an option of which no value changes the results, in any variant.

    `ignored` are options that others read. Where `results` raises ShapeError, nothing is compared.
    """

    contexts = [thing, *(variant.thing for variant in variants(thing))]
    for knob in _knobs(thing, ignored):
        compared = False
        for one, other in _pairs(contexts, knob):
            with contextlib.suppress(ShapeError):
                if results(one) != results(other):
                    break
                compared = True
        else:
            if compared:
                raise fail(
                    f"option '{knob}': every value of it gives the same results",
                    f"nothing reads self.{knob.option.name}; use the option, or remove it",
                )


@dataclass(frozen=True)
class _Knob:
    """An option, or one element of a tuple whose elements have names of their own."""

    option: Option
    index: int | None = None

    def __str__(self) -> str:
        return self.option.name + ("" if self.index is None else f"[{self.index}]")


def _knobs(thing: Configurable, fixed: Collection[str]) -> Iterator[_Knob]:
    for opt in options_of(type(thing)):
        if opt.name not in fixed:
            value = getattr(thing, opt.name)
            named = isinstance(value, tuple) and ... not in get_args(opt.hint)
            yield from (_Knob(opt, i) for i in range(len(value))) if named else (_Knob(opt),)


def _pairs(contexts: list[Thing], knob: _Knob) -> Iterator[tuple[Thing, Thing]]:
    """Objects that differ in one option alone."""
    for context in contexts:
        for variant in _turned(context, knob):
            if len(variant.changes) == 1:
                yield context, variant.thing


def _turned(thing: Thing, knob: _Knob) -> Iterator[Variant[Thing]]:
    """Variants in which the option has another value."""
    name, refused = knob.option.name, True
    others = list(_others(knob, thing))
    for value in others:
        for variant in _made(thing, {name: value}):
            refused = False
            yield variant
    for partner in _knobs(thing, (name,)) if refused else ():
        for value in _others(partner, thing):
            for other in others:
                yield from _made(thing, {name: other, partner.option.name: value})


def _made(thing: Thing, changes: dict[str, Any]) -> Iterator[Variant[Thing]]:
    with contextlib.suppress(ValueError):  # OptionError is one
        yield Variant(replace(thing, **changes), changes)


def _others(knob: _Knob, thing: Configurable) -> Iterator[Any]:
    """Values that the option takes, other than its own: the most telling first."""
    opt, value = knob.option, getattr(thing, knob.option.name)
    if isinstance(value, tuple):
        at, kind = knob.index or 0, type(value[knob.index or 0]) if value else None
        items = _numbers(opt, value[at], kind) if kind in (int, float) else ()
        found: Iterator[Any] = ((*value[:at], item, *value[at + 1 :]) for item in items)
    else:
        by_type = (_of_type(kind, opt, value) for kind in alternatives(opt.hint))
        turns = itertools.zip_longest(*by_type, fillvalue=value)
        found = itertools.chain.from_iterable(turns)
    for other in found:
        with contextlib.suppress(OptionError):
            if (converted := opt.convert(other)) != value:
                yield converted


def _of_type(kind: Any, opt: Option, value: Any) -> Iterator[Any]:
    if kind in (int, float):
        yield from _numbers(opt, value, kind)
    elif get_origin(kind) is tuple and ... not in get_args(kind):
        low = int(max(opt.bounds.get("minimum", 0), 0))
        yield tuple(low + 1 + i % 2 for i in range(len(get_args(kind))))
    yield from _choices(kind)


def _choices(hint: Any) -> list[Any]:
    """The values of a hint that can be listed."""
    found: list[Any] = []
    for part in alternatives(hint):
        if get_origin(part) is Literal:
            found += get_args(part)
        elif part in (bool, type(None)):
            found += [False, True] if part is bool else [None]
    return found


def _numbers(opt: Option, value: Any, kind: type) -> Iterator[float]:
    """Numbers near the value, the bounds, and some that are usual for options.

    A number between 0 and 1 stays there at first, since most are shares. None is below 0, unless
    that is declared.
    """
    low = opt.bounds.get("minimum", opt.bounds.get("above", -math.inf))
    high = opt.bounds.get("maximum", opt.bounds.get("below", math.inf))
    now = value if type(value) in (int, float) else max(low, 0)
    if kind is int:
        numbers = [now + 1, now + 2, now - 1, low, high, 2 * now, 3, 1, 2, 5]
    else:
        share = 0 < now < 1
        numbers = [(now + min(high, 1)) / 2 if share else 2 * now, now / 2, low, high]
        numbers += [0.5, 0.1, 1.0, 2.0, 1e-3, 30.0, low + 1e-3]
    for number in numbers:  # six digits, as people would write it
        if abs(number) < _FAR and (number >= 0 or low > -math.inf or now < 0):
            yield kind(f"{number:.6g}")
