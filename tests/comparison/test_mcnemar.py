"""McNemar's test against exact arithmetic, and against SciPy where it is installed."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetkit.comparison.mcnemar import McNemar, p_text

COUNTS = st.integers(0, 400)


@given(COUNTS, COUNTS)
def test_p_is_the_exact_binomial_tail(only_a: int, only_b: int) -> None:
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail = Fraction(2 * sum(comb(n, k) for k in range(fewer + 1)), 2**n)
    assert McNemar(only_a, only_b).p == pytest.approx(float(min(tail, Fraction(1))), rel=1e-9)
    assert McNemar(only_b, only_a).p == McNemar(only_a, only_b).p


def test_scipy_agrees() -> None:
    stats = pytest.importorskip("scipy.stats")
    for counts in ((31, 12), (0, 0), (1, 0), (5, 5), (120, 90), (3000, 2800)):
        n = sum(counts)
        expected = stats.binomtest(counts[0], n, 0.5).pvalue if n else 1.0
        assert McNemar(*counts).p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("only_a", "only_b", "text"),
    [(31, 12, "p = 0.005"), (30, 20, "p = 0.20"), (5, 5, "p = 1.00"), (500_000, 1, "p < 0.0001")],
)
def test_p_in_words(only_a: int, only_b: int, text: str) -> None:
    assert p_text(McNemar(only_a, only_b).p) == text


def test_it_counts_what_only_one_reads_right() -> None:
    a, b = np.array([[1, 1, 0, 0, 1], [1, 0, 1, 0, 0]], bool)
    assert McNemar.of(a, b) == McNemar(2, 1)
    with pytest.raises(ValueError, match="must be equal"):
        McNemar.of(a, b[:3])
