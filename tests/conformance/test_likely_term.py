"""The mistake in a wrong gradient is named, and none in a right one.

A few of each half; scripts/name_gradients runs all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lenetkit.conformance.examples import how_to_check
from lenetkit.conformance.likely_term import likely_term
from lenetkit.conformance.passes import LayerCase
from lenetkit.options import option
from lenetkit.registry.catalog import Catalog
from lenetkit.registry.plugin_file import add_file
from lenetkit.testing import layer_checks, run_checks
from tests.support.mutants.first_half import FIRST_HALF
from tests.support.mutants.right import RIGHT, Same
from tests.support.mutants.second_half import SECOND_HALF

LINEAR = [m for m in [*FIRST_HALF, *SECOND_HALF] if len(m.in_shape) == 1]


def gradient_failures(layer: Any, in_shape: tuple[int, ...]) -> list[str]:
    checks = [check for check in layer_checks(layer, in_shape) if "gradient" in check.name]
    return [result.message for result in run_checks(checks).of("failed")]


@pytest.mark.parametrize("mutant", LINEAR, ids=lambda mutant: type(mutant.layer).__name__)
def test_the_mistake_is_named_first(mutant: Any) -> None:
    first = gradient_failures(mutant.layer, mutant.in_shape)[0]
    assert mutant.is_named_by(first.partition("likely cause: ")[2]), first


@pytest.mark.parametrize(("layer", "in_shape"), RIGHT, ids=lambda value: type(value).__name__)
def test_no_right_layer_is_accused(layer: Any, in_shape: tuple[int, ...]) -> None:
    assert gradient_failures(layer, in_shape) == []


@pytest.mark.parametrize("layer", [RIGHT[0], RIGHT[9]], ids=lambda case: type(case[0]).__name__)
def test_nothing_explains_a_right_gradient(layer: Any) -> None:
    assert likely_term(LayerCase(*layer), "dx") == ""


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("l01_forgot_mean", "the mean depends on x too"),
        ("l05_added", r"it is added \(\+=\)"),
        ("l18b_axis0only", "first image only, not summed over the batch"),
    ],
)
def test_mistakes_from_the_field_are_named(name: str, cause: str) -> None:
    path = Path(__file__).parents[1] / "support" / "field" / "plugins" / f"{name}.py"
    (entry,) = add_file(Catalog(()), path)
    first = gradient_failures(entry.point.load()(), (3, 8, 7))[0]
    assert re.search(f"likely cause: .*{cause}", first)


@dataclass(frozen=True, kw_only=True)
class Needs(Same):
    """A layer whose option cannot be guessed."""

    table: dict[str, int] = option(doc="Entries.")


def test_a_class_that_cannot_be_guessed_says_what_to_write() -> None:
    said = how_to_check(Needs)
    assert said.startswith("Needs needs table (a mapping), which cannot be guessed")
    assert said.endswith("def examples(cls):\n        return [cls(table=…)]")
