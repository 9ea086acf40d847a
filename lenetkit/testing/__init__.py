"""lenetkit's promises as checks, for the built-ins and for every plugin.

    from lenetkit.testing import check_layer, layer_checks, parametrize

    print(check_layer(ELU(), (3, 8, 8)))            # raises CheckFailed if a promise is broken

    @parametrize(layer_checks(ELU(), (3, 8, 8)))    # in pytest: one test for every check
    def test_contract(check):
        check()

There are checks for every kind of plugin: layers, losses, optimizers, schedules, initializers,
transforms, data sets and kernel sets. `…_checks(thing)` returns a list of `Check`; `check_…(thing)`
runs them and returns a `Report`, which counts what passed, failed, was skipped and was expected to
fail. `lenetkit.testing.commands` runs commands in tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lenetkit.conformance.datasets import check_dataset, dataset_checks
from lenetkit.conformance.initializers import check_initializer, initializer_checks
from lenetkit.conformance.kernels import check_kernels, kernel_checks
from lenetkit.conformance.layers import check_layer, layer_checks
from lenetkit.conformance.losses import check_loss, loss_checks
from lenetkit.conformance.optimizers import check_optimizer, optimizer_checks
from lenetkit.conformance.report import (
    NOTHING_EXPECTED,
    Check,
    CheckFailed,
    CheckSkipped,
    Report,
    Result,
    expecting,
    run_checks,
)
from lenetkit.conformance.schedules import check_schedule, schedule_checks
from lenetkit.conformance.transforms import check_transform, transform_checks

if TYPE_CHECKING:
    import pytest

# fmt: off
__all__ = [
    "Check", "CheckFailed", "CheckSkipped", "Report", "Result", "check_dataset",
    "check_initializer", "check_kernels", "check_layer", "check_loss", "check_optimizer",
    "check_schedule", "check_transform", "dataset_checks", "initializer_checks", "kernel_checks",
    "layer_checks", "loss_checks", "optimizer_checks", "parametrize", "run_checks",
    "schedule_checks", "transform_checks",
]
# fmt: on


def parametrize(
    checks: Sequence[Check], *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> pytest.MarkDecorator:
    """A pytest mark for a test that takes `check` and calls it: one test for each check and object.

    A skipped check shows as a skip, and one of `expected_failures` (name → reason) as a strict
    xfail. Raises ValueError for an expected failure that no check has as its name.
    """
    import pytest

    checks = expecting(checks, expected_failures)

    def marks(check: Check) -> list[pytest.MarkDecorator]:
        reason = expected_failures.get(check.name)
        return [pytest.mark.xfail(reason=reason, strict=True)] if reason is not None else []

    params = [pytest.param(check, id=check.id, marks=marks(check)) for check in checks]
    return pytest.mark.parametrize("check", params)
