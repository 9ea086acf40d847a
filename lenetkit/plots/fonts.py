"""The fonts that a string needs, its width, and how to make it fit.

DejaVu Sans comes with matplotlib, so it is always available. Characters that it lacks come from
whichever installed families have them: the one that has most of them, then the one that has most of
the rest. A character that no font has is drawn as `PLACEHOLDER`; matplotlib would warn and draw a
box.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import font_manager

BASE_FAMILY = "DejaVu Sans"
PREFERRED = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "Microsoft YaHei", "PingFang SC", "Hiragino Sans GB", "Heiti SC", "STHeiti", "SimHei",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback",
)  # fmt: skip
"""Families taken before others that have as many of the characters."""
_BOXES_ONLY = re.compile(r"\.?Last ?Resort|Adobe (Not)?Blank", re.IGNORECASE)
"""Families that claim every character, and draw a box or nothing."""
_CJK = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "FULLWIDTH", "IDEOGRAPHIC")
PLACEHOLDER = "□"
ELLIPSIS = "…"
_MEASURED_AT = 100.0  # points
_MAX_NAMED = 20  # characters in a message
_MAX_MEASURED = 600  # characters; longer strings are cut before they are measured


def missing_characters(*texts: str) -> str:
    """The characters of `texts` that no installed font can draw, each once, in order."""
    face = Typeface.for_texts(*texts)
    return "".join(dict.fromkeys(c for text in texts for c in _clean(text) if not face.has(c)))


def font_advice(*texts: str) -> str | None:
    """What to tell the user about characters that no font has; None if there are none.

    Figures show `PLACEHOLDER` for each of them.
    """
    missing = missing_characters(*texts)
    if not missing:
        return None
    some = " ".join(missing[:_MAX_NAMED])
    more = f" and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
    fonts = ", ".join(dict.fromkeys(map(_font_for, missing)))
    return (
        f"warning: no installed font has {some}{more}; pictures show {PLACEHOLDER} instead; "
        f"install one that does, such as {fonts}"
    )


@dataclass(frozen=True)
class Typeface:
    """Font families in order of preference; a character comes from the first that has it."""

    families: tuple[str, ...] = (BASE_FAMILY,)

    @classmethod
    def for_texts(cls, *texts: str) -> Typeface:
        """DejaVu Sans, and the families that have what it lacks of `texts`."""
        lacking = {c for text in texts for c in _clean(text) if not _has(BASE_FAMILY, c)}
        families = _covering(frozenset(lacking), tuple(_installed())) if lacking else ()
        return cls((BASE_FAMILY, *families))

    @property
    def bold(self) -> bool:
        """Whether every family has a bold face; asking for a missing one is warned of."""
        return all(_is_bold(family) for family in self.families)

    def has(self, character: str) -> bool:
        """Whether one of the families can draw `character`."""
        return any(_has(family, character) for family in self.families)

    def printable(self, text: str) -> str:
        """`text` on one line, with `PLACEHOLDER` for what cannot be drawn."""
        return "".join(c if self.has(c) else PLACEHOLDER for c in _clean(text))

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        """Width in inches of the printable `text` at `size` points, without kerning."""
        weight = "bold" if bold else "normal"
        return sum(_advance(self.families, weight, c) for c in text) * size / 72

    def fit(
        self, text: str, size: float, width: float, *, lines: int = 1, bold: bool = False
    ) -> list[str]:
        """`text` broken into at most `lines` of `width` inches at `size` points.

        If it does not fit, its middle is left out, since run names differ at both ends.
        """
        text = self.printable(text)
        if len(text) > _MAX_MEASURED:
            text = _without_middle(text, _MAX_MEASURED)
        wrapped = self._wrap(text, size, width, bold)
        if len(wrapped) <= lines:
            return wrapped
        # `kept - 1` characters fit, or none do.
        kept = bisect.bisect_left(
            range(1, len(text)),
            True,
            key=lambda n: len(self._wrap(_without_middle(text, n), size, width, bold)) > lines,
        )
        return self._wrap(_without_middle(text, kept), size, width, bold)

    def _wrap(self, text: str, size: float, width: float, bold: bool) -> list[str]:
        """Break between words, and within a word only if it is wider than a whole line."""
        measure = functools.partial(self.width, size=size, bold=bold)
        lines, used = [""], 0.0
        for word in re.findall(r"\S+\s*", text):
            fits = measure(word.rstrip()) <= width
            for piece in [word] if fits else word:
                if lines[-1] and used + measure(piece.rstrip()) > width:
                    lines.append("")
                    used = 0.0
                lines[-1] += piece
                used += measure(piece)
        return [line.rstrip() for line in lines if line.strip()]


def _clean(text: str) -> str:
    """One line without control characters, which fonts cannot draw."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _without_middle(text: str, kept: int) -> str:
    tail = kept // 2
    return text[: kept - tail] + ELLIPSIS + text[len(text) - tail :]


@functools.cache
def _path(family: str, weight: str = "normal") -> str:
    """The family's file; one of another weight where it has none of this."""
    entries = [e for e in font_manager.fontManager.ttflist if e.name == family]
    weights = ("bold", 700) if weight == "bold" else ("normal", "regular", "book", 400)

    def order(entry: font_manager.FontEntry) -> tuple[bool, bool, bool]:
        return entry.style != "normal", entry.weight not in weights, entry.stretch != "normal"

    return min(entries, key=order).fname


@functools.lru_cache(maxsize=4096)
def _advance(families: tuple[str, ...], weight: str, character: str) -> float:
    """How far `character` moves the pen, as a fraction of the font's size."""
    family = next((family for family in families if _has(family, character)), families[0])
    font = font_manager.get_font(_path(family, weight))
    font.set_size(_MEASURED_AT, 72)
    return font.load_char(ord(character)).linearHoriAdvance / 65536 / _MEASURED_AT


def _has(family: str, character: str) -> bool:
    return character in _characters(family)


@functools.cache
def _characters(family: str) -> frozenset[str]:
    """What a family can draw; nothing if its file is damaged or holds pictures only."""
    try:
        font = font_manager.get_font(_path(family))
        return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
    except Exception:  # a damaged font file may raise anything
        return frozenset()


@functools.lru_cache(maxsize=64)
def _covering(lacking: frozenset[str], families: tuple[str, ...]) -> tuple[str, ...]:
    """Those families that together have as many of the characters as possible.

    If some are missing, fonts installed since matplotlib made its list are added first.
    """
    found, left = _cover(lacking, families)
    if left:
        _add_new_fonts()
        found, _ = _cover(lacking, _installed())
    return tuple(found)


def _cover(lacking: frozenset[str], families: Sequence[str]) -> tuple[list[str], frozenset[str]]:
    """The families, and the characters that none of them has."""
    found: list[str] = []
    while lacking:
        best = max(families, key=lambda family: len(lacking & _characters(family)))
        if not lacking & _characters(best):
            break
        found.append(best)
        lacking -= _characters(best)
    return found, lacking


def _is_bold(family: str) -> bool:
    entries = font_manager.fontManager.ttflist
    return any(entry.name == family and entry.weight in ("bold", 700) for entry in entries)


def _installed() -> list[str]:
    """The installed families, those to prefer first: named ones, upright ones, without serifs."""
    entries = font_manager.fontManager.ttflist
    upright = {entry.name for entry in entries if entry.style == "normal"}

    def order(family: str) -> tuple[int, bool, str]:
        known = PREFERRED.index(family) if family in PREFERRED else len(PREFERRED)
        return known, "sans" not in family.lower(), family

    return sorted((name for name in upright if not _BOXES_ONLY.match(name)), key=order)


def _font_for(character: str) -> str:
    """A free font that has the character, and the package of Debian and Ubuntu that holds it."""
    script = unicodedata.name(character, "SYMBOL").split()[0].partition("-")[0]
    if script in _CJK:
        return "Noto Sans CJK (fonts-noto-cjk)"
    if unicodedata.category(character).startswith(("L", "M", "N")):
        return f"Noto Sans {script.title()} (fonts-noto-core)"
    return "Symbola (fonts-symbola)"


def _add_new_fonts() -> None:
    """Add the fonts installed since matplotlib cached its list of them."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in set(font_manager.findSystemFonts()) - known:
        with contextlib.suppress(Exception):  # a damaged font file may raise anything
            font_manager.fontManager.addfont(path)
