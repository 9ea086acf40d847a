"""Optimizer, schedule, initializer: what the paper prints."""

from __future__ import annotations

import numpy as np
import pytest
from lenetkit_classic.initializers import LecunUniform
from lenetkit_classic.schedule import Lecun1998
from lenetkit_classic.sdlm import Sdlm

from lenetkit.authoring import Moment


def test_sdlm_divides_each_rate_by_its_curvature() -> None:
    optimizer = Sdlm(lr=0.1, mu=0.02, samples=7)
    state = {"damping": np.zeros(3)}
    asked = []

    def curvature(samples: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        asked.append(samples)
        return np.array([0.0, 0.08, 1.98])

    notes = optimizer.begin_epoch(state, curvature)
    params = np.ones(3)
    optimizer.step(params, np.array([1.0, 1.0, -1.0]), state, 0.05, 1)
    assert asked == [7]
    assert params == pytest.approx([1 - 0.05 / 0.02, 1 - 0.05 / 0.1, 1 + 0.05 / 2])
    assert list(notes.values()) == pytest.approx([0.05, 1.0, 5.0])


@pytest.mark.parametrize(("gamma", "h"), [(1.0, 4.0), (0.25, 1.75), (0.0, 1.0)])
def test_sdlm_mixes_measures(gamma: float, h: float) -> None:
    optimizer, state = Sdlm(lr=1, mu=0.5, gamma=gamma), {"damping": np.zeros(2)}
    measures = iter([np.full(2, 1.0), np.full(2, 4.0)])
    for _ in range(2):
        optimizer.begin_epoch(state, lambda samples: next(measures))
    assert state["damping"] == pytest.approx(1 / (0.5 + h))


def test_sdlm_goes_downhill_at_the_same_pace_in_every_direction() -> None:
    """L = Σ h_k p_k² / 2 with very different h: with mu ≪ h each p shrinks by the factor 1 − lr."""
    curvature = np.array([1e-1, 1.0, 1e3])
    optimizer, params = Sdlm(lr=0.1, mu=1e-9), np.array([1.0, -2.0, 3.0])
    state = {"damping": np.zeros(3)}
    optimizer.begin_epoch(state, lambda samples: curvature)
    for t in range(1, 11):
        optimizer.step(params, curvature * params, state, 0.1, t)
    assert params == pytest.approx(np.array([1.0, -2.0, 3.0]) * 0.9**10, rel=1e-6)


def test_schedule_is_the_papers() -> None:
    rates = [Lecun1998().rate(5e-4, Moment(step, 10, 20)) for step in range(0, 200, 10)]
    expected = [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize(("scale", "power", "limit"), [(2.4, 1.0, 0.024), (1.5, 0.5, 0.15)])
def test_lecun_uniform_fills_its_range(scale: float, power: float, limit: float) -> None:
    init = LecunUniform(scale=scale, power=power)
    values = init.sample(np.random.default_rng(0), (100, 100), 100, 100)
    assert 0.99 * limit < np.abs(values).max() <= limit
    assert abs(values.mean()) < 0.02 * limit
