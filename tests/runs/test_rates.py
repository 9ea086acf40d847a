"""The learning-rate range test, on a small network and random images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lenetkit
from lenetkit.errors import OptionError
from lenetkit.model.model import Model
from lenetkit.runs.rates import RateCurve
from lenetkit.schedules import Moment, RangeTest
from lenetkit.training.data import TrainingData, load_training_data
from lenetkit.training.divergence import DivergedError
from tests.support.specs import small_plan


@pytest.fixture
def network() -> Model:
    return Model(small_plan())


@pytest.fixture
def data(network: Model, make_idx: Callable[..., Path]) -> TrainingData:
    return load_training_data(network.plan, make_idx(train=400))


def test_the_rates_rise_by_one_factor_from_low_to_high() -> None:
    schedule = RangeTest(low=1e-5, high=1e-1)
    rates = [schedule.rate(7.0, Moment(s, 3, 3)) for s in range(9)]
    np.testing.assert_allclose(rates, np.geomspace(1e-5, 1e-1, 9))


@pytest.mark.parametrize("total", [1, 2])
def test_a_very_short_run_has_its_rates_too(total: int) -> None:
    rates = [RangeTest().rate(7.0, Moment(s, total, 1)) for s in range(total)]
    np.testing.assert_allclose(rates, [1e-6, 1.0][:total])


def test_low_must_lie_below_high() -> None:
    with pytest.raises(OptionError, match=r"high: expected more than low \(0\.5\), found 0\.1"):
        RangeTest(low=0.5, high=0.1)


def test_it_trains_a_copy_and_is_repeatable(network: Model, data: TrainingData) -> None:
    before = network.params.copy()
    curves = [lenetkit.range_test(network, data, low=1e-4, high=1e-2) for _ in range(2)]
    np.testing.assert_array_equal(network.params, before)
    assert network.history == []
    np.testing.assert_array_equal(curves[0].losses, curves[1].losses)
    assert len(curves[0].rates) == 80  # one epoch in batches of 5
    np.testing.assert_allclose(curves[0].rates, np.geomspace(1e-4, 1e-2, 80))


def test_it_spans_as_many_epochs_as_are_asked_for(network: Model, data: TrainingData) -> None:
    curve = lenetkit.range_test(network, data, low=1e-4, high=1e-2, epochs=2, batch_size=40)
    np.testing.assert_allclose(curve.rates, np.geomspace(1e-4, 1e-2, 20))


def test_it_is_what_a_run_with_that_schedule_records(network: Model, data: TrainingData) -> None:
    curve = lenetkit.range_test(network, data, low=1e-4, high=1e-2)
    schedule = {"type": "range_test", "low": 1e-4, "high": 1e-2}
    events = lenetkit.train(network, data, epochs=1, schedule=schedule)
    steps = [event for event in events if isinstance(event, lenetkit.StepDone)]
    assert [event.loss for event in steps] == curve.losses.tolist()
    assert [event.lr for event in steps] == curve.rates.tolist()


def test_it_ends_where_the_loss_is_lost(network: Model, data: TrainingData) -> None:
    curve = lenetkit.range_test(network, data, low=1e-6, high=1e6, optimizer="sgd")
    assert np.isfinite(curve.losses).all()
    assert curve.rates[-1] < 1e5
    assert curve.suggestion < curve.rates[-1]


def test_images_that_are_at_fault_are_not_blamed_on_a_rate(
    network: Model, data: TrainingData
) -> None:
    network.tensors()["fc1.weight"][...] = np.nan
    with pytest.raises(DivergedError, match="the loss became nan"):
        lenetkit.range_test(network, data)


def test_the_suggestion_is_a_third_of_the_rate_of_the_least_loss() -> None:
    rates = np.geomspace(1e-5, 1, 501)
    curve = RateCurve("bowl", "none", rates, (np.log10(rates) + 2) ** 2 + 1)
    assert rates[curve.smoothed.argmin()] == pytest.approx(1e-2, rel=2)
    assert curve.suggestion == rates[curve.smoothed.argmin()] / 3
    assert repr(curve) == f"<RateCurve of bowl, 1e-05 to 1: suggests {curve.suggestion:.2g}>"


def test_the_running_mean_is_weighted_as_documented() -> None:
    losses = np.array([1.0, 3.0, 2.0])
    curve = RateCurve("three", "none", np.ones(3), losses)
    w = 0.95
    last = (2.0 + w * 3.0 + w * w * 1.0) / (1 + w + w * w)
    np.testing.assert_allclose(curve.smoothed, [1.0, (3.0 + w) / (1 + w), last])


def test_the_picture_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    rates = np.geomspace(1e-6, 1, 200)
    losses = np.random.default_rng(0).normal(2, 0.1, 200)
    curve = replace(RateCurve("noise", "none", rates, losses))
    curve.plot("~/rates.png")
    with Image.open(tmp_path / "rates.png") as picture:
        assert picture.size[0] > 1000
