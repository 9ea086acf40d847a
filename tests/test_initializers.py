"""Initializers: the distribution of a large sample."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from lenetkit.errors import OptionError
from lenetkit.initializers import (
    Constant,
    HeNormal,
    HeUniform,
    Initializer,
    Normal,
    Uniform,
    XavierNormal,
    XavierUniform,
    Zeros,
)

SHAPE = (200, 40, 5, 5)
SIZE = math.prod(SHAPE)
FAN_IN, FAN_OUT = 1000, 5000

NORMALS = [
    (Normal(), 0.0, 0.01),
    (Normal(mean=3, std=0.5), 3.0, 0.5),
    (XavierNormal(), 0.0, math.sqrt(2 / 6000)),
    (XavierNormal(gain=2), 0.0, 2 * math.sqrt(2 / 6000)),
    (HeNormal(), 0.0, math.sqrt(2 / 1000)),
]
UNIFORMS = [
    (Uniform(), -0.05, 0.05),
    (Uniform(low=1, high=4), 1.0, 4.0),
    (XavierUniform(), -math.sqrt(6 / 6000), math.sqrt(6 / 6000)),
    (XavierUniform(gain=2), -2 * math.sqrt(6 / 6000), 2 * math.sqrt(6 / 6000)),
    (HeUniform(), -math.sqrt(6 / 1000), math.sqrt(6 / 1000)),
]
RANDOM = [init for init, _, _ in NORMALS + UNIFORMS]


def sample(init: Initializer, seed: int = 0) -> np.ndarray:
    return init.sample(np.random.default_rng(seed), SHAPE, FAN_IN, FAN_OUT)


@pytest.mark.parametrize(("init", "mean", "std"), NORMALS, ids=repr)
def test_normal_distributions(init: Initializer, mean: float, std: float) -> None:
    values = (sample(init) - mean) / std
    assert abs(values.mean()) < 5 / math.sqrt(SIZE)
    assert abs(values.std() - 1) < 5 / math.sqrt(2 * SIZE)
    assert np.mean(np.abs(values) < 1) == pytest.approx(0.6827, abs=0.01)
    assert np.mean(np.abs(values) < 2) == pytest.approx(0.9545, abs=0.01)


@pytest.mark.parametrize(("init", "low", "high"), UNIFORMS, ids=repr)
def test_uniform_distributions(init: Initializer, low: float, high: float) -> None:
    values = (sample(init) - low) / (high - low)
    assert values.min() >= 0
    assert values.max() <= 1
    shares, _ = np.histogram(values, bins=10, range=(0, 1))
    np.testing.assert_allclose(shares / SIZE, 0.1, atol=0.005)


def test_both_he_distributions_have_the_same_variance() -> None:
    assert sample(HeNormal()).var() == pytest.approx(sample(HeUniform()).var(), rel=0.02)


@pytest.mark.parametrize(("init", "value"), [(Zeros(), 0), (Constant(value=0.1), 0.1)], ids=repr)
def test_fixed_values(init: Initializer, value: float) -> None:
    np.testing.assert_array_equal(sample(init), np.full(SHAPE, value))


@pytest.mark.parametrize("init", RANDOM, ids=repr)
def test_the_generator_determines_the_values(init: Initializer) -> None:
    np.testing.assert_array_equal(sample(init, 1), sample(init, 1))
    assert (sample(init, 1) != sample(init, 2)).any()


def test_low_must_not_exceed_high() -> None:
    message = re.escape("low: must not exceed high (0.5), found 2")
    with pytest.raises(OptionError, match=f"^{message}$"):
        Uniform(low=2, high=0.5)
    assert (sample(Uniform(low=2, high=2)) == 2).all()


def test_low_and_high_must_not_be_further_apart_than_the_largest_number() -> None:
    message = re.escape("high: must be at most 1.8e+308 above low (-1e+308), found 1e+308")
    with pytest.raises(OptionError, match=f"^{message}$"):
        Uniform(low=-1e308, high=1e308)
    widest = Uniform(low=-8e307, high=8e307)
    assert np.isfinite(sample(widest)).all()


@pytest.mark.parametrize("kind", [XavierNormal, XavierUniform])
def test_the_largest_gain_gives_finite_values(kind: type[XavierNormal | XavierUniform]) -> None:
    message = re.escape("gain: expected a number ≤ 1e+300 and > 0, found 1e+308")
    with pytest.raises(OptionError, match=f"^{message}$"):
        kind(gain=1e308)
    values = kind(gain=1e300).sample(np.random.default_rng(0), (1000,), 1, 1)
    assert np.isfinite(values).all()
