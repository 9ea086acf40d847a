"""Marks on a page: parts of one digit, a row of digits, or something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetkit.data import layout

BOXES = st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(1, 200), st.floats(1, 200)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(BOXES, BOXES, st.floats(0, 100))
def test_order_does_not_matter(one: layout.Box, other: layout.Box, gap: float) -> None:
    assert layout.is_one_digit(one, other, gap) == layout.is_one_digit(other, one, gap)
    assert not (layout.encloses(one, other) and layout.encloses(other, one))


@given(BOXES, st.floats(0.1, 10))
def test_scale_does_not_matter(box: layout.Box, scale: float) -> None:
    larger = (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale)
    assert (layout.row_problem([box]) is None) == (layout.row_problem([larger]) is None)


def test_the_bar_of_a_5_belongs_to_it_and_a_line_below_does_not() -> None:
    body, bar, line = (0, 30, 40, 100), (10, 0, 80, 20), (-10, 115, 90, 122)
    assert layout.is_one_digit(bar, body, 10)
    assert not layout.underlines(bar, body)
    assert layout.underlines(line, layout.around([body, bar]))


def test_a_ring_and_a_neighbour() -> None:
    digit, ring, neighbour = (40, 40, 80, 100), (0, 0, 120, 140), (110, 42, 150, 98)
    assert layout.encloses(ring, digit)
    assert not layout.encloses(digit, ring)
    assert not layout.is_one_digit(digit, neighbour, 30)
    assert layout.row_problem([digit, neighbour]) is None


@pytest.mark.parametrize(
    ("boxes", "problem"),
    [
        ([(0, 0, 100, 20)], "much broader than tall"),
        ([(0, 0, 50, 100), (80, 60, 100, 90)], "2 marks that are not a row"),
        ([(0, 0, 50, 100), (80, 120, 130, 220)], "2 marks that are not a row"),
    ],
)
def test_no_row(boxes: list[layout.Box], problem: str) -> None:
    assert problem in (layout.row_problem(boxes) or "")


def test_two_lines_of_digits_and_a_broken_digit_beside_another() -> None:
    assert not layout.is_one_digit((0, 0, 70, 100), (0, 150, 70, 250), 50)
    assert not layout.is_one_digit((0, 0, 60, 45), (80, 0, 170, 100), 20)
