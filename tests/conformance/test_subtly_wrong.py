"""Losses, optimizers, schedules and initializers that are wrong in a corner only are caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenetkit.conformance.examples import checks_of, example_checks
from lenetkit.conformance.suite import subject_of
from lenetkit.options import Configurable
from lenetkit.registry.catalog import Catalog
from lenetkit.registry.plugin_file import add_file
from lenetkit.testing import Report, run_checks
from tests.support.right_others import RIGHT_OTHERS
from tests.support.subtly_wrong import SUBTLY_WRONG

FIELD = Path(__file__).parents[1] / "support" / "field"


def report(thing: Configurable) -> Report:
    """What the checks of an object find."""
    return run_checks(checks_of(thing, "it"))


@pytest.mark.parametrize(
    ("wrong", "meant"), SUBTLY_WRONG.items(), ids=[type(wrong).__name__ for wrong in SUBTLY_WRONG]
)
def test_the_cause_named_is_the_check_meant(wrong: Configurable, meant: str) -> None:
    ((cause, _),) = report(wrong).failures()
    assert cause.name == meant


@pytest.mark.parametrize("right", RIGHT_OTHERS, ids=subject_of)
def test_what_is_right_passes_whole(right: Configurable) -> None:
    assert [str(result) for result in report(right).of("failed")] == []


def test_there_are_enough_of_both() -> None:
    assert len(SUBTLY_WRONG) >= 40
    assert len({type(right) for right in RIGHT_OTHERS}) >= 25


# file of the field, plugin → the check meant for it, and parts of what it says
FROM_THE_FIELD = {
    ("suite/wrong_others", "o01globalmomentum"): (
        "a_resumed_run_is_the_same",
        ["resumed after another run: parameters at [", "what a module or class remembers is lost"],
    ),
    ("suite/wrong_others", "o02pairsonly"): (
        "every_parameter_moves",
        ["step 1: 1 of 1 parameters did not move, the first at 0", "a part of the vector"],
    ),
    ("suite/wrong_others", "c01softtargets"): (
        "gradient_is_right_for_labels",  # which the built-in's option smooths
        ["gradient for labels (N = 5, K = 4) at ["],
    ),
    ("suite/wrong_others", "c02secondwrong"): (
        "second_derivatives_are_right",
        ["second derivatives for labels (N = 5, K = 4): expected numbers ≥ 0, found -"],
    ),
    ("plugins/h05_absolute", "sch"): (
        "the_given_rate_is_used",
        ["step 0: 0.01 with lr 0.1 and 0.01 with lr 0.2, and no option in units of a rate"],
    ),
}


@pytest.mark.parametrize(
    ("file", "name", "meant", "parts"),
    [(*key, *value) for key, value in FROM_THE_FIELD.items()],
    ids=[name for _, name in FROM_THE_FIELD],
)
def test_those_from_the_field(file: str, name: str, meant: str, parts: list[str]) -> None:
    (entry,) = (e for e in add_file(Catalog(()), FIELD / f"{file}.py") if e.name == name)
    cause, _ = run_checks(example_checks(entry.point.load(), name)).failures()[0]
    assert cause.name == meant
    assert [part for part in parts if part not in cause.message] == []


BY_NAME = {type(wrong).__name__: wrong for wrong in SUBTLY_WRONG}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SmoothsForwardOnly", "with smoothing=0.5: gradient for labels (N = 5, K = 4) at ["),
        (
            "DecayOutsideTheRate",
            "with weight_decay=0.5: parameters after steps with lr 0 at [",
        ),
        ("OneBeta", "option 'betas[1]': every value of it gives the same results"),
        ("WithoutAmsgrad", "nothing reads self.amsgrad; use the option, or remove it"),
        ("HidesNaN", "output 0 of sample 1 is NaN: expected a loss of NaN, found "),
        ("SignsByComparison", "step 1: the gradient of parameter 1 is NaN: expected NaN, found "),
        ("ReadOnlyGradient", "gradient: found an array that cannot be written to"),
        ("MaskedGradient", "gradient: found a MaskedArray; expected a plain array"),
        ("OneBuffer", "gradient 1 of 3 interleaved passes at ["),
        ("LimitedRate", "step 2: parameter 0 moves alike with lr 0.01 and 0.02; 33 of 33 do"),
        ("SquaredRate", "33 of 33 are out of proportion"),
        ("OneRow", "100 rows: only 1 differ"),
        ("SeedAlone", "two parameters of a network start alike: their generators differ in the"),
        ("BelowZero", "with slope=2.0: 5 epochs of 4 steps, step 11: expected a finite number"),
        ("LastOfEight", "labels (N = 10, K = 10) as int64: losses at ["),
        ("OneBlock", "4099 parameters instead of 33, in another order: parameters at ["),
        ("DecayOfTheSize", "with decay=0.5: parameters, mirrored at ["),
    ],
)
def test_what_is_said(name: str, text: str) -> None:
    ((cause, _),) = report(BY_NAME[name]).failures()
    assert text in cause.message
