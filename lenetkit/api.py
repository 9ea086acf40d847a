"""The calls that most Python users need: build a network, train it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lenetkit.errors import warn
from lenetkit.model.model import Model
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, load_plan
from lenetkit.spec.merge import overrides as as_overrides
from lenetkit.spec.sections import TrainSpec
from lenetkit.training import loop
from lenetkit.training.calls import Events, with_settings
from lenetkit.training.data import TrainingData, load_training_data

Spec = str | Path | Mapping[str, Any]
"""A spec file, the name of a shipped spec, or a whole spec as a dict."""


def build(
    spec: Spec, overrides: Mapping[str, Any] | None = None, *, dtype: Any = np.float32
) -> Model:
    """The network of a spec, with its initial weights.

    `overrides` are as after `--set`, `{"train.optimizer.lr": 0.01, "layers.relu1": "tanh"}`, and
    may hold objects, `{"layers.relu1": Tanh()}`. Raises SpecError with every mistake in the spec.
    """
    plan = _plan(spec, overrides)
    return Model(plan, seed=plan.spec.train.seed, dtype=dtype)


def fit(
    spec: Spec,
    images: Any,
    labels: Any,
    *,
    test: tuple[Any, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Model:
    """A new network of a spec, trained on arrays; `Model.fit` says how.

    `settings` are options of the spec's `train`: `epochs`, `batch_size`, `seed`, `optimizer`, ….
    """
    plan = _plan(spec, overrides)
    how = with_settings(plan, "fit", settings)
    network = Model(replace(plan, spec=replace(plan.spec, train=how)), seed=how.seed)
    return network.fit(images, labels, test=test)


def train(
    network: Network,
    data: TrainingData | None = None,
    *,
    data_dir: str | Path | None = None,
    **settings: Any,
) -> Generator[loop.Event]:
    """Train a network as its spec says; yields an event after each step and each epoch.

    Nothing is trained until the events are taken; `Model.fit` takes them all. Without `data` the
    spec's own data set is loaded, looked for in `data_dir` if given. `settings` override the spec's
    `train` section: `epochs`, `batch_size`, `seed`, `shuffle`, `optimizer`, `schedule`. Raises
    TypeError for any other.
    """
    if not isinstance(network, Network):
        raise TypeError(f"train() expected a network, as build() makes it, found {network!r}")
    if not isinstance(data, TrainingData | None):
        found = type(data).__name__
        raise TypeError(f"train() expected TrainingData, found {found}; fit() takes arrays")
    how = with_settings(network.plan, "train", settings)
    advice = "loop over lenetkit.train(…), or call network.fit(…)"
    return Events(_events(network, data, data_dir, how), advice)


def _plan(spec: Spec, overrides: Mapping[str, Any] | None) -> Plan:
    plan = load_plan(spec, as_overrides(overrides or {}))
    for warning in plan.warnings:
        warn(warning)
    return plan


def _events(
    network: Network, data: TrainingData | None, data_dir: str | Path | None, how: TrainSpec
) -> Generator[loop.Event]:
    if data is None:
        data = load_training_data(network.plan, data_dir)
    if isinstance(network, Model):
        network.learns_from(data)
    yield from loop.train(network, data, how, loop.start(network, how))
