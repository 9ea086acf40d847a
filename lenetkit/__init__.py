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

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lenetkit.api import build as build
    from lenetkit.api import train as train
    from lenetkit.evaluation import evaluate as evaluate
    from lenetkit.model import Model as Model
    from lenetkit.model import load as load
    from lenetkit.network import Network as Network
    from lenetkit.plan import Plan as Plan
    from lenetkit.plan import load_plan as load_plan
    from lenetkit.training import EpochDone as EpochDone
    from lenetkit.training import StepDone as StepDone

_HOMES = {
    "build": "lenetkit.api",
    "train": "lenetkit.api",
    "evaluate": "lenetkit.evaluation",
    "Model": "lenetkit.model",
    "load": "lenetkit.model",
    "Network": "lenetkit.network",
    "Plan": "lenetkit.plan",
    "load_plan": "lenetkit.plan",
    "EpochDone": "lenetkit.training",
    "StepDone": "lenetkit.training",
}
__all__ = [
    "Model",
    "Network",
    "Plan",
    "__version__",
    "build",
    "evaluate",
    "load",
    "load_plan",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import lenetkit` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lenetkit' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
