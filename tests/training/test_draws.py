"""Samples drawn across the classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetkit.network.plan import load_plan
from lenetkit.training.draws import Draws, generator, stratified
from tests.support.shipped import CORE

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=12)


@given(sizes, st.floats(0, 1), st.booleans(), st.integers(0, 5))
def test_each_class_has_its_share(counts: list[int], part: float, leave: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    wanted = round(part * len(labels))
    rows = stratified(labels, wanted, generator(seed, Draws.LIMIT), leave=leave)
    fewest, most = (0, len(labels) - len(counts)) if leave else (len(counts), len(labels))
    assert (rows is None) == (not fewest <= wanted <= most)
    if rows is None:
        return
    assert len(set(rows.tolist())) == len(rows) == wanted
    assert (np.diff(rows) > 0).all()
    drawn = np.bincount(labels[rows], minlength=len(counts))
    low, high = (0, np.array(counts) - 1) if leave else (1, np.array(counts))
    assert ((low <= drawn) & (drawn <= high)).all()
    exact = np.clip(wanted * np.array(counts) / len(labels), low, high)
    if exact.sum() == wanted:  # no class was at a bound
        assert (np.abs(drawn - exact) <= 1).all()
    again = stratified(labels, wanted, generator(seed, Draws.LIMIT), leave=leave)
    np.testing.assert_array_equal(again, rows)


def test_every_sample_is_as_likely_as_any_other_of_its_class() -> None:
    labels = np.repeat([0, 1], [10, 30])
    drawn = np.zeros(40)
    for seed in range(2000):
        drawn[stratified(labels, 8, generator(seed, Draws.TEST), leave=True)] += 1
    assert (np.abs(drawn / 2000 - 0.2) < 0.04).all()  # 4.5 standard deviations


@pytest.mark.parametrize("name", CORE)
def test_a_resolved_spec_has_no_new_keys(name: str) -> None:
    text = load_plan(CORE[name]).to_yaml()
    new = ("test_share", "limit", "prefix", "transpose", "offset", "column", "channels:", "order")
    assert not [key for key in new if key in text.partition("data:")[2].partition("train:")[0]]
