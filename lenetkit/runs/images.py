"""The test images that a run was measured on, if they are still there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lenetkit.data.source import Samples
from lenetkit.errors import DataError
from lenetkit.network.plan import Plan, load_plan
from lenetkit.runs.folder import RunFolder
from lenetkit.spec.merge import Override
from lenetkit.training.data import load_samples, place_for

KERNELS = "numpy"
"""Which a run is looked at with, so that its own need not be installed."""


def plan_without_kernels(spec: Path) -> Plan:
    """A run's plan, with `KERNELS` in the place of its own."""
    return load_plan(spec, [Override.from_option("kernels", "kernels", KERNELS)])


def images_of_test(
    folder: RunFolder,
    plan: Plan,
    digest: str | None,
    data_dir: Path | None,
    report: Callable[[str], None],
) -> Samples:
    """The test images of the run's data set, which have this digest; nothing is downloaded.

    `plan` is that of its model. Raises DataError if they cannot be had, or are others.
    """
    # The run's spec names their folder; a model file does not.
    place = place_for(plan_without_kernels(folder.spec), data_dir, report, may_create=False)
    found, _ = load_samples(plan, "test", place)
    if found.digest != digest:
        raise DataError(f"these {found.called} test images are not the ones used in the run")
    return found
