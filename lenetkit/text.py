"""Numbers and JSON as people read them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

NOTHING = "–"
"""Stands for a number that does not exist."""
_NESTED = (dict, list, tuple)


def number(value: float, form: str) -> str:
    """`value` in this format, or a dash if it is NaN."""
    return NOTHING if math.isnan(value) else format(value, form)


def percent(fraction: float, decimals: int = 2, unit: str = "%") -> str:
    """`fraction` (0 to 1) in percent, rounded, but 100 only if nothing at all is missing.

    NaN, such as the precision of a class that was never predicted, is a dash.
    """
    if math.isnan(fraction):
        return NOTHING
    almost = 100 - 10**-decimals
    return f"{min(100 * fraction, almost) if fraction < 1 else 100:.{decimals}f}{unit}"


def json_text(value: Any) -> str:
    """`value` as JSON, a list of scalars or a row of a table on one line each.

    Numbers that JSON does not have, NaN and the infinities, are null.
    """
    return "\n".join(_lines(value, in_list=False))


def _lines(value: Any, *, in_list: bool) -> list[str]:
    flat = not isinstance(value, _NESTED) or not any(
        issubclass(kind, _NESTED) for kind in set(map(type, _items(value)))
    )
    if flat and (in_list or not isinstance(value, dict)):
        return [_line(value)]
    if isinstance(value, dict):
        parts = [(f"{json.dumps(str(k), ensure_ascii=False)}: ", v) for k, v in value.items()]
    else:
        parts = [("", item) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    lines = [opening]
    for position, (before, item) in enumerate(parts, 1):
        first, *others = _lines(item, in_list=not isinstance(value, dict))
        block = [before + first, *others]
        block[-1] += "," if position < len(parts) else ""
        lines += [f"  {line}" for line in block]
    return [*lines, closing] if parts else [opening + closing]


def _line(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # looking for NaN first takes ten times as long
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)


def _items(value: dict[str, Any] | Sequence[Any]) -> Any:
    return value.values() if isinstance(value, dict) else value


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float():
            return float(value) if math.isfinite(value) else None
        case _:
            return value
