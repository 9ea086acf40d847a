"""lenetkit: LeNet-5 and its relatives on NumPy, with every gradient written by hand.

import lenetkit
network = lenetkit.build("specs/lenet5.yaml")
for event in lenetkit.train(network):
    ...
model = lenetkit.load("runs/lenet5/001/model.safetensors")
model.predict(images)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lenetkit._version import __version__ as __version__

if TYPE_CHECKING:
    from lenetkit.api import build as build
    from lenetkit.api import fit as fit
    from lenetkit.api import load_data as load_data
    from lenetkit.api import train as train
    from lenetkit.comparison.comparison import Comparison as Comparison
    from lenetkit.comparison.comparison import compare as compare
    from lenetkit.comparison.record import RunRecord as RunRecord
    from lenetkit.comparison.record import find_runs as find_runs
    from lenetkit.diagnosis.asking import diagnose as diagnose
    from lenetkit.model.model import Model as Model
    from lenetkit.model.model import load as load
    from lenetkit.network.network import Network as Network
    from lenetkit.network.plan import Plan as Plan
    from lenetkit.network.plan import load_plan as load_plan
    from lenetkit.reporting.report import report as report
    from lenetkit.runs.rates import range_test as range_test
    from lenetkit.runs.run import Run as Run
    from lenetkit.showing import show as show
    from lenetkit.training.evaluation import evaluate as evaluate
    from lenetkit.training.loop import EpochDone as EpochDone
    from lenetkit.training.loop import StepDone as StepDone

_HOMES = {
    "build": "lenetkit.api",
    "fit": "lenetkit.api",
    "load_data": "lenetkit.api",
    "train": "lenetkit.api",
    "range_test": "lenetkit.runs.rates",
    "Run": "lenetkit.runs.run",
    "show": "lenetkit.showing",
    "find_runs": "lenetkit.comparison.record",
    "RunRecord": "lenetkit.comparison.record",
    "compare": "lenetkit.comparison.comparison",
    "Comparison": "lenetkit.comparison.comparison",
    "report": "lenetkit.reporting.report",
    "diagnose": "lenetkit.diagnosis.asking",
    "Model": "lenetkit.model.model",
    "load": "lenetkit.model.model",
    "Network": "lenetkit.network.network",
    "Plan": "lenetkit.network.plan",
    "load_plan": "lenetkit.network.plan",
    "evaluate": "lenetkit.training.evaluation",
    "EpochDone": "lenetkit.training.loop",
    "StepDone": "lenetkit.training.loop",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import lenetkit` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lenetkit' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
