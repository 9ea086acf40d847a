"""The calls that most Python users need: build a network, train it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lenetkit.errors import warn
from lenetkit.model.model import Model, load
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, load_plan
from lenetkit.registry.given import Plugins, use
from lenetkit.runs.run import Run
from lenetkit.spec.changes import changes
from lenetkit.spec.merge import Spec
from lenetkit.spec.merge import overrides as as_overrides
from lenetkit.spec.sections import TrainSpec
from lenetkit.training import loop
from lenetkit.training.calls import Events, warn_of_unused_rate, with_settings
from lenetkit.training.data import TrainingData, load_training_data


def build(
    spec: Spec,
    overrides: Mapping[str, Any] | None = None,
    *,
    plugins: Plugins = (),
    dtype: Any = np.float32,
) -> Model:
    """The network of a spec, with its initial weights.

    `overrides` are as after `--set`, `{"train.optimizer.lr": 0.01, "layers.relu1": "tanh"}`, and
    may hold objects, `{"layers.relu1": Tanh()}`, as a dict as `spec` may. `plugins` are files and
    classes whose types the spec names, `["swish.py", Swish]` or `{"swish": Swish}`; this process
    knows them from then on. Raises SpecError with every mistake in the spec.
    """
    use(plugins)
    plan = _plan(spec, overrides)
    return Model(plan, seed=plan.spec.train.seed, dtype=dtype)


def load_data(
    spec: Spec,
    overrides: Mapping[str, Any] | None = None,
    *,
    data_dir: str | Path | None = None,
) -> TrainingData:
    """The samples that a spec's network learns from and is tested on.

    `data.train.images` (N, C, H, W) and `data.train.labels` (N,), and likewise `test` and, where
    samples are held out, `validation`: all of them as stored, before the transforms. Looked for as
    the command line does. Raises DataError if there are none.
    """
    return load_training_data(load_plan(spec, as_overrides(overrides or {})), data_dir)


def fit(
    spec: Spec,
    images: Any,
    labels: Any,
    *,
    test: tuple[Any, Any] | None = None,
    validation: float | None = None,
    classes: Any = None,
    overrides: Mapping[str, Any] | None = None,
    plugins: Plugins = (),
    out: str | Path | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> Model:
    """A new network of a spec, trained on arrays; `Model.fit` says how.

    `settings` are options of the spec's `train`: `epochs`, `batch_size`, `seed`, `optimizer`, ….
    `overrides` and `plugins` are as for `build`. `out` is a new or empty folder that becomes a run
    folder, as `Run` writes it. `progress` shows a bar and the epochs; None, in notebooks only.
    """
    use(plugins)
    changed = dict(overrides or {})
    changed |= {} if validation is None else {"data.validation": validation}
    plan = _plan(spec, changed)
    how = with_settings(plan, "fit", settings)
    plan = replace(plan, spec=replace(plan.spec, train=how))
    network = Model(plan, seed=how.seed)
    warn_of_unused_rate(plan, as_overrides(changed), warn)
    if out is None:
        return network.fit(images, labels, test=test, classes=classes, progress=progress)
    changed |= {f"train.{name}": value for name, value in settings.items()}
    data = network.training_data(images, labels, test=test, classes=classes)
    run = Run.begin(network, data, out=out, differs=changes(spec, as_overrides(changed)))
    run.train(progress=progress)
    trained = load(run.folder.path)
    trained.history = network.history
    return trained


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
    `train` section: `epochs`, `batch_size`, `optimizer`, `patience`, …. Raises TypeError for any
    other.
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
    for event in loop.train(network, data, how, loop.start(network, how)):
        if isinstance(network, Model) and isinstance(event, loop.EpochDone):
            network.note(event)
        yield event
