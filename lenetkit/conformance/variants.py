"""Objects that differ from one in an option, as its declaration allows."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, TypeVar, get_args, get_origin

from lenetkit.errors import OptionError
from lenetkit.options import Configurable, Option, options_of
from lenetkit.values import alternatives, show

Thing = TypeVar("Thing", bound=Configurable)
_EACH = 3
"""Values tried of an option, at most."""


def variants(thing: Thing, fixed: frozenset[str] = frozenset()) -> Iterator[tuple[str, Thing]]:
    """Objects with another value of one option, then some with others of all, and their options.

    Options in `fixed`, those that hold plugins or text, and values that the class refuses are left
    out.
    """
    others = {
        opt.name: _others(opt, getattr(thing, opt.name))
        for opt in options_of(type(thing))
        if opt.name not in fixed
    }
    others = {name: values for name, values in others.items() if values}
    for name, values in others.items():
        for value in values:
            yield from _changed(thing, {name: value})
    for turn in range(_EACH if len(others) > 1 else 0):
        yield from _changed(thing, {name: v[turn % len(v)] for name, v in others.items()})


def _changed(thing: Thing, options: dict[str, Any]) -> Iterator[tuple[str, Thing]]:
    with contextlib.suppress(OptionError):
        text = ", ".join(f"{name}={show(value)}" for name, value in options.items())
        yield text, replace(thing, **options)


def _others(opt: Option, value: Any) -> list[Any]:
    """Values that the option takes, other than this one; the most telling ones first."""
    found: list[Any] = []
    for candidate in _candidates(opt, value):
        with contextlib.suppress(OptionError):
            converted = opt.convert(candidate)
            if converted != value and converted not in found:
                found.append(converted)
    return found[:_EACH]


def _candidates(opt: Option, value: Any) -> Iterator[Any]:
    """Values of each type that the option takes, in turn."""
    by_type = itertools.zip_longest(*(_of_type(h, opt, value) for h in alternatives(opt.hint)))
    return (candidate for turn in by_type for candidate in turn if candidate is not None)


def _of_type(hint: Any, opt: Option, value: Any) -> Iterator[Any]:
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        yield from arguments
    elif get_origin(hint) is tuple and arguments[0] in (int, float):
        yield from _tuples(opt, value, arguments)
    elif hint is bool:
        yield not value
    elif hint in (int, float):
        yield from _numbers(opt, value, hint)


def _tuples(opt: Option, value: Any, arguments: tuple[Any, ...]) -> Iterator[Any]:
    """The same with one element changed; of another type, unequal elements."""
    if not isinstance(value, tuple):
        low = int(max(opt.bounds.get("minimum", 0), 0))
        length = 2 if arguments[-1] is ... else len(arguments)
        yield tuple(low + 1 + i % 2 for i in range(length))
        return
    for i, element in enumerate(value):
        for other in _numbers(opt, element, arguments[0]):
            yield (*value[:i], other, *value[i + 1 :])


def _numbers(opt: Option, value: Any, kind: type) -> Iterator[int | float]:
    """Numbers near the value, and the bounds. None is below 0, unless that is declared."""
    low = opt.bounds.get("minimum", opt.bounds.get("above", -math.inf))
    high = opt.bounds.get("maximum", opt.bounds.get("below", math.inf))
    now = value if isinstance(value, int | float) else max(low, 0)
    if kind is int:
        numbers = [now + 1, low, now + 2, now - 1]
    else:
        numbers = [1.7 * now + 0.1, low, high, 0.3 * now, (now + high) / 2]
    for number in numbers:  # six digits, as people would write it
        if abs(number) < _FAR and (number >= 0 or low > -math.inf or now < 0):
            yield kind(f"{number:.6g}")


_FAR = 1000
"""Larger numbers are not tried: a size of that many takes long."""
