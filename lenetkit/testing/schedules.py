"""What `lenetkit.schedules` promises of every schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lenetkit.schedules import Moment, Schedule
from lenetkit.testing.common import COMMON, Unchanged
from lenetkit.testing.compare import fail
from lenetkit.testing.report import (
    NOTHING_EXPECTED,
    Check,
    Report,
    collect,
    expect_kind,
    require,
    subject_of,
)

RATE = 0.1
RUNS = ((4, 5), (1, 3), (7, 1), (100, 12))
"""Steps an epoch, and epochs."""


@dataclass(frozen=True)
class ScheduleCase:
    """A schedule under test."""

    thing: Schedule

    def rates(self, steps: int, epochs: int, lr: float = RATE) -> list[float]:
        """The rate of every step of a run."""
        return [self.thing.rate(lr, Moment(i, steps, epochs)) for i in range(steps * epochs)]


def rates_are_python_floats(case: ScheduleCase) -> None:
    """A rate is a Python float; a NumPy number would make float32 parameters float64."""
    for step, rate in enumerate(case.rates(4, 5)):
        if type(rate) is not float:
            raise fail(
                f"step {step}: expected a float, found {type(rate).__name__}",
                "np.cos, np.exp and the like return NumPy numbers; use math, or float(…)",
            )


def rates_are_finite_and_not_negative(case: ScheduleCase) -> None:
    """Every rate of every run is a finite number of at least 0, and not all of them are 0."""
    for steps, epochs in RUNS:
        rates = case.rates(steps, epochs)
        for step, rate in enumerate(rates):
            if not (math.isfinite(rate) and rate >= 0):
                raise fail(
                    f"step {step} of {steps * epochs} ({epochs} epochs): expected a finite number "
                    f"≥ 0, found {rate}",
                    "the formula runs past the end, or divides by a number of steps that is 0",
                )
        if not any(rates):
            raise fail(
                f"{epochs} epochs of {steps} steps: every rate is 0, nothing would be learned"
            )


def a_run_of_one_step_has_a_rate(case: ScheduleCase) -> None:
    """A run of a single step, as `--limit` makes it, has a rate that is finite."""
    try:
        (rate,) = case.rates(1, 1)
    except ArithmeticError as error:
        raise fail(
            f"one step: expected a rate, found {type(error).__name__}: {error}",
            "total_steps − 1 is 0; use max(total_steps − 1, 1)",
        ) from error
    if not math.isfinite(rate):
        raise fail(f"one step: expected a finite rate, found {rate}", "total_steps − 1 is 0")


def order_of_asking_does_not_matter(case: ScheduleCase) -> None:
    """The rate depends on the moment alone: asked backwards, or twice, it is the same."""
    forwards = case.rates(4, 5)
    moments = [Moment(step, 4, 5) for step in range(20)]
    backwards = [case.thing.rate(RATE, at) for at in reversed(moments)][::-1]
    for step, (found, expected) in enumerate(zip(backwards, forwards, strict=True)):
        if found != expected:
            raise fail(
                f"step {step}: {expected:.8g} asked in order, {found:.8g} asked backwards",
                "the schedule counts calls, or multiplies the last rate; compute it from `at`",
            )


def a_resumed_run_is_the_same(case: ScheduleCase) -> None:
    """An equal schedule that has seen no step gives the rates that this one gives."""
    expected = case.rates(4, 5)
    fresh = ScheduleCase(replace(case.thing))
    found = [fresh.thing.rate(RATE, Moment(step, 4, 5)) for step in range(10, 20)]
    if found != expected[10:]:
        raise fail("a run resumed at step 10 has other rates", "something is counted in the object")


def schedule_holds_no_state(case: ScheduleCase) -> None:
    """After a run the schedule holds exactly what it held before."""
    unchanged = Unchanged(case.thing)
    case.rates(4, 5)
    unchanged.expect("a run")


def a_rate_of_zero_is_no_mistake(case: ScheduleCase) -> None:
    """An optimizer's lr of 0 gives rates that are finite."""
    try:
        rates = case.rates(4, 5, lr=0.0)
    except ArithmeticError as error:
        raise fail(f"lr 0: expected rates, found {type(error).__name__}: {error}") from error
    for step, rate in enumerate(rates):
        if not math.isfinite(rate):
            raise fail(f"lr 0, step {step}: expected a finite rate, found {rate}")


SCHEDULE_CHECKS = (
    rates_are_python_floats,
    rates_are_finite_and_not_negative,
    a_run_of_one_step_has_a_rate,
    order_of_asking_does_not_matter,
    a_resumed_run_is_the_same,
    schedule_holds_no_state,
    a_rate_of_zero_is_no_mistake,
    *COMMON,
)


def schedule_checks(schedule: Schedule, *, name: str | None = None) -> list[Check]:
    """The checks of one schedule. Raises TypeError for anything but a schedule."""
    expect_kind(schedule, Schedule)
    return collect(SCHEDULE_CHECKS, ScheduleCase(schedule), name or subject_of(schedule))


def check_schedule(
    schedule: Schedule, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """Hold a schedule to what it promises. Raises CheckFailed, with the report, if it fails."""
    return require(schedule_checks(schedule), expected_failures=expected_failures)
