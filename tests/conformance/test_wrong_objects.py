"""Each wrong object is caught by the check that is meant for it; its right twin passes."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from lenetkit.conformance.examples import checks_of
from lenetkit.data.transforms import OneHot, Pad, Scale, Standardize
from lenetkit.initializers import HeNormal, Normal
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.base import Layer
from lenetkit.losses import MeanSquaredError, SoftmaxCrossEntropy
from lenetkit.optimizers import SGD, Adam
from lenetkit.options import Configurable
from lenetkit.schedules import Cosine, Step
from lenetkit.testing import Report, layer_checks, run_checks
from tests.support.mutants.hidden import HIDDEN
from tests.support.right_plugins import Affine, Bend, Center, Noise, RedrawnNoise
from tests.support.wrong_data import WRONG_DATASETS, WRONG_TRANSFORMS, Stripes
from tests.support.wrong_gradients import WRONG_GRADIENTS
from tests.support.wrong_habits import WRONG_HABITS
from tests.support.wrong_kernels import WRONG_KERNELS
from tests.support.wrong_others import (
    WRONG_INITIALIZERS,
    WRONG_LOSSES,
    WRONG_OPTIMIZERS,
    WRONG_SCHEDULES,
)


@functools.cache
def report(thing: Configurable) -> Report:
    """What the checks of an object find."""
    checks = layer_checks(thing, (6,)) if isinstance(thing, Layer) else checks_of(thing, "wrong")
    return run_checks(checks)


def failures(thing: Configurable) -> dict[str, str]:
    """The failed checks of an object by name, with their messages."""
    return {result.name: result.message for result in report(thing).of("failed")}


WRONG_LAYERS: dict[Any, str] = {**WRONG_GRADIENTS, **WRONG_HABITS}
WRONG: dict[Any, str] = {
    **WRONG_LAYERS,
    **WRONG_LOSSES,
    **WRONG_OPTIMIZERS,
    **WRONG_SCHEDULES,
    **WRONG_INITIALIZERS,
    **WRONG_TRANSFORMS,
    **WRONG_DATASETS,
    **WRONG_KERNELS,
}
BY_NAME = {type(wrong).__name__: wrong for wrong in WRONG}
RIGHT = [
    Affine(),
    Noise(),
    RedrawnNoise(),
    Center(),
    Bend(),
    MeanSquaredError(),
    SoftmaxCrossEntropy(),
    SGD(),
    Adam(),
    Cosine(),
    Step(step_size=1),
    Normal(),
    HeNormal(),
    Scale(),
    Pad(padding=1),
    Standardize(),
    OneHot(),
    Stripes(),
    NumpyKernels(),
]


@pytest.mark.parametrize(
    ("wrong", "meant"), WRONG.items(), ids=[type(wrong).__name__ for wrong in WRONG]
)
def test_a_mistake_is_caught_by_the_check_meant_for_it(wrong: Configurable, meant: str) -> None:
    assert meant in failures(wrong)


ANOTHER_CAUSE = {
    "Affine": "inferred_options_are_options",
    "Jumpy": "same_key_gives_the_same_bits",
    "ReplacedGradient": "passes_return_what_the_contract_says",
    "LearnsInInference": "passes_return_what_the_contract_says",
    "Averaged": "parameter_gradients_are_right",
    "OwnCounter": "only_the_slots_hold_state",
}
"""Mistakes that a more basic check than the one meant for them explains."""


@pytest.mark.parametrize(
    ("wrong", "meant"), WRONG.items(), ids=[type(wrong).__name__ for wrong in WRONG]
)
def test_a_mistake_has_one_cause_and_it_is_the_check_meant_for_it(
    wrong: Configurable, meant: str
) -> None:
    ((cause, others),) = report(wrong).failures()
    assert cause.name in (meant, ANOTHER_CAUSE.get(type(wrong).__name__))
    assert 1 + len(others) == len(failures(wrong))


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: type(right).__name__)
def test_right_twins_pass(right: Configurable) -> None:
    assert failures(right) == {}


def test_every_mistake_has_a_right_twin() -> None:
    twins = tuple(type(right) for right in RIGHT)
    assert all(isinstance(wrong, twins) for wrong in WRONG)


def test_there_are_checks_enough_and_each_check_of_a_layer_can_fail() -> None:
    names = {check.name for check in layer_checks(Bend(), (6,))}
    assert len(names) >= 25
    assert names == {*WRONG_LAYERS.values(), *HIDDEN}


ALONE = [
    "NumpySizes",
    "CostInFloats",
    "LetsAnythingIn",
    "AddedGradient",
    "LeavesEarly",
    "Clipped",
    "SecondPromoted",
    "ReadsMemoryInItsOrder",
    "CountsInItsClass",
    "IgnoredDraw",
    "WithoutDoc",
]


@pytest.mark.parametrize("name", ALONE)
def test_a_mistake_of_one_kind_fails_one_check(name: str) -> None:
    assert list(failures(BY_NAME[name])) == [WRONG[BY_NAME[name]]]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "ForgottenBias",
            ["gradient of bias at [2]: expected", "found 0 (analytic)", "forget it?"],
        ),
        ("InputGradientReversed", ["dx at [", "18 of 18", "the sign is reversed"]),
        ("Averaged", ["gradient of weight at [", "the loss takes the mean"]),
        ("ReplacedGradient", ["raised TypeError: ['weight'] = …", "['weight'][...] = …"]),
        ("Promoted", ["y in training: expected float32, found float64"]),
        ("Jumpy", ["dx: the forward pass has no slope at", "call.rng"]),
        ("WritesInput", ["x after forward at [", "9 of 18 values differ"]),
        ("LargestOfNothing", ["raised ValueError: ", ", in "]),
        ("LetsAnythingIn", ["input a scalar", "raise ShapeError for it"]),
    ],
)
def test_failures_say_where_what_and_why(name: str, parts: list[str]) -> None:
    message = failures(BY_NAME[name])[WRONG[BY_NAME[name]]]
    assert [part for part in parts if part not in message] == []
