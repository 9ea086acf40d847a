"""The MAP criterion beyond the contract: its values, its curvature, its answer."""

from __future__ import annotations

import numpy as np
import pytest
from lenetkit_classic.map_criterion import MapCriterion

OUTPUTS = np.array([[0.5, 2.0, 3.0], [4.0, 0.1, 1.0]])
LABELS = np.array([0, 2])


def test_loss_is_equation_9() -> None:
    losses, _ = MapCriterion(j=0.7).forward(OUTPUTS, LABELS)
    right = OUTPUTS[[0, 1], LABELS]
    expected = right + np.log(np.exp(-0.7) + np.exp(-OUTPUTS).sum(axis=1))
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_second_derivative_is_numeric() -> None:
    criterion, step = MapCriterion(), 1e-4
    found = criterion.second_backward(criterion.forward(OUTPUTS, LABELS)[1])
    for place in np.ndindex(*OUTPUTS.shape):
        moved = [OUTPUTS.copy() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (criterion.forward(outputs, LABELS)[0].sum() for outputs in moved)
        here = criterion.forward(OUTPUTS, LABELS)[0].sum()
        assert found[place] == pytest.approx((up - 2 * here + down) / step**2, abs=1e-6)


def test_the_smallest_output_is_the_answer() -> None:
    found = MapCriterion().probabilities(OUTPUTS)
    assert found.argmax(axis=1).tolist() == [0, 1]


def test_far_penalties_do_not_overflow() -> None:
    outputs = np.array([[1e4, 2e4, 3e4]], np.float32)
    losses, _ = MapCriterion(j=0.1).forward(outputs, np.array([0]))
    assert losses[0] == pytest.approx(1e4 - 0.1)
