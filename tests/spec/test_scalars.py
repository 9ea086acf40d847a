"""The scalar rules: YAML 1.2's core schema, not PyYAML's YAML 1.1."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetkit.errors import SpecError
from lenetkit.spec.nodes import Mark, parse, plain, scalar


def read(text: str) -> Any:
    return plain(parse(text, Mark("spec.yaml")))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-3", -3),
        ("+3", 3),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1" * 100, int("1" * 100)),
    ],
)
def test_integers(text: str, value: int) -> None:
    assert (read(text), type(read(text))) == (value, int)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("3e+2", 300.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1.5e2", 150.0),
        ("0.1", 0.1),
        ("1e-999", 0.0),
    ],
)
def test_floats(text: str, value: float) -> None:
    assert (read(text), type(read(text))) == (value, float)


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_true(text: str) -> None:
    assert read(text) is True


@pytest.mark.parametrize("text", ["false", "False", "FALSE"])
def test_false(text: str) -> None:
    assert read(text) is False


@pytest.mark.parametrize("text", ["~", "null", "Null", "NULL", "", "# a comment"])
def test_null(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("no", "yes", "on", "off", "y", "n", "No", "tRUE", "nULL"),
        *("28:28", "1_000", "0b11", "0o8", "-0x1F", "2024-01-01", "1e", "e3", ".", "+", "-.", "="),
        *(".infinity", "inf", "nan", "1,5", "١٢", "1 000"),
    ],
)
def test_everything_else_is_a_string(text: str) -> None:
    assert read(text) == text


@pytest.mark.parametrize("text", ["1", "1e-3", "true", "null", "~", ".inf", "", "010"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_quoted_scalars_stay_strings(text: str, quote: str) -> None:
    assert read(f"{quote}{text}{quote}") == text


def test_block_scalars_stay_strings() -> None:
    assert read("|-\n  1\n") == "1"


@pytest.mark.parametrize("text", [".inf", "-.inf", "+.INF", ".nan", ".NaN", "1e400", "-1e400"])
def test_numbers_that_are_not_finite_are_refused(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(f"lr: {text}")
    assert str(caught.value) == f"spec.yaml:1:5: expected a finite number, found {text}"


@pytest.mark.parametrize("text", ["9" * 101, "0x" + "f" * 5000, "1." + "0" * 5000, "9" * 100_000])
def test_huge_numbers_are_refused(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(f"lr: {text}")
    assert str(caught.value) == (
        f"spec.yaml:1:5: a number of {len(text):,} characters; expected at most 100"
    )


def test_long_strings_are_not_taken_for_numbers() -> None:
    assert read("x" * 200) == "x" * 200


@given(st.integers(-(10**60), 10**60))
def test_every_integer_reads_back(value: int) -> None:
    assert scalar(str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_reads_back(value: float) -> None:
    found = scalar(repr(value))
    assert (found, type(found)) == (value, float)
