"""What `lenetkit.initializers` promises of every initializer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lenetkit.arrays import Array
from lenetkit.initializers import Initializer
from lenetkit.testing.common import COMMON, Unchanged
from lenetkit.testing.compare import expect_finite, expect_same, expect_shape, fail
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

SHAPES: tuple[tuple[int, ...], ...] = ((6, 3, 5, 5), (10, 84), (7,), (1, 1), (2, 3, 4), ())
LARGE = (100, 60)


@dataclass(frozen=True)
class InitializerCase:
    """An initializer under test."""

    thing: Initializer

    def sample(
        self, shape: tuple[int, ...] = LARGE, *, seed: int = 0, fans: tuple[int, int] = (60, 100)
    ) -> Array:
        """A sample from a generator of its own."""
        return self.thing.sample(np.random.default_rng(seed), shape, *fans)

    @property
    def is_random(self) -> bool:
        """Whether a sample depends on the generator."""
        return not np.array_equal(self.sample(seed=1), self.sample(seed=2))


def sample_has_the_given_shape(case: InitializerCase) -> None:
    """A sample has the shape that is asked for, for parameters of any rank."""
    for shape in SHAPES:
        expect_shape(np.asarray(case.sample(shape)), shape, f"sample of shape {shape}")


def sample_is_floating_point(case: InitializerCase) -> None:
    """A sample is an array of floating-point numbers."""
    values = case.sample()
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise fail(f"sample: expected an array of floating-point numbers, found {kind}")


def sample_is_finite(case: InitializerCase) -> None:
    """Array are finite, for fans of 1 too."""
    for fans in ((60, 100), (1, 1), (100_000, 1), (1, 100_000)):
        cause = "a division by fan_in − 1, or by a difference of fans"
        expect_finite(np.asarray(case.sample(fans=fans)), f"sample for fans {fans}", cause)


def same_seed_gives_the_same_bits(case: InitializerCase) -> None:
    """A generator in the same state gives the same sample, bit for bit."""
    first = case.sample(seed=5)
    case.sample(seed=6)
    cause = "randomness that does not come from the generator handed in"
    expect_same(case.sample(seed=5), first, "sample of the same seed", cause=cause)


def the_generator_is_drawn_from(case: InitializerCase) -> None:
    """Two samples, one after the other from one generator, differ; values differ in a sample."""
    values = case.sample()
    if np.ptp(values) == 0:
        raise CheckSkipped("every value is the same: the initializer is not random")
    rng = np.random.default_rng(0)
    if np.array_equal(
        case.thing.sample(rng, LARGE, 60, 100), case.thing.sample(rng, LARGE, 60, 100)
    ):
        raise fail(
            "two samples from one generator are the same, so all parameters would start alike",
            "a generator of its own with a fixed seed; draw from the one handed in",
        )


def global_randomness_is_left_alone(case: InitializerCase) -> None:
    """No draw comes from, and no seed goes to, NumPy's global generator."""
    before = repr(np.random.get_state())  # noqa: NPY002
    case.sample()
    if repr(np.random.get_state()) != before:  # noqa: NPY002
        raise fail("NumPy's global generator moved", "draw from the generator handed in")


def each_sample_is_an_array_of_its_own(case: InitializerCase) -> None:
    """A sample can be written to, and shares no memory with the next one."""
    first = case.sample()
    if not first.flags.writeable or 0 in first.strides:
        raise fail("sample: values share memory or cannot be written to", "copy broadcast arrays")
    second, before = case.sample(), case.sample()
    first += 1
    expect_same(second, before, "another sample, after writing to the first", cause="a kept array")


def spread_comes_from_the_fans(case: InitializerCase) -> None:
    """With the same fans, another shape of the same size has about the same mean and deviation."""
    if not case.is_random:
        raise CheckSkipped("the initializer is not random")
    a, b = case.sample((100, 60)), case.sample((60, 10, 10), seed=3)
    scale = max(float(a.std()), float(b.std()))
    cause = "fans are worked out from the shape; use fan_in and fan_out, which are handed in"
    if abs(float(a.std()) - float(b.std())) > 0.1 * scale:
        raise fail(f"deviation: {a.std():.4g} for 100×60, {b.std():.4g} for 60×10×10", cause)
    if abs(float(a.mean()) - float(b.mean())) > 0.1 * scale:
        raise fail(f"mean: {a.mean():.4g} for 100×60, {b.mean():.4g} for 60×10×10", cause)


def initializer_holds_no_state(case: InitializerCase) -> None:
    """After sampling the initializer holds exactly what it held before."""
    unchanged = Unchanged(case.thing)
    case.sample()
    unchanged.expect("sampling")


INITIALIZER_CHECKS = (
    sample_has_the_given_shape,
    sample_is_floating_point,
    sample_is_finite,
    same_seed_gives_the_same_bits,
    the_generator_is_drawn_from,
    global_randomness_is_left_alone,
    each_sample_is_an_array_of_its_own,
    spread_comes_from_the_fans,
    initializer_holds_no_state,
    *COMMON,
)


def initializer_checks(initializer: Initializer, *, name: str | None = None) -> list[Check]:
    """The checks of one initializer. Raises TypeError for anything but an initializer."""
    expect_kind(initializer, Initializer)
    case = InitializerCase(initializer)
    return collect(INITIALIZER_CHECKS, case, name or subject_of(initializer))


def check_initializer(
    initializer: Initializer, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """Hold an initializer to what it promises. Raises CheckFailed, with the report, if it fails."""
    return require(initializer_checks(initializer), expected_failures=expected_failures)
