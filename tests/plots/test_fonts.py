"""Texts: fonts for Chinese names, what happens without one, and fitting into a width."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from matplotlib import font_manager

from lenetkit.plots import confusion_figure, font_advice
from lenetkit.plots.fonts import (
    BASE_FAMILY,
    ELLIPSIS,
    PLACEHOLDER,
    Typeface,
    missing_characters,
)

HAN = "手写数字"
FAMILY = "Lenetkit Test Han"


def write_font(path: Path, characters: str = HAN, family: str = FAMILY) -> Path:
    """A font of one weight that has a square for each character, and nothing else."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    glyphs = {ord(character): f"uni{ord(character):04X}" for character in characters}
    names = [".notdef", *glyphs.values()]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap(
        {ord(character): f"uni{ord(character):04X}" for character in characters}
    )
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=880, usWinAscent=880, usWinDescent=120)
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def known_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only DejaVu Sans and the test's own families count; what a test adds is forgotten."""
    manager = font_manager.fontManager
    own = [entry for entry in manager.ttflist if entry.name == BASE_FAMILY]
    monkeypatch.setattr(manager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)


@pytest.fixture
def han_font(known_fonts: None, tmp_path: Path) -> Path:
    path = write_font(tmp_path / "han.ttf")
    font_manager.fontManager.addfont(path)
    return path


def draw(title: str) -> list[str]:
    figure = confusion_figure([[5, 1], [0, 7]], ["手", "写"], title=title, dataset=HAN)
    figure.canvas.draw()
    return [text.get_text() for text in (*figure.texts, *figure.axes[0].texts)]


@pytest.mark.usefixtures("han_font")
def test_chinese_names_use_an_installed_font(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        texts = draw(f"lenet5 {HAN}")
    assert f"lenet5 {HAN}" in texts
    assert texts.count("手") == 2
    assert Typeface.for_texts("lenet5", HAN).families == (BASE_FAMILY, FAMILY)
    assert missing_characters(HAN) == ""
    assert not caplog.records


@pytest.mark.usefixtures("known_fonts")
def test_without_a_font_placeholders_are_drawn(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        texts = draw(f"lenet5 {HAN}")
    assert f"lenet5 {PLACEHOLDER * 4}" in texts
    assert missing_characters("lenet5", HAN, "手") == HAN
    assert not caplog.records


@pytest.mark.usefixtures("known_fonts")
def test_fonts_installed_since_the_last_run_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(b"no font")
    paths = [str(damaged), str(write_font(tmp_path / "han.ttf"))]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: paths)
    assert Typeface.for_texts("手").has("手")  # other tests have asked for all of them in vain


@pytest.mark.usefixtures("han_font")
def test_what_the_chinese_font_lacks_is_a_placeholder() -> None:
    face = Typeface.for_texts("手한")
    assert face.printable("a手한") == f"a手{PLACEHOLDER}"
    assert not face.bold


@pytest.mark.usefixtures("han_font")
@pytest.mark.parametrize("script", ["ひらがな", "한국어", "नमस्ते", "ಕನ್ನಡ", "ไทย", "ሰላም"])
def test_each_script_comes_from_a_family_that_has_it(
    script: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    family = f"Lenetkit Test {ord(script[0])}"
    font_manager.fontManager.addfont(write_font(tmp_path / "more.ttf", script, family))
    with caplog.at_level(logging.WARNING):
        texts = draw(f"{HAN} {script} lenet5")
    assert f"{HAN} {script} lenet5" in texts
    assert set(Typeface.for_texts(HAN, script).families) == {BASE_FAMILY, FAMILY, family}
    assert font_advice(HAN, script) is None
    assert not caplog.records


@pytest.mark.usefixtures("known_fonts")
@pytest.mark.parametrize(
    ("text", "font"),
    [
        ("手写", "Noto Sans CJK (fonts-noto-cjk)"),
        ("한국어", "Noto Sans CJK (fonts-noto-cjk)"),
        ("ಕನ್ನಡ", "Noto Sans Kannada (fonts-noto-core)"),
        ("हिन्दी", "Noto Sans Devanagari (fonts-noto-core)"),
        ("ไทย", "Noto Sans Thai (fonts-noto-core)"),
        ("🎉", "Symbola (fonts-symbola)"),
    ],
)
def test_what_no_font_has_is_named_with_a_font_to_install(text: str, font: str) -> None:
    said = font_advice("lenet5", text, text)
    assert said
    assert said.startswith(f"warning: no installed font has {text[0]}")
    assert said.endswith(f"install one that does, such as {font}")
    assert all(said.count(character) == 1 for character in text if character != " ")


@pytest.mark.usefixtures("known_fonts")
def test_many_missing_characters_are_counted() -> None:
    said = font_advice("".join(map(chr, range(0x4E00, 0x4E00 + 50))))
    assert said
    assert "and 30 more" in said


@pytest.mark.usefixtures("known_fonts")
def test_a_font_that_claims_everything_as_boxes_is_not_used(tmp_path: Path) -> None:
    font_manager.fontManager.addfont(write_font(tmp_path / "last.ttf", HAN, "LastResort"))
    assert missing_characters(HAN) == HAN


def test_latin_texts_need_no_other_font() -> None:
    face = Typeface.for_texts("LeNet-5 «ñ» → × …")
    assert face.families == (BASE_FAMILY,)
    assert face.bold


def test_control_characters_and_line_ends_are_taken_out() -> None:
    assert Typeface().printable(" a\n\tb\x00\x1b\u200d\ud800c ") == "a bc"


@pytest.mark.parametrize("text", ["lenet5 → true 4", "MNIST", "iiiii", "0123456789"])
@pytest.mark.parametrize("bold", [False, True])
def test_width_is_that_of_the_drawn_text(text: str, bold: bool) -> None:
    figure = confusion_figure([[1]], ["a"], title="", dataset="")
    weight = "bold" if bold else "normal"
    drawn = figure.text(0, 0, text, size=30, weight=weight, family=BASE_FAMILY)
    inches = drawn.get_window_extent().width / figure.dpi
    assert Typeface().width(text, 30, bold=bold) == pytest.approx(inches, rel=0.05)


@pytest.mark.parametrize("lines", [1, 2, 3])
@pytest.mark.parametrize("text", ["word " * 100, "x" * 1000, "short", "", "a " + "b" * 300])
def test_fitted_lines_are_few_and_narrow_and_lose_no_more_than_needed(
    text: str, lines: int
) -> None:
    face = Typeface()
    fitted = face.fit(text, 10, 2.0, lines=lines)
    assert len(fitted) <= lines
    assert all(face.width(line, 10) <= 2.0 for line in fitted)
    if ELLIPSIS in "".join(fitted):
        assert len(fitted) == lines
        assert face.width(fitted[-1], 10) > 1.4  # less than a word of room is left
    else:
        assert " ".join(fitted) == text.strip()


def test_fitting_keeps_both_ends() -> None:
    (line,) = Typeface().fit("lenet5-1998-" + "x" * 200 + "-seed7", 10, 2.0)
    assert line.startswith("lenet5")
    assert line.endswith("seed7")


def test_words_stay_whole_where_they_fit() -> None:
    lines = Typeface().fit("synthetic digits drawn from strokes", 10, 1.5, lines=5)
    assert " ".join(lines) == "synthetic digits drawn from strokes"
    assert len(lines) > 1
