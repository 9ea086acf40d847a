"""Schedules: the rates of whole runs, compared with PyTorch's if it has the schedule."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenetkit.errors import OptionError
from lenetkit.schedules import (
    Constant,
    Cosine,
    CosineWarmRestarts,
    Moment,
    OneCycle,
    Piecewise,
    ReduceOnPlateau,
    Schedule,
    Step,
    Warmup,
    anneal,
    uses_lr,
)

relative = pytest.mark.parametrize(
    "schedule",
    [
        *(Constant(), Step(step_size=1), Cosine(), OneCycle()),
        *(CosineWarmRestarts(t_0=1), ReduceOnPlateau(), Warmup(start_factor=1, then=Cosine())),
    ],
    ids=repr,
)


def rates(schedule: Schedule, lr: float, *, steps: int, epochs: int = 1) -> list[float]:
    """The rate of every step of a run."""
    return [schedule.rate(lr, Moment(i, steps, epochs)) for i in range(steps * epochs)]


def test_constant_stays() -> None:
    assert rates(Constant(), 0.3, steps=2, epochs=2) == [0.3] * 4


def test_step_drops_between_epochs() -> None:
    found = rates(Step(step_size=2, gamma=0.5), 0.8, steps=3, epochs=5)
    assert found == pytest.approx([0.8] * 6 + [0.4] * 6 + [0.2] * 3)


def test_piecewise_has_a_rate_for_each_interval_of_epochs() -> None:
    """As the table in LeCun 1998, section III.B; the optimizer's own rate is ignored."""
    schedule = Piecewise(boundaries=(2, 5), values=(5e-4, 2e-4, 1e-4))
    assert rates(schedule, 7, steps=2, epochs=6) == [5e-4] * 4 + [2e-4] * 6 + [1e-4] * 2
    assert rates(Piecewise(boundaries=(), values=(0.5,)), 7, steps=2) == [0.5] * 2


def test_cosine_as_in_pytorch() -> None:
    """CosineAnnealingLR(T_max=8, eta_min=0.1) from 0.5."""
    expected = [
        0.5, 0.484775906502, 0.441421356237, 0.376536686473,
        0.3, 0.223463313527, 0.158578643763, 0.115224093498,
    ]  # fmt: skip
    assert rates(Cosine(min_lr=0.1), 0.5, steps=8) == pytest.approx(expected)
    assert rates(Cosine(min_lr=0.1), 0.5, steps=2, epochs=4) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {},
            [0.016, 0.208, 0.4, 0.380193852805, 0.32469826158,
             0.244504808775, 0.155496791225, 0.0753033384201, 0.0198077471946, 1.6e-06],
        ),
        (
            {"pct_start": 0.5, "div_factor": 10, "final_div_factor": 100},
            [0.04, 0.0927207793864, 0.22, 0.347279220614, 0.4,
             0.361841595476, 0.261941595476, 0.138458404524, 0.0385584045239, 0.0004],
        ),
        (
            {"pct_start": 0.95},
            [0.016, 0.0289653319544, 0.0661102878936, 0.122418235691, 0.190284474983,
             0.260543294094, 0.323705850185, 0.37124169006, 0.396730835139, 1.6e-06],
        ),
    ],
)  # fmt: skip
def test_one_cycle_as_in_pytorch(options: dict[str, float], expected: list[float]) -> None:
    """OneCycleLR(max_lr=0.4, total_steps=10)."""
    assert rates(OneCycle(**options), 0.4, steps=10) == pytest.approx(expected)
    assert rates(OneCycle(**options), 0.4, steps=5, epochs=2) == pytest.approx(expected)


@given(
    pct_start=st.floats(0.01, 0.99),
    div_factor=st.floats(1, 100),
    final_div_factor=st.floats(1, 1e5),
    steps=st.integers(2, 60),
)
def test_one_cycle_rises_once_and_ends_low(
    pct_start: float, div_factor: float, final_div_factor: float, steps: int
) -> None:
    schedule = OneCycle(
        pct_start=pct_start, div_factor=div_factor, final_div_factor=final_div_factor
    )
    found = rates(schedule, 1.0, steps=steps)
    assert found[-1] == pytest.approx(1 / (div_factor * final_div_factor))
    assert max(found) <= 1 + 1e-12
    if pct_start * steps > 1:
        assert found[0] == pytest.approx(1 / div_factor)
    rising = [b >= a - 1e-12 for a, b in pairwise(found)]
    assert rising == sorted(rising, reverse=True) or min(found) == pytest.approx(max(found))


def test_one_cycle_of_many_steps_reaches_its_peak_at_the_given_share() -> None:
    found = rates(OneCycle(pct_start=0.25), 0.4, steps=100)
    assert found[24] == max(found) == pytest.approx(0.4)


@relative
def test_a_run_may_have_one_step(schedule: Schedule) -> None:
    assert rates(schedule, 0.1, steps=1) == [0.1]


@relative
def test_rates_are_proportional_to_the_optimizers(schedule: Schedule) -> None:
    tenfold = [10 * rate for rate in rates(schedule, 0.1, steps=4, epochs=3)]
    assert rates(schedule, 1.0, steps=4, epochs=3) == pytest.approx(tenfold)


def test_restarts_begin_again_in_longer_and_longer_cycles() -> None:
    found = rates(CosineWarmRestarts(t_0=1, t_mult=2), 0.4, steps=2, epochs=7)
    assert [step for step, rate in enumerate(found) if rate == 0.4] == [0, 2, 6]
    assert found[1] == pytest.approx(0.2)


def test_warm_up_rises_to_the_schedule_that_follows() -> None:
    found = rates(Warmup(epochs=2, start_factor=0.2, then=Cosine()), 1.0, steps=2, epochs=6)
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[4:] == pytest.approx(rates(Cosine(), 1.0, steps=2, epochs=4))


def test_warm_up_may_take_the_whole_run() -> None:
    assert rates(Warmup(epochs=9, start_factor=0.5), 0.1, steps=3) == pytest.approx(
        [0.05 * (1 + step / 27) for step in range(3)]
    )


def test_warm_up_before_fixed_rates_uses_no_other() -> None:
    fixed = Piecewise(boundaries=(1,), values=(0.2, 0.1))
    assert rates(Warmup(start_factor=0.5, then=fixed), 7, steps=1, epochs=3) == [0.1, 0.2, 0.1]
    assert not uses_lr(Warmup(then=fixed))


def plateau(schedule: Schedule, losses: list[float]) -> list[float]:
    """The rate of each epoch, the first included, as these losses come in."""
    return [schedule.rate(1.0, Moment(e, 1, 99, (*losses[:e],))) for e in range(len(losses) + 1)]


def test_a_plateau_lowers_the_rate() -> None:
    losses = [1.0, 0.9, 0.9, 0.95, 0.9, 0.9]
    schedule = ReduceOnPlateau(factor=0.5, patience=1)
    assert plateau(schedule, losses) == [1, 1, 1, 1, 0.5, 0.5, 0.25]
    assert plateau(ReduceOnPlateau(factor=0.5, patience=1, min_lr=0.4), losses)[-1] == 0.4
    resting = ReduceOnPlateau(factor=0.5, patience=0, cooldown=2)
    assert plateau(resting, [1.0, 1.0, 1.0, 1.0, 1.0]) == [1, 1, 0.5, 0.5, 0.5, 0.25]


def test_a_loss_that_is_nan_is_no_improvement() -> None:
    assert plateau(ReduceOnPlateau(patience=0), [1.0, float("nan")])[-1] == pytest.approx(0.1)


def test_a_rate_below_the_lowest_stays() -> None:
    assert plateau(ReduceOnPlateau(patience=0, min_lr=5.0), [1.0, 1.0]) == [1, 1, 1]


def test_only_schedules_that_judge_say_so() -> None:
    assert ReduceOnPlateau().judges_validation
    assert Warmup(then=ReduceOnPlateau()).judges_validation
    assert not Warmup().judges_validation


def test_anneal_is_halfway_in_the_middle() -> None:
    assert [anneal(2, 1, share) for share in (0, 0.5, 1)] == pytest.approx([2, 1.5, 1])


def test_moments_know_their_epoch() -> None:
    assert [Moment(step, 4, 3).epoch for step in (0, 3, 4, 11)] == [0, 0, 1, 2]
    assert Moment(0, 4, 3).total_steps == 12


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Step, {"step_size": 0}, "step_size: expected an integer ≥ 1, found 0"),
        (Step, {"step_size": 1, "gamma": 0}, "gamma: expected a number > 0, found 0"),
        (Cosine, {"min_lr": -1}, "min_lr: expected a number ≥ 0, found -1"),
        (OneCycle, {"pct_start": 1}, "pct_start: expected a number > 0 and < 1, found 1"),
        (OneCycle, {"div_factor": 0.5}, "div_factor: expected a number ≥ 1, found 0.5"),
        (
            Piecewise,
            {"boundaries": [2, 5], "values": [0.1, 0.2]},
            "values: expected one more than boundaries (3), found 2",
        ),
        (
            Piecewise,
            {"boundaries": [5, 2], "values": [0.1, 0.2, 0.3]},
            "boundaries: must be increasing, found [5, 2]",
        ),
        (
            Piecewise,
            {"boundaries": [2, 2], "values": [0.1, 0.2, 0.3]},
            "boundaries: must be increasing, found [2, 2]",
        ),
        (
            Piecewise,
            {"boundaries": [0], "values": [0.1, 0.2]},
            "boundaries: expected a list of integers ≥ 1, found [0]",
        ),
    ],
)
def test_invalid_options_are_refused(
    kind: type[Schedule], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        kind(**options)
