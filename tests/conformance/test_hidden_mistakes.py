"""Mistakes that only some circumstance shows are found by the check meant for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenetkit.conformance.examples import example_checks
from lenetkit.layers.base import Layer
from lenetkit.registry.catalog import Catalog
from lenetkit.registry.plugin_file import add_file
from lenetkit.testing import Report, run_checks
from tests.support.mutants.hidden import (
    HIDDEN,
    DeviationWithoutEps,
    Leaky,
    OnlyTogether,
    SeedAlone,
    SingleOverflows,
    ThreeAtTheKink,
    ZeroMasked,
)
from tests.support.mutants.twins import TWINS

FIELD = Path(__file__).parents[1] / "support" / "field"


def report(cls: type[Layer]) -> Report:
    """What `plugins check` finds."""
    checks = example_checks(cls, cls.__name__)
    return run_checks(checks, expected_failures=cls.expected_failures)


def causes(cls: type[Layer]) -> list[str]:
    """The checks whose failures no other explains."""
    return [root.name for root, _ in report(cls).failures()]


@pytest.mark.parametrize(
    ("cls", "meant"),
    [(cls, meant) for meant, classes in HIDDEN.items() for cls in classes],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_hidden_mistake_is_found_by_the_check_meant_for_it(cls: type[Layer], meant: str) -> None:
    assert causes(cls) == [meant]


MEANT = {
    "l01largebatch": "batches_of_every_size_are_right",
    "l03nearzero": "far_inputs_are_right",
    "l05swallowsnan": "nan_is_passed_on",
    "l06negativeparams": "parameters_of_either_sign_are_right",
    "l07readonlygradient": "results_are_arrays_of_their_own",
    "l09seedonly": "every_word_of_the_key_counts",
    "l15halfoptions": "other_options_are_right",
}


def test_so_are_those_from_the_field() -> None:
    entries = add_file(Catalog(()), FIELD / "suite" / "wrong_layers.py")
    found = {entry.name: causes(entry.point.load()) for entry in entries}
    assert found == {name: [meant] for name, meant in MEANT.items()}


def test_so_is_dropout_that_is_not_scaled() -> None:
    (entry,) = add_file(Catalog(()), FIELD / "plugins" / "l11b_dropout_noscale.py")
    assert causes(entry.point.load()) == ["training_averages_to_inference"]


@pytest.mark.parametrize("cls", TWINS, ids=lambda cls: cls.__name__)
def test_a_right_layer_in_an_unusual_idiom_passes(cls: type[Layer]) -> None:
    found = report(cls)
    assert found.ok, str(found)
    assert found.passed


@pytest.mark.parametrize(
    ("cls", "parts"),
    [
        (Leaky, ["with slope=0.505: dx of image 0 at [", "slope is ignored"]),
        (OnlyTogether, ["with a=2.0, b=true: dx of image"]),
        (SeedAlone, ["differ in the purpose or the step or the layer alone", "call.rng"]),
        (SingleOverflows, ["inputs up to ±120: float32: y at [", "found inf", "float32 overflows"]),
        (ZeroMasked, ["every other value 0 in training: dx at [", "found 0 (analytic)"]),
        (
            ThreeAtTheKink,
            ["every other value 0 in training: dx at [", "expected 0 to ", "another way than"],
        ),
        (DeviationWithoutEps, ["every value 0 in training: ", "found nan", "a division by 0"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_failures_name_the_circumstance(cls: type[Layer], parts: list[str]) -> None:
    (root,) = [root for root, _ in report(cls).failures()]
    assert [part for part in parts if part not in root.message] == []
