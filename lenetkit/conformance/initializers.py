"""What `lenetkit.initializers` promises of every initializer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.compare import expect_finite, expect_same, expect_shape, fail
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.other_options import expect_effects
from lenetkit.conformance.reloading import FORGOTTEN, reloaded
from lenetkit.conformance.report import CheckSkipped
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.initializers import Initializer

SHAPES: tuple[Shape, ...] = ((6, 3, 5, 5), (10, 84), (7,), (1,), (1, 1), (33, 17), (2, 3, 4), ())
LARGE, HUGE = (100, 60), (300, 200)
FANS = ((60, 100), (1, 1), (100_000, 1), (1, 100_000), (1_000_000, 1_000_000))


@dataclass(frozen=True)
class InitializerCase:
    """An initializer under test."""

    thing: Initializer

    def sample(
        self, shape: Shape = LARGE, *, seed: int = 0, word: int = 0, fans: tuple[int, int] = FANS[0]
    ) -> Array:
        """A sample from a new generator, seeded as a network does: by its seed and a parameter."""
        return self.thing.sample(np.random.default_rng([seed, word]), shape, *fans)


def sample_has_the_given_shape(case: InitializerCase) -> None:
    """A sample has the requested shape, for parameters of any rank."""
    for shape in SHAPES:
        expect_shape(np.asarray(case.sample(shape)), shape, f"sample of shape {shape}")


def sample_is_floating_point(case: InitializerCase) -> None:
    """A sample is an array of floating-point numbers."""
    values = case.sample()
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise fail(f"sample: expected an array of floating-point numbers, found {kind}")


def sample_is_finite(case: InitializerCase) -> None:
    """All values are finite, even if a fan is 1 or huge."""
    for fans in FANS:
        cause = "a division by fan_in − 1, or by a difference of fans"
        expect_finite(np.asarray(case.sample(fans=fans)), f"sample for fans {fans}", cause)


def same_seed_gives_the_same_bits(case: InitializerCase) -> None:
    """A generator in the same state gives the same sample, bit for bit."""
    first = case.sample(seed=5)
    case.sample(seed=6)
    cause = "random numbers that do not come from `rng`"
    expect_same(case.sample(seed=5), first, "sample with the same seed", cause=cause)


def generator_is_used(case: InitializerCase) -> None:
    """Two samples drawn from one generator differ, and those of a seed's parameters."""
    values = case.sample()
    if len(np.unique(values)) <= values.size // 100 and np.array_equal(values, case.sample(seed=1)):
        raise CheckSkipped("a few values in the same places: the initializer is not random")
    rng = np.random.default_rng([0, 0])
    first, second = (case.thing.sample(rng, LARGE, *FANS[0]).copy() for _ in range(2))
    if np.array_equal(first, second):
        raise fail(
            "two samples from one generator are equal, so all parameters would start alike",
            "the initializer makes its own generator with a fixed seed; draw from `rng`",
        )
    if _correlated(case.sample(word=1).copy(), case.sample(word=2)):
        raise fail(
            "two parameters of a network start alike: their generators differ in the later words "
            "of their seed only",
            "the initializer makes its own generator from a part of the seed; draw from `rng`",
        )


def units_start_apart(case: InitializerCase) -> None:
    """No row or column of a random sample repeats another."""
    values = case.sample()
    if np.ptp(values) == 0 or np.array_equal(values, case.sample(seed=1)):
        raise CheckSkipped("the initializer is not random")
    for name, parts in {"rows": values, "columns": values.T}.items():
        distinct = len(np.unique(parts, axis=0))
        if distinct < len(parts):
            raise fail(
                f"{len(parts)} {name}: only {distinct} differ",
                "fewer values are drawn than the shape has, so that units learn the same",
            )


def every_value_is_drawn(case: InitializerCase) -> None:
    """Of a random sample of any size, no place has the same value for every seed.

    In a large one, no part has another spread, or repeats the values of another.
    """
    for shape in ((7,), (1,), (33,), (3, 5)):
        values = np.array([case.sample(shape, seed=seed).reshape(-1) for seed in range(64)])
        stuck = np.ptp(values, axis=0) == 0
        alone = stuck & ~np.isin(values[0], values[:, ~stuck])  # sparse ones have zeros elsewhere
        if alone.any() and not np.array_equal(case.sample(), case.sample(seed=1)):
            raise fail(
                f"sample of shape {shape}: value {alone.argmax()} is {values[0][alone][0]:g} for "
                "every seed",
                "a part of the values is left out: the rest of a division into pairs or blocks",
            )

    _expect_drawn_whole(case)


def global_randomness_is_left_alone(case: InitializerCase) -> None:
    """NumPy's global generator is neither used nor seeded."""
    before = repr(np.random.get_state())  # noqa: NPY002
    case.sample()
    if repr(np.random.get_state()) != before:  # noqa: NPY002
        raise fail("the state of NumPy's global generator changed", "draw from `rng`")


def samples_own_their_memory(case: InitializerCase) -> None:
    """A sample can be written to and shares no memory with the next one."""
    first = case.sample()
    if not first.flags.writeable or 0 in first.strides:
        raise fail("sample: values share memory or are read-only", "copy broadcast arrays")
    before, cause = first.copy(), "the initializer keeps an array and returns it again"
    case.sample(seed=1)
    expect_same(first, before, "a sample, after another was drawn", cause=cause)
    first += 1
    expect_same(case.sample(), before, "another sample, after writing to the first", cause=cause)


def spread_comes_from_the_fans(case: InitializerCase) -> None:
    """With the same fans, a different shape of the same size has about the same mean and std."""
    if np.array_equal(case.sample(seed=1), case.sample(seed=2)):
        raise CheckSkipped("the initializer is not random")
    a = case.sample((100, 60))
    cause = "the fans are computed from the shape; use the arguments fan_in and fan_out"
    for shape in ((60, 10, 10), (60, 4, 5, 5)):
        b = case.sample(shape, seed=3)
        limit = 0.1 * max(float(a.std()), float(b.std()))
        for name, one, other in (("std", a.std(), b.std()), ("mean", a.mean(), b.mean())):
            if abs(float(one) - float(other)) > limit:
                text = "×".join(map(str, shape))
                raise fail(f"{name}: {one:.4g} for 100×60, {other:.4g} for {text}", cause)


def initializer_holds_no_state(case: InitializerCase) -> None:
    """After sampling, the initializer holds exactly what it held before."""
    unchanged = Unchanged(case.thing)
    case.sample()
    unchanged.expect("sampling")


def a_new_process_gives_the_same(case: InitializerCase) -> None:
    """Where its module has just run, a generator in the same state gives the same bits."""
    found = InitializerCase(reloaded(case.thing)).sample(seed=3)
    expect_same(found, case.sample(seed=3), "sample in a new process", cause=FORGOTTEN)


def every_option_has_an_effect(case: InitializerCase) -> None:
    """Every option changes the sample for some shape and fans."""

    def results(thing: Initializer) -> bytes:
        other = InitializerCase(thing)
        samples = [other.sample(shape, fans=f) for shape in (LARGE, (4, 3, 2, 2)) for f in FANS]
        return b"".join(np.asarray(sample).tobytes() for sample in samples)

    expect_effects(case.thing, results)


_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        (
            Rung(("initializer_holds_no_state",)),
            Rung(("sample_has_the_given_shape",)),
            Rung(("sample_is_floating_point", "sample_is_finite")),
            Rung(("same_seed_gives_the_same_bits",)),
            Rung(("samples_own_their_memory",), ("units_start_apart",)),
            Rung(("units_start_apart",), ("spread_comes_from_the_fans",)),
            Rung((), ("a_new_process_gives_the_same", "every_option_has_an_effect")),
        ),
    ),
    {"sample": ("sample_has_the_given_shape", "sample_is_floating_point", "sample_is_finite")},
    keep="compute it from the arguments of `sample`",
)
ONCE = (a_new_process_gives_the_same, every_option_has_an_effect)
SUITE = Suite(
    Initializer,
    InitializerCase,
    promises_in(__name__),
    _ORIGINS,
    once=ONCE,
)
initializer_checks, check_initializer = SUITE.checks, SUITE.check


def _expect_drawn_whole(case: InitializerCase) -> None:
    """Raises CheckFailed if a part of a large random sample is left out, or drawn once only."""
    values = case.sample(HUGE)
    if np.array_equal(values, case.sample(HUGE, seed=1)):
        return
    stds = values.reshape(6, -1).std(axis=1)
    if stds.min() < stds.max() / 2:
        raise fail(
            f"sample of shape {HUGE}: the std of its sixths is {stds.min():.4g} to "
            f"{stds.max():.4g}",
            "a part of the values is left out: only so many are drawn",
        )
    small, distinct = case.sample((33, 17)), len(np.unique(values))
    if len(np.unique(small)) > 0.99 * small.size and distinct < 0.9 * values.size:
        raise fail(
            f"sample of shape {HUGE}: only {distinct:,} of {values.size:,} values differ",
            "fewer values are drawn than the shape has",
        )


def _correlated(one: Array, other: Array) -> bool:
    """Whether two random samples are equal, or one is the other times a number."""
    one, other = one.reshape(-1) - one.mean(), other.reshape(-1) - other.mean()
    return bool(abs(one @ other) > 0.5 * np.sqrt((one @ one) * (other @ other)))
