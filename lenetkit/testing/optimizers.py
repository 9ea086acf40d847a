"""What `lenetkit.optimizers` promises of every optimizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.optimizers import Optimizer, SecondOrderOptimizer
from lenetkit.testing.common import COMMON, Unchanged
from lenetkit.testing.compare import (
    expect_all_same,
    expect_dtype,
    expect_finite,
    expect_same,
    fail,
    warnings_as_failures,
)
from lenetkit.testing.report import (
    NOTHING_EXPECTED,
    Check,
    CheckSkipped,
    Report,
    collect,
    expect_kind,
    require,
    subject_of,
)

SIZE, STEPS = 6, 5
RATE = 0.01

State = dict[str, Array]


@dataclass(frozen=True)
class OptimizerCase:
    """An optimizer under test with parameters and gradients."""

    thing: Optimizer

    def start(self, dtype: Any = np.float64) -> Array:
        """Parameters away from 0."""
        return np.random.default_rng(0).uniform(0.5, 2, SIZE).astype(dtype)

    def gradient(self, t: int, dtype: Any = np.float64) -> Array:
        """The gradient of step t."""
        return np.random.default_rng(t).normal(size=SIZE).astype(dtype)

    def state(self, params: Array) -> State:
        """State vectors as training makes them, with the first epoch begun."""
        state = {name: np.zeros_like(params) for name in self.thing.active_slots()}
        if isinstance(self.thing, SecondOrderOptimizer):
            self.thing.begin_epoch(state, lambda samples: np.ones_like(params))
        return state

    def run(
        self,
        params: Array,
        state: State,
        steps: range,
        *,
        lr: float = RATE,
        optimizer: Optimizer | None = None,
    ) -> dict[str, Array]:
        """Parameters and state after some steps, as copies."""
        for t in steps:
            gradient = self.gradient(t, params.dtype)
            (optimizer or self.thing).step(params, gradient, state, lr, t)
        return {"parameters": params.copy()} | {n: v.copy() for n, v in state.items()}

    def fresh(self, steps: int = STEPS, dtype: Any = np.float64, lr: float = RATE) -> State:
        """Parameters and state after steps from the start."""
        params = self.start(dtype)
        return self.run(params, self.state(params), range(1, steps + 1), lr=lr)


def slots_are_named(case: OptimizerCase) -> None:
    """`active_slots` are different names out of `slots`."""
    active, slots = case.thing.active_slots(), type(case.thing).slots
    if len(set(active)) != len(active) or not set(active) <= set(slots):
        raise fail(f"active_slots: expected names out of {slots}, found {active}")


def parameters_move_in_place(case: OptimizerCase) -> None:
    """`step` changes the parameters it is given, in place, and returns nothing."""
    params = case.start()
    step: Callable[..., Any] = case.thing.step
    result = step(params, case.gradient(1), case.state(params), RATE, 1)
    if result is not None:
        raise fail(f"step: expected None, found {type(result).__name__}", "update in place")
    if np.array_equal(params, case.start()):
        raise fail(
            "step: the parameters are where they were, although lr and the gradient are not 0",
            "params = params − … makes a new vector; write params -= …",
        )


def only_the_slots_hold_state(case: OptimizerCase) -> None:
    """State is changed in place, in the declared slots; the optimizer itself keeps none."""
    params = case.start()
    state = case.state(params)
    held, unchanged = dict(state), Unchanged(case.thing)
    case.run(params, state, range(1, 3))
    unchanged.expect("two steps")
    if state.keys() != held.keys():
        raise fail(f"state: expected {sorted(held)}, found {sorted(state)}; declare all in slots")
    for name, vector in held.items():
        if state[name] is not vector:
            raise fail(f"state['{name}'] was replaced", f"write state['{name}'][...] = …")


def a_resumed_run_is_the_same(case: OptimizerCase) -> None:
    """Stopped after two steps and resumed by an equal optimizer, a run gives the same bits."""
    expected = case.fresh()
    params = case.start()
    state = case.state(params)
    case.run(params, state, range(1, 3))
    twin = replace(case.thing)
    found = case.run(params.copy(), copy.deepcopy(state), range(3, STEPS + 1), optimizer=twin)
    cause = "something outside params, state and t is remembered; a checkpoint does not hold it"
    expect_all_same(found, expected, "resumed", cause=cause)


def steps_are_repeatable(case: OptimizerCase) -> None:
    """The same steps from the same start give the same bits."""
    expect_all_same(
        case.fresh(), case.fresh(), "the same steps again", cause="randomness, or state"
    )


def a_rate_of_zero_moves_nothing(case: OptimizerCase) -> None:
    """With lr 0 the parameters stay where they are: weight decay is scaled by the rate too."""
    params = case.start()
    case.run(params, case.state(params), range(1, 3), lr=0.0)
    cause = "part of the update is not multiplied by lr"
    expect_same(params, case.start(), "parameters after steps with lr 0", cause=cause)


def the_given_rate_is_used(case: OptimizerCase) -> None:
    """The rate of a step is the `lr` handed in, which the schedule made, not the option."""
    other = replace(case.thing, lr=case.thing.lr / 2 or 0.5)
    params = case.start()
    found = case.run(params, case.state(params), range(1, STEPS + 1), optimizer=other)
    cause = "the update uses self.lr; use the argument lr"
    expect_all_same(found, case.fresh(), "with another option lr", cause=cause)


def steps_go_downhill(case: OptimizerCase) -> None:
    """On ½·|p|² forty steps make the loss smaller, and every parameter stays finite."""
    params = case.start()
    state, before = case.state(params), float((params**2).sum())
    for t in range(1, 41):
        case.thing.step(params, params.copy(), state, RATE, t)
    expect_finite(params, "parameters")
    after = float((params**2).sum())
    if after >= before:
        raise fail(
            f"½·|p|² went from {before / 2:.4g} to {after / 2:.4g} in 40 steps of lr {RATE:g}",
            "the sign: parameters move against the gradient",
        )


def a_gradient_of_zero_is_no_mistake(case: OptimizerCase) -> None:
    """Gradients of 0 from the first step on leave everything finite, without a warning."""
    params = case.start()
    state = case.state(params)
    with warnings_as_failures("gradient 0"):
        for t in (1, 2):
            case.thing.step(params, np.zeros_like(params), state, RATE, t)
    for name, values in {"parameters": params, **state}.items():
        expect_finite(values, name, "a division by a norm that is 0; add a small eps")


def no_parameters_are_no_mistake(case: OptimizerCase) -> None:
    """A network without trainable parameters can be stepped."""
    nothing = np.zeros(0)
    with warnings_as_failures("no parameters"):
        case.thing.step(nothing, nothing.copy(), case.state(nothing), RATE, 1)


def float32_is_kept(case: OptimizerCase) -> None:
    """In float32 parameters and state stay float32 and near to those in float64."""
    single = case.fresh(dtype=np.float32)
    for name, values in single.items():
        expect_dtype(values, np.float32, name)
    params = case.start(np.float32).astype(np.float64)
    state = case.state(params)
    for t in range(1, STEPS + 1):
        case.thing.step(params, case.gradient(t, np.float32).astype(np.float64), state, RATE, t)
    expect_all_same(single, {"parameters": params, **state}, "float32", tolerance=1e-4)


def state_makes_a_difference(case: OptimizerCase) -> None:
    """Each slot that is active is used: after a step it is not 0 any more."""
    if not case.thing.active_slots():
        raise CheckSkipped("the optimizer has no active slots")
    found = case.fresh(steps=2)
    for name in case.thing.active_slots():
        if not found[name].any():
            raise fail(
                f"state['{name}'] is still 0 after two steps", "leave it out of active_slots"
            )


OPTIMIZER_CHECKS = (
    slots_are_named,
    parameters_move_in_place,
    only_the_slots_hold_state,
    a_resumed_run_is_the_same,
    steps_are_repeatable,
    a_rate_of_zero_moves_nothing,
    the_given_rate_is_used,
    steps_go_downhill,
    a_gradient_of_zero_is_no_mistake,
    no_parameters_are_no_mistake,
    float32_is_kept,
    state_makes_a_difference,
    *COMMON,
)


def optimizer_checks(optimizer: Optimizer, *, name: str | None = None) -> list[Check]:
    """The checks of one optimizer. Raises TypeError for anything but an optimizer."""
    expect_kind(optimizer, Optimizer)
    return collect(OPTIMIZER_CHECKS, OptimizerCase(optimizer), name or subject_of(optimizer))


def check_optimizer(
    optimizer: Optimizer, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """Hold an optimizer to what it promises. Raises CheckFailed, with the report, if it fails."""
    return require(optimizer_checks(optimizer), expected_failures=expected_failures)
