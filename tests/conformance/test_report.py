"""The report: its counts, its text, expected failures, and what is no object to check."""

from __future__ import annotations

import re
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lenetkit.conformance.numeric import expect_gradient, likely_cause, spread
from lenetkit.data.source import Place
from lenetkit.layers.activations import ReLU, Tanh
from lenetkit.layers.linear import Linear
from lenetkit.testing import (
    Check,
    CheckFailed,
    CheckSkipped,
    Report,
    Result,
    check_dataset,
    check_initializer,
    check_kernels,
    check_layer,
    check_loss,
    check_optimizer,
    check_schedule,
    check_transform,
    layer_checks,
    run_checks,
)
from tests.support.right_plugins import Affine
from tests.support.wrong_gradients import ForgottenBias

BIAS = {
    "parameter_gradients_are_right": "the bias is fixed on purpose",
    "inference_gradients_are_right": "the bias is fixed on purpose",
}


def passes() -> None:
    """Do nothing."""


def fails() -> None:
    raise CheckFailed("y at [0]: expected 1, found 2\nlikely cause: a typo")


def breaks() -> None:
    raise ZeroDivisionError("division by zero")


def is_skipped() -> None:
    raise CheckSkipped("there is nothing to check")


CHECKS = [
    Check("one", "Thing", passes, "One holds."),
    Check("two", "Thing", fails),
    Check("three", "Thing", is_skipped),
    Check("four", "Thing", breaks),
    Check("five", "Thing", passes),
]


def test_counts_and_text() -> None:
    report = run_checks(CHECKS, expected_failures={"four": "not done yet", "five": "nor this"})
    counts = (report.passed, report.failed, report.skipped)
    assert counts == (1, 1, 1)
    assert (report.expected_failures, report.unexpected_passes) == (1, 1)
    assert not report.ok
    assert str(report) == (
        "5 checks: 1 passed, 1 failed, 1 skipped, 1 expected to fail, 1 passed unexpectedly\n"
        "  FAILED Thing-two: y at [0]: expected 1, found 2\n"
        "      likely cause: a typo\n"
        "  UNEXPECTED PASS Thing-five: expected to fail: nor this\n"
        "  EXPECTED FAILURE Thing-four: not done yet\n"
        "  SKIPPED Thing-three: there is nothing to check"
    )


def test_every_check_is_counted_once() -> None:
    report = run_checks(layer_checks(Linear(out_features=2), (3,)))
    names = [result.name for result in report.results]
    assert names == [check.name for check in layer_checks(Linear(out_features=2), (3,))]
    assert len(set(names)) == len(names)
    assert report.passed + report.skipped == len(names)


def test_other_exceptions_are_failures_with_their_type_and_place() -> None:
    (failure,) = run_checks(CHECKS[3:4]).of("failed")
    assert re.fullmatch(
        r"raised ZeroDivisionError: division by zero \(test_report\.py:\d+, in breaks\)",
        failure.message,
    )


def test_a_green_report_names_its_skips() -> None:
    report = check_layer(ReLU(), (2, 3, 4))
    assert report.ok
    assert report.skipped > 0
    text = str(report)
    assert f"{report.skipped} skipped" in text
    for skip in report.of("skipped"):
        assert skip.message
        assert f"SKIPPED ReLU-{skip.name}: {skip.message}" in text


def test_a_failure_raises_with_the_whole_report() -> None:
    with pytest.raises(CheckFailed) as caught:
        check_layer(ForgottenBias(), (6,))
    text = str(caught.value)
    assert text.startswith(f"{len(layer_checks(Affine(), (6,)))} checks: ")
    assert "FAILED ForgottenBias-parameter_gradients_are_right: gradient of bias" in text
    assert "SKIPPED ForgottenBias-another_key_gives_another_draw" in text


def test_failures_may_be_expected() -> None:
    report = check_layer(ForgottenBias(), (6,), expected_failures=BIAS)
    assert report.ok
    assert report.expected_failures == 2
    assert "EXPECTED FAILURE ForgottenBias-parameter_gradients_are_right: the bias" in str(report)


def test_an_unexpected_pass_is_not_ok() -> None:
    with pytest.raises(CheckFailed, match="UNEXPECTED PASS Affine-parameter_gradients_are_right"):
        check_layer(Affine(), (6,), expected_failures=BIAS)


def test_an_expected_failure_that_is_skipped_stays_a_skip() -> None:
    report = check_layer(Tanh(), (4,), expected_failures={"weights_round_trip": "no reason"})
    assert report.ok
    assert "weights_round_trip" in [skip.name for skip in report.of("skipped")]


def test_unknown_expected_failures_are_refused() -> None:
    message = "expected_failures: no check 'batch_of_on'; did you mean 'batch_of_one'?"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_layer(Affine(), (6,), expected_failures={"batch_of_on": "misspelt"})


def test_checks_have_ids_and_say_what_they_check() -> None:
    checks = layer_checks(Linear(out_features=2, bias=False), (3,))
    assert checks[0].id.startswith("Linear(out_features=2,bias=False)-")
    assert all(check.doc.endswith(".") for check in checks)
    assert layer_checks(ReLU(), (3,), name="relu")[0].subject == "relu"


def test_a_skip_is_a_skip_to_unittest_too() -> None:
    assert issubclass(CheckSkipped, unittest.SkipTest)


@pytest.mark.parametrize(
    ("check", "base"),
    [
        (lambda thing: check_layer(thing, (3,)), "lenetkit.layers.base.Layer"),
        (check_loss, "lenetkit.losses.Loss"),
        (check_optimizer, "lenetkit.optimizers.Optimizer"),
        (check_schedule, "lenetkit.schedules.Schedule"),
        (check_initializer, "lenetkit.initializers.Initializer"),
        (check_transform, "lenetkit.data.transforms.Transform"),
        (check_kernels, "lenetkit.kernels.base.Kernels"),
        (lambda thing: check_dataset(thing, Place(Path())), "lenetkit.data.source.DataSource"),
    ],
)
def test_other_objects_are_type_errors(check: Any, base: str) -> None:
    message = f"expected an object whose class derives from {base}, found int"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        check(3)


def test_a_class_instead_of_an_object_is_a_type_error() -> None:
    message = re.escape("expected an object, found the class ReLU; write ReLU(…)")
    with pytest.raises(TypeError, match=f"^{message}$"):
        check_layer(ReLU, (3,))  # type: ignore[arg-type]


def test_an_empty_report_is_ok() -> None:
    assert Report(()).ok
    assert str(Result("name", "Thing", "passed")) == "PASSED Thing-name"


def test_kinks_are_left_out_of_gradients() -> None:
    values = np.array([-1.0, 0.0, 2.0, 3.0, 4.0, 5.0])
    slopes = np.array([0.0, 0.3, 1.0, 1.0, 1.0, 1.0])  # at 0 any slope will do
    expect_gradient(slopes, lambda: np.maximum(values, 0), values, np.ones(6), "dx")
    wrong = slopes + np.array([0, 0, 0, 0.01, 0, 0])
    with pytest.raises(CheckFailed, match=re.escape("dx at [3]: expected 1")):
        expect_gradient(wrong, lambda: np.maximum(values, 0), values, np.ones(6), "dx")


def test_large_inputs_are_sampled() -> None:
    values = spread((3, 40, 40))
    expect_gradient(np.cos(values), lambda: np.sin(values), values, np.ones(values.shape), "dx")


@pytest.mark.parametrize(
    ("factor", "cause"),
    [
        (-1, "the sign is reversed"),
        (0.25, "averaged over the batch"),
        (2, "every value is 2 times"),
    ],
)
def test_a_constant_factor_is_named(factor: float, cause: str) -> None:
    numeric = np.array([1.0, -2.0, 3.0])
    assert likely_cause(factor * numeric, numeric, "dx", 4).startswith(cause)
