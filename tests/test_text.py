"""Numbers and JSON as people read them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetkit.text import json_text, number, percent

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
