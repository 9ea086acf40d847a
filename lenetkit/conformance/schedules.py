"""What `lenetkit.schedules` promises of every schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.compare import fail
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.schedules import Moment, Schedule

RATE = 0.1
RUNS = ((4, 5), (1, 3), (7, 1), (100, 12))
"""Steps per epoch, and epochs."""


@dataclass(frozen=True)
class ScheduleCase:
    """A schedule under test."""

    thing: Schedule

    def rates(self, steps: int, epochs: int, lr: float = RATE) -> list[float]:
        """The rate of every step of a run."""
        return [self.thing.rate(lr, _moment(i, steps, epochs)) for i in range(steps * epochs)]


def _moment(step: int, steps: int, epochs: int) -> Moment:
    """A moment of a run whose held-out loss falls ever more slowly, towards 1."""
    losses = (1 + 1 / (epoch + 1) ** 2 for epoch in range(step // steps))
    return Moment(step, steps, epochs, tuple(losses))


def rates_are_python_floats(case: ScheduleCase) -> None:
    """A rate is a Python float; a NumPy number would turn float32 parameters into float64."""
    for step, rate in enumerate(case.rates(4, 5)):
        if type(rate) is not float:
            raise fail(
                f"step {step}: expected a float, found {type(rate).__name__}",
                "np.cos, np.exp and the like return NumPy numbers; use math, or float(…)",
            )


def rates_are_finite_and_not_negative(case: ScheduleCase) -> None:
    """Every rate of every run is a finite number of at least 0, and they are not all 0."""
    for steps, epochs in RUNS:
        rates = case.rates(steps, epochs)
        run = f"{epochs} epochs of {steps} steps"
        for step, rate in enumerate(rates):
            if not (math.isfinite(rate) and rate >= 0):
                raise fail(
                    f"{run}, step {step}: expected a finite number ≥ 0, found {rate}",
                    "the formula goes past its end, or divides by a number of steps that is 0",
                )
        if not any(rates):
            raise fail(f"{run}: every rate is 0, so nothing would be learned")


def one_step_has_a_rate(case: ScheduleCase) -> None:
    """A run of a single step, as `--limit` makes it, has a finite rate."""
    cause = "total_steps − 1 is 0; use max(total_steps − 1, 1)"
    _expect_finite_rates(case, "one step", cause, 1, 1)


def order_of_calls_does_not_matter(case: ScheduleCase) -> None:
    """The rate depends only on the moment: in reverse order or asked twice, it is the same."""
    forwards = case.rates(4, 5)
    moments = [_moment(step, 4, 5) for step in range(20)]
    backwards = [case.thing.rate(RATE, at) for at in reversed(moments)][::-1]
    for step, (found, expected) in enumerate(zip(backwards, forwards, strict=True)):
        if found != expected:
            raise fail(
                f"step {step}: {expected:.8g} in order, {found:.8g} in reverse order",
                "the schedule counts calls, or multiplies its last rate; compute it from `at`",
            )


def a_resumed_run_is_the_same(case: ScheduleCase) -> None:
    """An equal schedule that has seen no step yet gives the same rates from the middle on."""
    fresh, expected = replace(case.thing), case.rates(4, 5)
    found = [fresh.rate(RATE, _moment(step, 4, 5)) for step in range(10, 20)]
    if found != expected[10:]:
        raise fail("a run resumed at step 10 has other rates", "the object counts something")


def schedule_holds_no_state(case: ScheduleCase) -> None:
    """After a run, the schedule holds exactly what it held before."""
    unchanged = Unchanged(case.thing)
    case.rates(4, 5)
    unchanged.expect("a run")


def zero_lr_is_accepted(case: ScheduleCase) -> None:
    """An optimizer's lr of 0 gives finite rates."""
    _expect_finite_rates(case, "lr 0", "a division by lr", 4, 5, lr=0.0)


_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        (
            Rung(
                ("order_of_calls_does_not_matter",),
                ("schedule_holds_no_state", "a_resumed_run_is_the_same"),
            ),
            Rung(
                ("rates_are_finite_and_not_negative",),
                ("one_step_has_a_rate", "zero_lr_is_accepted"),
            ),
        ),
    ),
    {"rate": ("rates_are_finite_and_not_negative", "rates_are_python_floats")},
    keep="compute the rate from `lr` and `at` alone",
)
SUITE = Suite(Schedule, ScheduleCase, promises_in(__name__), _ORIGINS)
schedule_checks, check_schedule = SUITE.checks, SUITE.check


def _expect_finite_rates(
    case: ScheduleCase, what: str, cause: str, steps: int, epochs: int, lr: float = RATE
) -> None:
    try:
        rates = case.rates(steps, epochs, lr)
    except ArithmeticError as error:
        found = f"{type(error).__name__}: {error}"
        raise fail(f"{what}: expected finite rates, found {found}", cause) from error
    for step, rate in enumerate(rates):
        if not math.isfinite(rate):
            raise fail(f"{what}: expected a finite rate at step {step}, found {rate}", cause)
