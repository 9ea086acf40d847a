"""The two calls that most Python users need: build a network, train it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lenetkit.model.model import Model
from lenetkit.network.network import Network
from lenetkit.network.plan import load_plan
from lenetkit.spec.merge import overrides as as_overrides
from lenetkit.training import loop
from lenetkit.training.data import TrainingData, load_training_data


def build(
    spec: str | Path, overrides: Mapping[str, Any] | None = None, *, dtype: Any = np.float32
) -> Model:
    """The network of a spec file or shipped spec, with its initial weights.

    `overrides` are as on the command line: `{"train.optimizer.lr": 0.01, "layers.relu1": "tanh"}`.
    Raises SpecError with every mistake in the spec.
    """
    plan = load_plan(spec, as_overrides(overrides or {}))
    return Model(plan, seed=plan.spec.train.seed, dtype=dtype)


def train(
    network: Network,
    data: TrainingData | None = None,
    *,
    data_dir: str | Path | None = None,
    **settings: Any,
) -> Iterator[loop.Event]:
    """Train a network as its spec says; yields an event after each step and each epoch.

    Without `data` the spec's own data set is loaded, looked for in `data_dir` if given. `settings`
    override the spec's `train` section: `epochs`, `batch_size`, `seed`, `optimizer`, `schedule`.
    """
    if data is None:
        data = load_training_data(network.plan, data_dir)
    if isinstance(network, Model):
        network.learns_from(data)
    how = replace(network.plan.spec.train, **settings)
    yield from loop.train(network, data, how, loop.start(network, how))
