"""What `lenetkit.optimizers` promises of every optimizer."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array
from lenetkit.conformance import compare
from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.other_options import expect_effects
from lenetkit.conformance.reloading import FORGOTTEN, reloaded
from lenetkit.conformance.report import CheckSkipped
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.optimizers import Optimizer, SecondOrderOptimizer

SIZE, STEPS = 33, 5
"""Parameters, of both signs and odd in number, and steps."""
SIZES = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    15,
    16,
    17,
    31,
    64,
    65,
    129,
    257,
    1023,
    1025,
    4099,
    20_001,
    70_001,
)
HALF, WHOLE = 4, 12
"""Steps before a run is interrupted, and in all."""
RATE = 0.01
ROUNDING = 1e-9
NEXT_EPOCH = 4
"""The first step of the second epoch."""

State = dict[str, Array]


@dataclass(frozen=True)
class OptimizerCase:
    """An optimizer under test with parameters and gradients."""

    thing: Optimizer

    def start(self, dtype: Any = np.float64) -> Array:
        """Parameters away from 0, of both signs."""
        rng = np.random.default_rng(0)
        return (rng.uniform(0.5, 2, SIZE) * rng.choice((-1, 1), SIZE)).astype(dtype)

    def gradient(self, t: int, dtype: Any = np.float64) -> Array:
        """The gradient of step t."""
        return np.random.default_rng(t).normal(size=SIZE).astype(dtype)

    def state(self, params: Array) -> State:
        """State vectors as training makes them, with the first epoch begun."""
        state = {name: np.zeros_like(params) for name in self.thing.active_slots()}
        self.begin_epoch(params, state)
        return state

    def begin_epoch(self, params: Array, state: State) -> None:
        """Let a second-order optimizer measure: a curvature of |p| + 1 / samples."""
        if isinstance(self.thing, SecondOrderOptimizer):
            self.thing.begin_epoch(state, lambda samples: np.abs(params) + 1 / np.sqrt(samples))

    def run(
        self,
        params: Array,
        state: State,
        steps: Iterable[int],
        lr: float = RATE,
        gradient: Callable[[int], Array] | None = None,
    ) -> State:
        """Parameters and state after some steps, as copies."""
        for t in steps:
            if t == NEXT_EPOCH:
                self.begin_epoch(params, state)
            grads = gradient(t) if gradient else self.gradient(t, params.dtype)
            self.thing.step(params, grads.copy(), state, lr, t)
        return {"parameters": params.copy()} | {n: v.copy() for n, v in state.items()}

    def fresh(self, steps: int = STEPS, dtype: Any = np.float64, lr: float = RATE) -> State:
        """Parameters and state after steps from the start."""
        params = self.start(dtype)
        return self.run(params, self.state(params), range(1, steps + 1), lr)

    def arranged(self, places: NDArray[np.intp]) -> State:
        """Parameters and state after a run on the parameters at these places."""
        params = self.start()[places]
        steps = range(1, STEPS + 1)
        return self.run(
            params, self.state(params), steps, gradient=lambda t: self.gradient(t)[places]
        )

    def expect_no_noise(self) -> None:
        """Raises CheckSkipped if parameters move apart whose values and gradients are 0."""
        params = np.zeros(SIZE)
        found = self.run(params, self.state(params), (1,), gradient=lambda t: np.zeros(SIZE))
        if np.ptp(found["parameters"]):
            raise CheckSkipped("the optimizer adds noise")


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


def every_parameter_moves(case: OptimizerCase) -> None:
    """A step moves every parameter, however many there are, at any t, and from 0 as well."""
    for size in SIZES:
        _expect_moves(case, np.arange(size) % SIZE, 1)
    for t in (2, 10, 1_000_000):
        _expect_moves(case, np.arange(SIZE), t)
    with np.errstate(all="ignore"):  # what is not finite is reported
        _expect_moves(case, np.arange(SIZE), 1, np.where(np.arange(SIZE) % 3, 1.0, 0.0))


def a_resumed_run_is_the_same(case: OptimizerCase) -> None:
    """Stopped after four steps and resumed by an equal optimizer, a run gives the same bits.

    Between the two, another run takes place.
    """
    params = case.start()
    state = case.state(params)
    expected = case.fresh(WHOLE)
    case.run(params, state, range(1, HALF + 1))
    resumed, another = OptimizerCase(replace(case.thing)), -3 * case.start()[::-1]
    resumed.run(another, case.state(another), range(1, WHOLE + 1))
    found = resumed.run(params.copy(), copy.deepcopy(state), range(HALF + 1, WHOLE + 1))
    cause = (
        "a step depends on more than params, grads, state, lr and t, which checkpoints restore: "
        "what a module or class remembers is lost"
    )
    compare.expect_all_same(found, expected, "resumed after another run", cause=cause)


def steps_are_repeatable(case: OptimizerCase) -> None:
    """The same steps from the same start give the same bits."""
    cause = "randomness, or state outside the slots"
    compare.expect_all_same(case.fresh(), case.fresh(), "the same steps again", cause=cause)


def gradients_are_not_kept(case: OptimizerCase) -> None:
    """What becomes of `grads` after a step is of no consequence to the next, and the reverse.

    Training gives every step its gradients in the same memory.
    """
    params, memory = case.start(), np.empty(SIZE)

    def gradient(t: int) -> Array:
        memory[...] = case.gradient(t)
        return memory

    state = case.state(params)
    for t in range(1, STEPS + 1):
        if t == NEXT_EPOCH:
            case.begin_epoch(params, state)
        case.thing.step(params, gradient(t), state, RATE, t)
    found = {"parameters": params} | state
    cause = "the optimizer keeps `grads`, or a view of it, after a step; copy it into a slot"
    compare.expect_all_same(found, case.fresh(), "gradients in the same memory", cause=cause)


def begin_epoch_gives_figures(case: OptimizerCase) -> None:
    """`begin_epoch` returns a dict of finite Python numbers by name."""
    if not isinstance(case.thing, SecondOrderOptimizer):
        raise CheckSkipped("the optimizer measures nothing")
    params = case.start()
    found: object = case.thing.begin_epoch(case.state(params), lambda samples: np.abs(params))
    if not isinstance(found, dict):
        raise compare.fail(f"begin_epoch: expected a dict, found {type(found).__name__}")
    for name, value in found.items():
        compare.expect_line(name, "begin_epoch: a name")
        if type(value) not in (float, int) or not math.isfinite(value):
            shown = f"{type(value).__name__} {value}"
            raise compare.fail(
                f"begin_epoch: {name!r}: expected a finite float, found {shown}", "float(…)"
            )


def zero_curvature_is_accepted(case: OptimizerCase) -> None:
    """Parameters whose second derivative is 0, as of units that are never active, stay finite."""
    if not isinstance(case.thing, SecondOrderOptimizer):
        raise CheckSkipped("the optimizer measures nothing")
    params = case.start()
    state = {name: np.zeros_like(params) for name in case.thing.active_slots()}
    case.thing.begin_epoch(state, lambda samples: np.abs(params) * (np.arange(SIZE) % 2))
    cause = "a division by the second derivative; add a small number to it"
    with np.errstate(all="ignore"):
        case.thing.step(params, case.gradient(1), state, RATE, 1)
    compare.expect_finite(params, "parameters, every other second derivative 0", cause)


def zero_lr_moves_nothing(case: OptimizerCase) -> None:
    """With lr 0 the parameters stay where they are: lr scales weight decay too."""
    found = case.fresh(steps=2, lr=0.0)["parameters"]
    cause = "part of the update is not multiplied by lr"
    compare.expect_same(found, case.start(), "parameters after steps with lr 0", cause=cause)
    found = case.fresh(steps=2, lr=1e-12)["parameters"]
    what = "parameters after steps with lr 1e-12"
    compare.expect_same(found, case.start(), what, tolerance=1e-6, cause=cause)
    params = case.start()
    case.run(params, case.state(params), (1, 2), lr=0.0, gradient=lambda t: np.zeros(SIZE))
    what = "parameters after steps with lr 0 and gradients of 0"
    compare.expect_same(params, case.start(), what, cause=cause)


def the_given_rate_is_used(case: OptimizerCase) -> None:
    """Every step uses its argument `lr`, which the schedule computes, and not the option."""
    other = OptimizerCase(replace(case.thing, lr=case.thing.lr / 2 or 0.5))
    params = case.start()
    found = other.run(params, case.state(params), range(1, STEPS + 1))
    cause = "the update uses self.lr; use the argument lr"
    compare.expect_all_same(found, case.fresh(), "with a different option lr", cause=cause)
    ends = []
    for lr in (RATE, 2 * RATE):
        params = case.start()
        state = case.state(params)
        case.run(params, state, (1,))
        ends.append(case.run(params, state, (2,), lr)["parameters"])
    same = ends[0] == ends[1]
    if same.any():
        raise compare.fail(
            f"step 2: parameter {same.argmax()} moves alike with lr {RATE:g} and {2 * RATE:g}; "
            f"{same.sum()} of {SIZE} do",
            "the update uses the rate of an earlier step, or limits it; use the argument lr",
        )


def moves_are_in_proportion_to_the_rate(case: OptimizerCase) -> None:
    """Twice the argument `lr` moves every parameter further; while `lr` is small, twice as far."""
    case.expect_no_noise()
    rates = (1e-4, 2e-4, 1e-3, 1e-2, 2e-2)
    moves = [np.abs(case.fresh(1, lr=lr)["parameters"] - case.start()) for lr in rates]
    for i, (low, high) in enumerate(itertools.pairwise(moves)):
        wrong = ~(high > low) if i else ~(np.abs(high - 2 * low) < 0.5 * low)
        if wrong.any():
            at = wrong.argmax()
            raise compare.fail(
                f"parameter {at} moves by {low[at]:.4g} with lr {rates[i]:g} and by {high[at]:.4g} "
                f"with lr {rates[i + 1]:g}; {wrong.sum()} of {SIZE} are out of proportion",
                "the update is not lr times a step that does not depend on lr, or lr is limited",
            )


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


def first_steps_go_downhill(case: OptimizerCase) -> None:
    """Five steps reduce the loss ½·|p|², with any options; `maximize: true` goes uphill."""
    _expect_downhill(case, STEPS)


def signs_are_treated_alike(case: OptimizerCase) -> None:
    """With parameters and gradients of the opposite sign, a run is mirrored."""
    case.expect_no_noise()
    params = -case.start()
    steps = range(1, STEPS + 1)
    found = case.run(params, case.state(params), steps, gradient=lambda t: -case.gradient(t))
    expected = -case.fresh()["parameters"]
    cause = "negative values are lost, as in abs(p), maximum(g, 0) or sqrt(g)"
    what = "parameters, mirrored"
    compare.expect_same(found["parameters"], expected, what, tolerance=ROUNDING, cause=cause)


def places_are_treated_alike(case: OptimizerCase) -> None:
    """What becomes of a parameter does not depend on its place among the others.

    Nor on their number, unless a step of one depends on the gradients of others.
    """
    case.expect_no_noise()
    alone = None if _couples(case) else case.fresh()
    cause = "a part of the vector is left out, or treated otherwise: its end, a block, odd places"
    for size in SIZES:
        order = np.random.default_rng(size).permutation(size)
        places = np.arange(size) % SIZE
        if alone:
            what = f"{size} parameters instead of {SIZE}, in another order"
            expected = {name: values[places[order]] for name, values in alone.items()}
        else:
            what = f"{size} parameters in another order"
            expected = {name: values[order] for name, values in case.arranged(places).items()}
        found = case.arranged(places[order])
        compare.expect_all_same(found, expected, what, tolerance=ROUNDING, cause=cause)


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


def nan_is_not_hidden(case: OptimizerCase) -> None:
    """A gradient of NaN makes its parameter NaN."""
    for t in (1, 2):
        params = case.start()
        state = case.run(params, case.state(params), range(1, t))
        del state["parameters"]
        grads = case.gradient(t)
        grads[1] = np.nan
        case.thing.step(params, grads, state, RATE, t)
        if np.isfinite(params[1]):
            raise compare.fail(
                f"step {t}: the gradient of parameter 1 is NaN: expected NaN, found {params[1]:g}",
                "training that has diverged goes on unnoticed; np.where(g > 0, …), fmax and "
                "nan_to_num turn NaN into a number, np.sign(g) and np.maximum keep it",
            )


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

    def gradient(t: int) -> Array:
        return case.gradient(t, np.float32).astype(np.float64)

    double = case.run(params, case.state(params), range(1, STEPS + 1), gradient=gradient)
    compare.expect_all_same(single, double, "float32", tolerance=1e-4)


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


def a_new_process_gives_the_same(case: OptimizerCase) -> None:
    """Resumed where its module has just run, a run gives the same bits."""
    params, expected = case.start(), case.fresh(WHOLE)
    state = case.state(params)
    case.run(params, state, range(1, HALF + 1))
    found = OptimizerCase(reloaded(case.thing)).run(params, state, range(HALF + 1, WHOLE + 1))
    compare.expect_all_same(found, expected, "resumed in a new process", cause=FORGOTTEN)


def every_option_has_an_effect(case: OptimizerCase) -> None:
    """Every option but `lr`, which the schedule reads, changes a run."""

    def results(thing: Optimizer) -> bytes:
        other = OptimizerCase(thing)
        found: list[Array] = []
        for scale in (1e-3, 1.0, 1e3):
            params = other.start()
            state = other.state(params)
            scales = [scale, 10 * scale, *[scale] * 6]
            gradients = {t: s * other.gradient(t) for t, s in enumerate(scales, start=1)}
            found += other.run(params, state, gradients, gradient=gradients.__getitem__).values()
        return b"".join(values.tobytes() for values in found)

    expect_effects(case.thing, results, ignored=("lr",))


_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        (
            Rung(("slots_are_named",)),
            Rung(
                ("parameters_move_in_place",),
                ("active_slots_are_used", "nan_is_not_hidden"),
            ),
            Rung(("steps_go_downhill",), ("first_steps_go_downhill",)),
            Rung(("only_the_slots_hold_state",), ("float32_is_kept",)),
            Rung(("steps_are_repeatable",)),
            Rung(("a_resumed_run_is_the_same",), ("active_slots_are_used", "float32_is_kept")),
            Rung(("gradients_are_not_kept",)),
            Rung(("every_parameter_moves",), ("nan_is_not_hidden",)),
            Rung(("the_given_rate_is_used", "zero_gradient_is_accepted")),
            Rung(
                ("zero_lr_moves_nothing",),
                ("moves_are_in_proportion_to_the_rate", "signs_are_treated_alike"),
            ),
            Rung(("a_new_process_gives_the_same",)),
            Rung((), ("places_are_treated_alike", "every_option_has_an_effect")),
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
            "first_steps_go_downhill",
            "steps_are_repeatable",
            "gradients_are_not_kept",
            "float32_is_kept",
            "every_parameter_moves",
            "moves_are_in_proportion_to_the_rate",
            "places_are_treated_alike",
            "signs_are_treated_alike",
            "nan_is_not_hidden",
            "a_resumed_run_is_the_same",
            "a_new_process_gives_the_same",
        ),
        "active_slots": ("slots_are_named",),
    },
    keep="keep it in state['name'], named in slots, and write it in place",
)
SUITE = Suite(
    Optimizer,
    OptimizerCase,
    promises_in(__name__),
    _ORIGINS,
    once=(steps_go_downhill, a_new_process_gives_the_same, every_option_has_an_effect),
)
optimizer_checks, check_optimizer = SUITE.checks, SUITE.check


def _expect_downhill(case: OptimizerCase, steps: int) -> None:
    params = case.start()
    state, before = case.state(params), float((params**2).sum())
    sign = -1.0 if getattr(case.thing, "maximize", False) is True else 1.0  # PyTorch's option
    for t in range(1, steps + 1):
        case.thing.step(params, sign * params, state, RATE, t)
    compare.expect_finite(params, "parameters")
    after = float((params**2).sum())
    if after >= before:
        raise compare.fail(
            f"½·|p|² went from {before / 2:.4g} to {after / 2:.4g} in {steps} steps "
            f"with lr {RATE:g}",
            "the sign is reversed: parameters move against the gradient",
        )


def _expect_moves(
    case: OptimizerCase, places: NDArray[np.intp], t: int, scale: Array | float = 1.0
) -> None:
    """Raises CheckFailed if a step leaves a parameter where it was, or not finite."""
    before, gradient = scale * case.start()[places], case.gradient(1)[places]
    params = before.copy()
    found = case.run(params, case.state(params), (t,), gradient=lambda t: gradient)["parameters"]
    size = len(places)
    of_size = "a division by the parameter; biases start at 0" if not np.all(before) else ""
    compare.expect_finite(found, f"{size} parameters after step {t}", of_size)
    stuck = np.flatnonzero(found == before)
    if stuck.size:
        at = ", all 0" if not before[stuck].any() else ""
        raise compare.fail(
            f"step {t}: {stuck.size} of {size} parameters did not move, the first at {stuck[0]}"
            f"{at}, although lr and their gradients are not 0",
            "the update is multiplied by the parameter, and biases start at 0"
            if at
            else "a part of the vector is left out: the rest of a division into blocks, or its end",
        )


def _couples(case: OptimizerCase) -> bool:
    """Whether what becomes of the first parameter depends on the gradients of others."""
    alone, first = case.fresh()["parameters"][0], np.arange(SIZE) == 0
    for factor in (10.0, 0.1):

        def gradient(t: int, factor: float = factor) -> Array:
            return np.where(first, case.gradient(t), factor**t * case.gradient(100 + t))

        params = case.start()
        found = case.run(params, case.state(params), range(1, STEPS + 1), gradient=gradient)
        if found["parameters"][0] != alone:
            return True
    return False
