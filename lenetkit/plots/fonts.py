"""The fonts that a string needs, its width, and how to make it fit.

DejaVu Sans comes with matplotlib, so it is always available, but it has no Chinese, Japanese or
Korean characters. Those come from the installed family of `CJK_FAMILIES` that has most of them. A
character that no font has is drawn as `PLACEHOLDER`; matplotlib would warn and draw a box.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib import font_manager

BASE_FAMILY = "DejaVu Sans"
CJK_FAMILIES = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "Microsoft YaHei", "PingFang SC", "Hiragino Sans GB", "Heiti SC", "STHeiti", "SimHei",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Noto Sans CJK TC",
    "Noto Sans CJK HK", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans",
    "Arial Unicode MS", "SimSun", "Noto Serif CJK SC", "Noto Serif CJK JP", "AR PL UMing CN",
    "AR PL UKai CN",
)  # fmt: skip
PLACEHOLDER = "□"
ELLIPSIS = "…"
_MEASURED_AT = 100.0  # points
_MAX_MEASURED = 600  # characters; longer strings are cut before they are measured


def missing_characters(*texts: str) -> str:
    """The characters of `texts` that no installed font can draw, each once, in order.

    A command can ask its user to install a font for them; figures show `PLACEHOLDER`.
    """
    face = Typeface.for_texts(*texts)
    return "".join(dict.fromkeys(c for text in texts for c in _clean(text) if not face.has(c)))


@dataclass(frozen=True)
class Typeface:
    """Font families in order of preference; a character comes from the first that has it."""

    families: tuple[str, ...] = (BASE_FAMILY,)

    @classmethod
    def for_texts(cls, *texts: str) -> Typeface:
        """DejaVu Sans, and the CJK family that covers most of what it lacks in `texts`."""
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


@functools.lru_cache(maxsize=64)
def _path(family: str, weight: str = "normal") -> str:
    properties = font_manager.FontProperties(family=family, weight=weight)
    return font_manager.fontManager.findfont(properties, fallback_to_default=False)


@functools.lru_cache(maxsize=4096)
def _advance(families: tuple[str, ...], weight: str, character: str) -> float:
    """How far `character` moves the pen, as a fraction of the font's size."""
    family = next((family for family in families if _has(family, character)), families[0])
    font = font_manager.get_font(_path(family, weight))
    font.set_size(_MEASURED_AT, 72)
    return font.load_char(ord(character)).linearHoriAdvance / 65536 / _MEASURED_AT


@functools.lru_cache(maxsize=4096)
def _has(family: str, character: str) -> bool:
    return font_manager.get_font(_path(family)).get_char_index(ord(character)) != 0


def _is_bold(family: str) -> bool:
    entries = font_manager.fontManager.ttflist
    return any(entry.name == family and entry.weight in ("bold", 700) for entry in entries)


def _installed(families: Iterable[str]) -> list[str]:
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    return [family for family in families if family in known]


def _add_new_fonts() -> None:
    """Add the fonts installed since matplotlib cached its list of them."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in set(font_manager.findSystemFonts()) - known:
        with contextlib.suppress(Exception):  # a damaged font file may raise anything
            font_manager.fontManager.addfont(path)
