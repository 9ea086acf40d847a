"""Text, numbers and JSON as people read them."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetkit.text import json_text, number, percent, printable, printable_lines

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def test_a_number_that_does_not_exist_is_a_dash() -> None:
    assert (number(math.nan, ".4f"), percent(math.nan)) == ("–", "–")
    assert (number(0.25, ".4f"), percent(0.25), percent(0.25, 1, " %")) == (
        "0.2500",
        "25.00%",
        "25.0 %",
    )


def test_a_huge_number_has_an_exponent() -> None:
    shown = [number(value, ".4f") for value in (999_999.0, 1.26e38, -1e6, math.inf)]
    assert shown == ["999999.0000", "1.26e+38", "-1e+06", "inf"]


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_hundred_percent_means_all(some: int, more: int) -> None:
    assert percent(some / (some + more)) != "100.00%"
    assert percent(1.0) == "100.00%"


@given(DOCUMENTS)
def test_json_reads_back_as_the_same(document: Any) -> None:
    text = json_text(document)
    assert json.loads(text, parse_constant=pytest.fail) == finite(document)
    assert json_text(json.loads(text)) == text


@given(DOCUMENTS)
def test_nothing_but_lists_and_rows_of_a_table_is_on_one_line(document: Any) -> None:
    for line in json_text(document).splitlines():
        if line.rstrip(",").endswith(("]", "}")) and line.strip(" ],}"):
            inner = line[line.index(": ") + 2 :] if line.lstrip().startswith('"') else line
            assert "[" in inner or "{" in inner


def test_a_confusion_matrix_has_a_row_on_each_line() -> None:
    result = {
        "loss": math.nan,
        "confusion": [[5, 0], [1, 4]],
        "classes": ["猫", "dog"],
        "mistakes": [{"index": 3, "true": 1}],
        "layers": [{"name": "a", "shape": [1, 2]}],
        "none": [],
        "empty": {},
    }
    assert json_text(result).splitlines() == [
        "{",
        '  "loss": null,',
        '  "confusion": [',
        "    [5, 0],",
        "    [1, 4]",
        "  ],",
        '  "classes": ["猫", "dog"],',
        '  "mistakes": [',
        '    {"index": 3, "true": 1}',
        "  ],",
        '  "layers": [',
        "    {",
        '      "name": "a",',
        '      "shape": [1, 2]',
        "    }",
        "  ],",
        '  "none": [],',
        '  "empty": {}',
        "}",
    ]


def finite(document: Any) -> Any:
    match document:
        case dict():
            return {key: finite(value) for key, value in document.items()}
        case list():
            return [finite(value) for value in document]
        case float() if not math.isfinite(document):
            return None
        case _:
            return document


KEPT = [
    "naïve café Ærøskøbing",
    "手写数字　七",  # with an ideographic space
    "ಕನ್ನಡ ಅಂಕಿ",
    "ಕ್\u200cಷ ರ\u200d್ಯ",  # joiners of Kannada
    "क्\u200dष",
    "می\u200cخواهم",
    "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3 👍🏿",
    "葛\U000e0100城",  # a variant of an ideograph
    "১২৩ ๑๒๓ عربى עברית",
    "C:\\temp",
]


@pytest.mark.parametrize("text", KEPT)
def test_ordinary_text_of_every_script_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b]0;t\x07", r"\x1b]0;t\x07"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("\u202eabc\u2066\u200e\u061c", r"\u202eabc\u2066\u200e\u061c"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("pay\u200bpal pay\u200dpal pay\u200cpal \ufeff\u00ad", None),
        ("\U000e0041\udc80", r"\U000e0041\udc80"),
        ("\u3164\u115f\u034f", r"\u3164\u115f\u034f"),
        ("a\ufe0f\ufe0f", "a\ufe0f\\ufe0f"),
        ("a\U000e0100", r"a\U000e0100"),
        ("ಕ್\u200d\u200d", "ಕ್\u200d\\u200d"),
    ],
)
def test_what_does_more_than_show_itself_is_escaped(text: str, shown: str | None) -> None:
    expected = text.encode("unicode_escape").decode() if shown is None else shown
    assert printable(text) == expected
    assert printable(printable(text)) == expected


@pytest.mark.parametrize("part", ["\u200c", "\u200c\u0651", "\u200d\u200c", "ی\u200c"])
def test_long_texts_take_time_in_proportion_to_their_length(part: str) -> None:
    assert printable("م" + part * 20_000)  # took a minute


@given(st.text())
def test_printable_text_is_one_line_and_json_holds_what_it_held(text: str) -> None:
    said = printable(text)
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(c) for c in said}
    assert not set(said) & set(
        "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    for value in (text, [text], {text: text}):
        written = json_text(value)
        assert json.loads(written) == value
        assert printable_lines(written) == written


def test_json_escapes_halves_of_surrogate_pairs() -> None:
    assert json.loads(json_text(["\udc80", "\U000e0041\x7f"])) == ["\udc80", "\U000e0041\x7f"]
    assert json_text(["\U000e0041\x7f"]) == '["\\udb40\\udc41\\u007f"]'
