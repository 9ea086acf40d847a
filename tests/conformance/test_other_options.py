"""Which other options an object is checked with."""

from __future__ import annotations

import pytest

from lenetkit.conformance.other_options import expect_effects, variants
from lenetkit.optimizers import SGD, Adam
from lenetkit.options import Configurable
from lenetkit.schedules import Piecewise
from lenetkit.testing import CheckFailed
from tests.support.right_others import ClippedSGD, VarianceScaling


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (
            SGD(),
            [
                "lr=0.505",
                "momentum=0.5",
                "nesterov=true, momentum=0.5",
                "weight_decay=0.5",
            ],
        ),
        (Adam(), ["lr=0.5005", "betas=[0.95, 0.999]", "betas=[0.9, 0.9995]", "eps=0.5"]),
        (ClippedSGD(), ["lr=0.505", "max_norm=2.0", "max_norm=null"]),
        (
            VarianceScaling(),
            ["scale=2.0", "mode='fan_out'", "mode='fan_avg'", "distribution='uniform'"],
        ),
        (
            Piecewise(boundaries=(1, 3), values=(0.5, 0.25, 0.125)),
            ["boundaries=[2, 3]", "values=[0.75, 0.25, 0.125]"],
        ),
    ],
)
def test_each_option_changes_alone(thing: Configurable, expected: list[str]) -> None:
    found = [str(variant) for variant in variants(thing)]
    assert found[: len(expected)] == expected


def test_an_option_that_changes_nothing_is_named() -> None:
    def results(thing: SGD) -> bytes:
        return repr((thing.lr, thing.momentum, thing.weight_decay)).encode()

    with pytest.raises(CheckFailed, match=r"^option 'nesterov': every value of it gives"):
        expect_effects(SGD(), results)
    expect_effects(SGD(), results, ignored=("nesterov",))


def test_an_option_may_have_an_effect_beside_another_only() -> None:
    def results(thing: SGD) -> bytes:
        decay = thing.weight_decay if thing.momentum else 0
        return repr((thing.lr, thing.momentum, thing.nesterov, decay)).encode()

    expect_effects(SGD(), results)
