"""What a run records about the software that computes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.runs.environment import computing, versions


@dataclass(frozen=True, kw_only=True)
class Compiled(NumpyKernels):
    """Kernels that use a compiler."""

    def versions(self) -> dict[str, str]:
        return {"compiler": "1.2"}

    def threads(self) -> int:
        return 7


def test_kernels_report_their_versions_and_threads() -> None:
    told = versions(NumpyKernels())
    assert told["numpy"] == np.__version__
    assert versions(Compiled()) == told | {"compiler": "1.2"}
    assert computing(Compiled()) == told | {"compiler": "1.2", "threads": "7"}
