"""Text as people read it: other people's words made harmless, numbers, JSON."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

_UNSHOWN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Categories of characters that command a terminal, reorder text, break lines or are invisible."""
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks that show nothing, such as Hangul's fillers."""
_NON_JOINER, _JOINER = "\u200c\u200d"
_VIRAMA = 9  # combining class of the signs that join Indic consonants


def printable(text: object) -> str:
    """`text` on one line; characters that do more than show themselves are escaped as in Python.

    Those are controls (ESC, line breaks, tabs), marks of writing direction, invisible characters
    and halves of surrogate pairs. Letters of every script stay, and so do the joiners that Indic
    and Arabic words and emoji need, where they have an effect.
    """
    return _escaped(str(text), lambda c: ascii(c)[1:-1])


def printable_lines(text: str) -> str:
    """`text` with each of its lines made `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isascii() and text.isprintable():
        return text
    shown = (_shows_itself(text, i) for i in range(len(text)))
    return "".join(c if plain else escape(c) for c, plain in zip(text, shown, strict=True))


def _shows_itself(text: str, index: int) -> bool:
    character, before = text[index], text[index - 1 : index]
    if character in (_NON_JOINER, _JOINER):
        return _joins(text, index)
    if "VARIATION SELECTOR" in unicodedata.name(character, ""):  # chooses a form of what is before
        category = unicodedata.category(before or " ")
        return category == "Lo" if character > "\uffff" else category[0] in "LNPS"
    return character not in _BLANK and unicodedata.category(character) not in _UNSHOWN


def _joins(text: str, index: int) -> bool:
    """Whether a joiner changes how its neighbours look (see RFC 5892, appendix A)."""
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    if before and _VIRAMA in map(unicodedata.combining, before + after):
        return True
    if text[index] == _JOINER:
        return _is_emoji(before) and _is_emoji(after)
    back = (text[i] for i in range(index - 1, -1, -1))
    marked = next((c for c in back if not unicodedata.combining(c)), "")
    return all(c and unicodedata.bidirectional(c) == "AL" for c in (marked, after))


def _is_emoji(character: str) -> bool:
    if not character:
        return False
    is_form = character == "\ufe0f" or "\U0001f3fb" <= character <= "\U0001f3ff"
    return is_form or unicodedata.category(character) == "So"


NOTHING = "–"
"""Stands for a number that does not exist."""
MOST_LISTED = 64
"""Classes up to which all are listed for people."""
_NESTED = (dict, list, tuple)


def number(value: float, form: str) -> str:
    """`value` in this format, a dash if it is NaN, and with an exponent from a million on."""
    return NOTHING if math.isnan(value) else format(value, form if abs(value) < 1e6 else ".4g")


def percent(fraction: float, decimals: int = 2, unit: str = "%") -> str:
    """`fraction` (0 to 1) in percent, rounded, but 100 only if nothing at all is missing.

    NaN, such as the precision of a class that was never predicted, is a dash.
    """
    if math.isnan(fraction):
        return NOTHING
    almost = 100 - 10**-decimals
    return f"{min(100 * fraction, almost) if fraction < 1 else 100:.{decimals}f}{unit}"


def counted(n: int, what: str) -> str:
    """How many there are of something: `1 sample`, `2,000 samples`."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def json_text(value: Any) -> str:
    """`value` as JSON, a list of scalars or a row of a table on one line each.

    Numbers that JSON does not have, NaN and the infinities, are null. Characters that are not
    `printable` are escaped.
    """
    return "\n".join(_escaped(line, _utf16) for line in _lines(value, in_list=False))


def _utf16(character: str) -> str:
    """`\\u202e`, or a surrogate pair, as which JSON writes a character."""
    words = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{words[i : i + 4]}" for i in range(0, len(words), 4))


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
        return json.dumps(finite(value), ensure_ascii=False, allow_nan=False)


def _items(value: dict[str, Any] | Sequence[Any]) -> Any:
    return value.values() if isinstance(value, dict) else value


def finite(value: Any) -> Any:
    """`value` with null (None) for the numbers that JSON does not have."""
    match value:
        case dict():
            return {key: finite(item) for key, item in value.items()}
        case list() | tuple():
            return [finite(item) for item in value]
        case float():
            return float(value) if math.isfinite(value) else None
        case _:
            return value
