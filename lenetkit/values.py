"""Converting plain values (from a spec, JSON or Python) to the type that a hint declares."""

from __future__ import annotations

import types
from abc import ABCMeta
from dataclasses import is_dataclass
from pathlib import Path
from typing import (
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from lenetkit.text import printable

NAMES = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a string",
    Path: "a path",
    list: "a list",
    dict: "a mapping",
}


class Mismatch(ValueError):  # noqa: N818
    """A value does not match its hint; the message says where, and what was expected."""

    def __init__(self, where: str, expected: str, found: Any) -> None:
        super().__init__(f"{where}: expected {expected}, found {show(found)}")


def plain(value: Any) -> Any:
    """NumPy's scalars, and arrays without an axis, as Python's; anything else as it is.

    Recognized by what they offer, as those of other array libraries are.
    """
    if getattr(value, "ndim", None) != 0 or not callable(getattr(value, "item", None)):
        return value
    item = value.item()
    return float(item) if hasattr(item, "ndim") else item  # NumPy's longdouble stays its own


def convert(value: Any, hint: Any, where: str = "value") -> Any:
    """`value` as `hint`: a list becomes a tuple, an integer a float, a mapping a dataclass.

    NumPy's scalars count as Python's, and its vectors as lists.

    Hints are numbers, strings, Path, Literal, unions, tuples, lists, `dict[str, …]`, plain
    dataclasses, TypedDicts and any other class. Raises Mismatch, whose message begins with the
    path that `where` starts, such as `progress.best.epoch`.
    """
    value = plain(value)
    parts = alternatives(hint)
    if len(parts) > 1:
        for part in parts:
            try:
                return convert(value, part, where)
            except Mismatch:
                continue
        raise Mismatch(where, describe(hint), value)
    origin = get_origin(hint) or hint
    if is_typeddict(hint) or (is_dataclass(hint) and not isinstance(hint, ABCMeta)):
        return hint(**_fields(value, get_type_hints(hint), where))
    if origin is dict:
        _, inner = get_args(hint)
        return {k: convert(v, inner, f"{where}.{k}") for k, v in _mapping(value, where).items()}
    if origin in (list, tuple):
        return _items(value, hint, where)
    if hint is float and type(value) is int:
        value = _as_float(value)
    if hint is Path and isinstance(value, str) and value and "\0" not in value:
        value = Path(value)
    if not _is_one(value, hint):
        raise Mismatch(where, describe(hint), value)
    return float(value) if hint is float else value  # NumPy's float64 would promote float32 arrays


def _is_one(value: Any, hint: Any) -> bool:
    if hint is type(None):
        return value is None
    if hint in (int, float):
        return isinstance(value, hint) and not isinstance(value, bool)
    if get_origin(hint) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(hint))
    return isinstance(value, hint)


def _as_float(value: int) -> float:
    """The nearest float; infinity if it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _items(value: Any, hint: Any, where: str) -> Any:
    inner = get_args(hint)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise Mismatch(where, describe(hint), value)
    if get_origin(hint) is list:
        return [convert(item, inner[0], f"{where}[{i}]") for i, item in enumerate(value)]
    hints = (inner[0],) * len(value) if inner[-1] is ... else inner
    if len(hints) != len(value):
        raise Mismatch(where, describe(hint), value)
    items = enumerate(zip(value, hints, strict=True))
    return tuple(convert(item, each, f"{where}[{i}]") for i, (item, each) in items)


def _fields(value: Any, hints: dict[str, Any], where: str) -> dict[str, Any]:
    found = _mapping(value, where)
    if found.keys() != hints.keys():
        raise Mismatch(where, f"the fields {', '.join(hints)}", ", ".join(found) or "none")
    return {name: convert(found[name], hint, f"{where}.{name}") for name, hint in hints.items()}


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Mismatch(where, NAMES[dict], value)
    return value


def show(value: Any) -> str:
    """A value as a spec would write it, cut to a readable length."""
    value = plain(value)
    if isinstance(value, str):
        text = f"'{printable(value)}'"
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(show(item) for item in value)}]"
    elif isinstance(value, dict):
        text = NAMES[dict]
    else:
        text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def describe(hint: Any) -> str:
    """A type hint in words."""
    parts = []
    for part in alternatives(hint):
        arguments, origin = get_args(part), get_origin(part) or part
        if part is type(None):
            continue
        if origin is Literal:
            words = ", ".join(map(str, arguments))
            parts.append(f"one of {words}" if len(arguments) > 1 else show(arguments[0]))
        elif origin is tuple:
            count = "" if arguments[-1] is ... else f"{len(arguments)} "
            parts.append(f"a list of {count}{_plural(describe(arguments[0]))}")
        elif origin in NAMES:
            parts.append(NAMES[origin])
        else:
            name = getattr(part, "__name__", str(part))
            parts.append(f"an {name}" if name[0] in "AEIO" else f"a {name}")
    *others, last = parts or [""]
    return f"{', '.join(others)} or {last}" if others else last


def _plural(words: str) -> str:
    """`an integer` → `integers`, `a list of 2 integers` → `lists of 2 integers`."""
    noun, of, rest = words.removeprefix("an ").removeprefix("a ").partition(" of ")
    return f"{noun}s{of}{rest}"


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The parts of a union: `int | None` → (int, None); anything else alone."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
