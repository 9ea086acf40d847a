"""Which fonts a text needs, how wide it becomes, and how to make it fit.

DejaVu Sans comes with matplotlib, so it is always there; it has no Chinese, Japanese or Korean
characters. Those come from the first installed family of `CJK_FAMILIES` that has them. A
character that no font has is drawn as `PLACEHOLDER`, since matplotlib would warn and draw a box.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from matplotlib import font_manager

BASE_FAMILY = "DejaVu Sans"
CJK_FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "STHeiti",
    "SimHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Noto Sans CJK TC",
    "Noto Sans CJK HK",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Source Han Sans",
    "Arial Unicode MS",
    "SimSun",
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
    "AR PL UMing CN",
    "AR PL UKai CN",
)
PLACEHOLDER = "□"
ELLIPSIS = "…"
_MEASURED_AT = 100.0  # points
_LONGEST = 600  # characters kept of a text before it is measured at all


def missing_characters(*texts: str) -> str:
    """The characters of `texts` that no font at hand can draw, each once, in order.

    A command can tell its user to install a font for them; the figures show `PLACEHOLDER`.
    """
    face = Typeface.for_texts(*texts)
    return "".join(dict.fromkeys(c for text in texts for c in _clean(text) if not face.has(c)))


@dataclass(frozen=True)
class Typeface:
    """Font families, first choice first; a character comes from the first that has it."""

    families: tuple[str, ...] = (BASE_FAMILY,)

    @classmethod
    def for_texts(cls, *texts: str) -> Typeface:
        """DejaVu Sans, with the CJK family that covers most of what it lacks in `texts`."""
        lacking = {c for text in texts for c in _clean(text) if not _has(BASE_FAMILY, c)}
        if not lacking:
            return cls()
        families = _installed(CJK_FAMILIES)
        if not families:
            _add_new_fonts()
            families = _installed(CJK_FAMILIES)
        best = max(families, default=BASE_FAMILY, key=lambda f: sum(_has(f, c) for c in lacking))
        return cls(tuple(dict.fromkeys((BASE_FAMILY, best))))

    @property
    def bold(self) -> bool:
        """Whether every family has a bold face; matplotlib complains of asking in vain."""
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

        What does not fit is left out of the middle: run names differ at both ends.
        """
        text = self.printable(text)
        if len(text) > _LONGEST:
            text = _without_middle(text, _LONGEST)
        wrapped = self._wrap(text, size, width, bold)
        if len(wrapped) <= lines:
            return wrapped
        low, high = 0, len(text) - 1  # `low` characters fit, or none do; `high + 1` do not
        while low < high:
            kept = (low + high + 1) // 2
            if len(self._wrap(_without_middle(text, kept), size, width, bold)) <= lines:
                low = kept
            else:
                high = kept - 1
        return self._wrap(_without_middle(text, low), size, width, bold)

    def _wrap(self, text: str, size: float, width: float, bold: bool) -> list[str]:
        """Break between words; break a word only where it is wider than a whole line."""
        lines = [""]
        for word in re.findall(r"\S+\s*", text):
            if self.width((lines[-1] + word).rstrip(), size, bold=bold) <= width:
                lines[-1] += word
            elif self.width(word.rstrip(), size, bold=bold) <= width:
                lines.append(word)
            else:
                self._break_word(lines, word, size, width, bold)
        return [line.rstrip() for line in lines if line.strip()]

    def _break_word(
        self, lines: list[str], word: str, size: float, width: float, bold: bool
    ) -> None:
        used = self.width(lines[-1], size, bold=bold)
        for character in word:
            step = self.width(character, size, bold=bold)
            if lines[-1] and used + step > width:
                lines.append("")
                used = 0.0
            lines[-1] += character
            used += step


def _clean(text: str) -> str:
    """One line without control characters, which fonts have no picture for."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _without_middle(text: str, kept: int) -> str:
    tail = kept // 2
    return text[: kept - tail] + ELLIPSIS + text[len(text) - tail :]


@lru_cache(maxsize=64)
def _path(family: str, weight: str = "normal") -> str:
    properties = font_manager.FontProperties(family=family, weight=weight)
    return font_manager.fontManager.findfont(properties, fallback_to_default=False)


@lru_cache(maxsize=4096)
def _advance(families: tuple[str, ...], weight: str, character: str) -> float:
    """How far `character` moves the pen, as a part of the font's size."""
    family = next((family for family in families if _has(family, character)), families[0])
    font = font_manager.get_font(_path(family, weight))
    font.set_size(_MEASURED_AT, 72)
    return font.load_char(ord(character)).linearHoriAdvance / 65536 / _MEASURED_AT


@lru_cache(maxsize=4096)
def _has(family: str, character: str) -> bool:
    return font_manager.get_font(_path(family)).get_char_index(ord(character)) != 0


def _is_bold(family: str) -> bool:
    entries = font_manager.fontManager.ttflist
    return any(entry.name == family and entry.weight in ("bold", 700) for entry in entries)


def _installed(families: Iterable[str]) -> list[str]:
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    return [family for family in families if family in known]


@lru_cache(maxsize=1)
def _add_new_fonts() -> None:
    """Add the fonts installed since matplotlib wrote its list, which it keeps between runs."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known:
            # A damaged font file may raise anything; it only means one font less.
            with contextlib.suppress(Exception):
                font_manager.fontManager.addfont(path)
