"""What `lenetkit.optimizers` promises of every optimizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance import compare
from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.report import CheckSkipped
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.optimizers import Optimizer, SecondOrderOptimizer

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

    def run(self, params: Array, state: State, steps: Iterable[int], lr: float = RATE) -> State:
        """Parameters and state after some steps, as copies."""
        for t in steps:
            self.thing.step(params, self.gradient(t, params.dtype), state, lr, t)
        return {"parameters": params.copy()} | {n: v.copy() for n, v in state.items()}

    def fresh(self, steps: int = STEPS, dtype: Any = np.float64, lr: float = RATE) -> State:
        """Parameters and state after steps from the start."""
        params = self.start(dtype)
        return self.run(params, self.state(params), range(1, steps + 1), lr)


def slots_are_named(case: OptimizerCase) -> None:
    """`active_slots` are distinct names from `slots`."""
    active, slots = case.thing.active_slots(), type(case.thing).slots
    if len(set(active)) != len(active) or not set(active) <= set(slots):
        raise compare.fail(f"active_slots: expected distinct names from {slots}, found {active}")


def parameters_move_in_place(case: OptimizerCase) -> None:
    """`step` changes the parameters it is given, in place, and returns nothing."""
    params = case.start()
    step: Callable[..., Any] = case.thing.step
    result = step(params, case.gradient(1), case.state(params), RATE, 1)
    if result is not None:
        found = type(result).__name__
        raise compare.fail(f"step: expected None, found {found}", "update in place")
    if np.array_equal(params, case.start()):
        raise compare.fail(
            "step: the parameters did not change, although lr and the gradient are not 0",
            "params = params − … makes a new array; write params -= …",
        )


def only_the_slots_hold_state(case: OptimizerCase) -> None:
    """State changes in place, in the declared slots; the optimizer itself holds none."""
    params = case.start()
    state = case.state(params)
    held, unchanged = dict(state), Unchanged(case.thing)
    case.run(params, state, (1, 2))
    unchanged.expect("two steps")
    if state.keys() != held.keys():
        found = f"expected {sorted(held)}, found {sorted(state)}"
        raise compare.fail(f"state: {found}", "declare every state vector in slots")
    for name, vector in held.items():
        if state[name] is not vector:
            raise compare.fail(f"state['{name}'] was replaced", f"write state['{name}'][...] = …")


def a_resumed_run_is_the_same(case: OptimizerCase) -> None:
    """Stopped after two steps and resumed by an equal optimizer, a run gives the same bits."""
    params = case.start()
    state = case.state(params)
    case.run(params, state, (1, 2))
    resumed = OptimizerCase(replace(case.thing))
    found = resumed.run(params.copy(), copy.deepcopy(state), range(3, STEPS + 1))
    cause = "a step depends on more than params, grads, state, lr and t, which checkpoints restore"
    compare.expect_all_same(found, case.fresh(), "resumed", cause=cause)


def steps_are_repeatable(case: OptimizerCase) -> None:
    """The same steps from the same start give the same bits."""
    cause = "randomness, or state outside the slots"
    compare.expect_all_same(case.fresh(), case.fresh(), "the same steps again", cause=cause)


def zero_lr_moves_nothing(case: OptimizerCase) -> None:
    """With lr 0 the parameters stay where they are: lr scales weight decay too."""
    found = case.fresh(steps=2, lr=0.0)["parameters"]
    cause = "part of the update is not multiplied by lr"
    compare.expect_same(found, case.start(), "parameters after steps with lr 0", cause=cause)


def the_given_rate_is_used(case: OptimizerCase) -> None:
    """A step uses its argument `lr`, which the schedule computes, and not the option."""
    other = OptimizerCase(replace(case.thing, lr=case.thing.lr / 2 or 0.5))
    params = case.start()
    found = other.run(params, case.state(params), range(1, STEPS + 1))
    cause = "the update uses self.lr; use the argument lr"
    compare.expect_all_same(found, case.fresh(), "with a different option lr", cause=cause)


def steps_go_downhill(case: OptimizerCase) -> None:
    """Forty steps reduce the loss ½·|p|², and every parameter stays finite."""
    params = case.start()
    state, before = case.state(params), float((params**2).sum())
    for t in range(1, 41):
        case.thing.step(params, params.copy(), state, RATE, t)
    compare.expect_finite(params, "parameters")
    after = float((params**2).sum())
    if after >= before:
        raise compare.fail(
            f"½·|p|² went from {before / 2:.4g} to {after / 2:.4g} in 40 steps with lr {RATE:g}",
            "the sign is reversed: parameters move against the gradient",
        )


def zero_gradient_is_accepted(case: OptimizerCase) -> None:
    """Gradients of 0 from the first step on leave everything finite, without a warning."""
    params = case.start()
    state = case.state(params)
    cause = "a division by the root or norm of a gradient that is 0; add a small eps to it"
    with compare.warnings_as_failures("gradient 0", cause):
        for t in (1, 2):
            case.thing.step(params, np.zeros_like(params), state, RATE, t)
    for name, values in {"parameters": params, **state}.items():
        compare.expect_finite(values, name, cause)


def no_parameters_are_accepted(case: OptimizerCase) -> None:
    """A step works on a network without trainable parameters."""
    nothing = np.zeros(0)
    with compare.warnings_as_failures("no parameters"):
        case.thing.step(nothing, nothing.copy(), case.state(nothing), RATE, 1)


def float32_is_kept(case: OptimizerCase) -> None:
    """In float32, parameters and state stay float32 and close to those in float64."""
    single = case.fresh(dtype=np.float32)
    for name, values in single.items():
        compare.expect_dtype(values, np.float32, name)
    params = case.start(np.float32).astype(np.float64)
    state = case.state(params)
    for t in range(1, STEPS + 1):
        case.thing.step(params, case.gradient(t, np.float32).astype(np.float64), state, RATE, t)
    compare.expect_all_same(single, {"parameters": params, **state}, "float32", tolerance=1e-4)


def active_slots_are_used(case: OptimizerCase) -> None:
    """After two steps, no active slot is all zeros."""
    if not case.thing.active_slots():
        raise CheckSkipped("the optimizer has no active slots")
    found = case.fresh(steps=2)
    for name in case.thing.active_slots():
        if not found[name].any():
            cause = (
                f"`{name} = …` makes a new array that is forgotten; write state['{name}'][...] = "
                "…, or leave the slot out of active_slots if it is not used"
            )
            raise compare.fail(f"state['{name}'] is still 0 after two steps", cause)


_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        (
            Rung(("slots_are_named",)),
            Rung(("parameters_move_in_place",), ("steps_go_downhill", "active_slots_are_used")),
            Rung(("only_the_slots_hold_state",), ("float32_is_kept",)),
            Rung(
                ("steps_are_repeatable",), ("a_resumed_run_is_the_same", "the_given_rate_is_used")
            ),
        ),
    ),
    {
        "step": (
            "parameters_move_in_place",
            "active_slots_are_used",
            "only_the_slots_hold_state",
            "zero_lr_moves_nothing",
            "the_given_rate_is_used",
            "steps_go_downhill",
            "steps_are_repeatable",
            "float32_is_kept",
        ),
        "active_slots": ("slots_are_named",),
    },
    keep="keep it in state['name'], named in slots, and write it in place",
)
SUITE = Suite(Optimizer, OptimizerCase, promises_in(__name__), _ORIGINS)
optimizer_checks, check_optimizer = SUITE.checks, SUITE.check
