"""The benchmark's own judgement: a case is trained for one pass, and its test errors are counted.

Nothing here asks `diagnose`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diagnosis.cases import PLUGINS, Case
from diagnosis.data_sets import folder
from lenetkit.network.network import Network
from lenetkit.network.plan import load_plan
from lenetkit.registry.given import use
from lenetkit.spec.merge import Override
from lenetkit.training import loop
from lenetkit.training.data import load_training_data
from lenetkit.training.divergence import DivergedError

LEARNS = 0.8
"""A network that learns makes at most this share of the errors of the most frequent answer."""


@dataclass(frozen=True)
class Outcome:
    """What one pass over the training samples led to."""

    errors: float
    """Share of the test samples answered wrongly; as of the most frequent answer if it diverged."""
    majority: float
    """Share of the test samples that are in the most frequent class."""
    diverged: bool
    moved: tuple[str, ...]
    """The layers with a trainable parameter that changed."""

    @property
    def learns(self) -> bool:
        """Whether the network learns."""
        return self.errors <= LEARNS * (1 - self.majority)


def train(case: Case, more: Sequence[str] = ()) -> Outcome:
    """Train a case, with `more` changes, for one pass of the training that its spec describes."""
    use([PLUGINS])
    plan = load_plan(case.path, [Override.from_text(text) for text in (*case.changes, *more)])
    data = load_training_data(plan, data_folder(case), report=lambda message: None)
    settings = plan.spec.train
    network = Network(plan, seed=settings.seed)
    start = {name: values.copy() for name, values in network.tensors().items()}
    majority = float(np.bincount(data.test.labels).max() / len(data.test))
    errors, diverged = 1 - majority, False
    try:
        for event in loop.train(network, data, settings, loop.start(network, settings)):
            if isinstance(event, loop.EpochDone):
                errors = 1 - event.test.accuracy
                break
    except DivergedError:
        diverged = True
    moved = dict.fromkeys(name.partition(".")[0] for name in _changed(network, start))
    return Outcome(errors, majority, diverged, tuple(moved))


def data_folder(case: Case) -> Path | None:
    """The folder that `--data-dir` names for a case; None: none."""
    return folder(case.data) if case.data else None


def _changed(network: Network, start: dict[str, Any]) -> list[str]:
    now = network.tensors()
    return [name for name in start if not np.array_equal(start[name], now[name])]
