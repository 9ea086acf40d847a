"""What `lenetkit.schedules` promises of every schedule."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.compare import fail
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.other_options import expect_effects
from lenetkit.conformance.reloading import FORGOTTEN, reloaded
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.options import options_of
from lenetkit.schedules import Moment, Schedule

RATE = 0.1
RUNS = ((4, 5), (1, 3), (7, 1), (100, 12))
"""Steps per epoch, and epochs."""
SHORT_RUNS = ((2, 1), (1, 2), (3, 1), (3, 3))
"""Runs in which a warm-up may not end."""
LONG_RUN = (938, 15)


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
    """Every rate of every run is a finite number of at least 0; only in short runs are all 0."""
    for steps, epochs in (*RUNS, *SHORT_RUNS):
        run = f"{epochs} epochs of {steps} steps"
        try:
            rates = case.rates(steps, epochs)
        except ArithmeticError as error:
            cause = "a number of steps is 0, or too large for exp or a power"
            raise fail(f"{run}: {type(error).__name__}: {error}", cause) from error
        for step, rate in enumerate(rates):
            if not (math.isfinite(rate) and rate >= 0):
                raise fail(
                    f"{run}, step {step}: expected a finite number ≥ 0, found {rate}",
                    "the formula goes past its end, or divides by a number of steps that is 0",
                )
        if (steps, epochs) in RUNS and not any(rates):
            raise fail(f"{run}: every rate is 0, so nothing would be learned")


def one_step_has_a_rate(case: ScheduleCase) -> None:
    """A run of a single step, as `--limit` makes it, has a finite rate."""
    cause = "total_steps − 1 is 0; use max(total_steps − 1, 1)"
    _expect_finite_rates(case, "one step", cause, 1, 1)


def long_runs_have_rates(case: ScheduleCase) -> None:
    """A run of 15 epochs of 938 steps, as MNIST takes, has finite rates of at least 0."""
    steps, epochs = LONG_RUN
    for step in (0, 1, *range(999, steps * epochs, 1000), steps * epochs - 1):
        what = f"{epochs} epochs of {steps} steps, step {step}"
        try:
            rate = case.thing.rate(RATE, _moment(step, steps, epochs))
        except ArithmeticError as error:
            found = f"{type(error).__name__}: {error}"
        else:
            if math.isfinite(rate) and rate >= 0:
                continue
            found = str(rate)
        cause = "a power overflows, or a number of steps is fixed in the code"
        raise fail(f"{what}: expected a finite number ≥ 0, found {found}", cause)


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
    """An equal schedule gives the same rates from the middle on, after another run, too."""
    expected = case.rates(4, 5)[10:]
    ScheduleCase(replace(case.thing)).rates(7, 2, lr=3 * RATE)
    resumed = replace(case.thing)
    found = [resumed.rate(RATE, _moment(step, 4, 5)) for step in range(10, 20)]
    if found != expected:
        raise fail("a run resumed at step 10 has other rates", "the object counts something")


def the_given_rate_is_used(case: ScheduleCase) -> None:
    """Twice the `lr` gives twice the rates, if options in units of a rate are doubled with it.

    `min_lr` is such an option. Only a schedule whose options give the rates may leave `lr` out.
    """
    if any(_doubles_with(case, doubled) for doubled in _with_options_doubled(case.thing)):
        return
    before, after = case.rates(4, 5), case.rates(4, 5, 2 * RATE)
    step = max(range(20), key=lambda i: abs(after[i] - 2 * before[i]))
    raise fail(
        f"step {step}: {before[step]:.4g} with lr {RATE:g} and {after[step]:.4g} with lr "
        f"{2 * RATE:g}, and no option in units of a rate explains that",
        "the rate does not follow `lr`: multiply by it, or make a rate in the code an option",
    )


def schedule_holds_no_state(case: ScheduleCase) -> None:
    """After a run, the schedule holds exactly what it held before."""
    unchanged = Unchanged(case.thing)
    case.rates(4, 5)
    unchanged.expect("a run")


def zero_lr_is_accepted(case: ScheduleCase) -> None:
    """An optimizer's lr of 0 gives finite rates."""
    _expect_finite_rates(case, "lr 0", "a division by lr", 4, 5, lr=0.0)


def a_new_process_gives_the_same(case: ScheduleCase) -> None:
    """Resumed where its module has just run, a run has the same rates."""
    expected, again = case.rates(4, 5)[10:], reloaded(case.thing)
    if [again.rate(RATE, _moment(step, 4, 5)) for step in range(10, 20)] != expected:
        raise fail("a run resumed at step 10 in a new process has other rates", FORGOTTEN)


def every_option_has_an_effect(case: ScheduleCase) -> None:
    """Every option changes the rates of some run."""

    def results(thing: Schedule) -> bytes:
        other = ScheduleCase(thing)
        runs = (*RUNS, *SHORT_RUNS, (1, 200))
        return repr([other.rates(*run, lr=lr) for run in runs for lr in (RATE, 1e-5)]).encode()

    expect_effects(case.thing, results)


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
                ("one_step_has_a_rate", "zero_lr_is_accepted", "long_runs_have_rates"),
            ),
            Rung(("one_step_has_a_rate", "zero_lr_is_accepted", "the_given_rate_is_used")),
            Rung((), ("a_new_process_gives_the_same", "every_option_has_an_effect")),
        ),
    ),
    {
        "rate": (
            "rates_are_finite_and_not_negative",
            "rates_are_python_floats",
            "the_given_rate_is_used",
        )
    },
    keep="compute the rate from `lr` and `at` alone",
)
ONCE = (long_runs_have_rates, a_new_process_gives_the_same, every_option_has_an_effect)
SUITE = Suite(Schedule, ScheduleCase, promises_in(__name__), _ORIGINS, once=ONCE)
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


def _with_options_doubled(schedule: Schedule) -> Iterator[Schedule]:
    """The schedule, then with each choice of options that hold numbers doubled."""
    values = {opt.name: getattr(schedule, opt.name) for opt in options_of(type(schedule))}
    doubled: dict[str, Any] = {
        name: 2 * value for name, value in values.items() if type(value) is float
    }
    doubled |= {
        name: tuple(2 * item for item in value)
        for name, value in values.items()
        if isinstance(value, tuple) and all(type(item) is float for item in value)
    }
    for count in range(len(doubled) + 1):
        for names in itertools.combinations(doubled, count):
            with contextlib.suppress(ValueError):  # OptionError is one
                yield replace(schedule, **{name: doubled[name] for name in names})


def _doubles_with(case: ScheduleCase, doubled: Schedule) -> bool:
    """Whether another schedule has twice the rates for twice the lr."""
    for lr in (RATE / 10, RATE, 100 * RATE):
        for steps, epochs in RUNS[:3]:
            rates = case.rates(steps, epochs, lr)
            found = ScheduleCase(doubled).rates(steps, epochs, 2 * lr)
            limit = 1e-3 * max(rates)
            if any(abs(f - 2 * rate) > limit for f, rate in zip(found, rates, strict=True)):
                return False
    return True
