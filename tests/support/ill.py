"""Small networks on data in memory, to be diagnosed."""

from __future__ import annotations

from typing import Any

import numpy as np

from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Samples
from lenetkit.diagnosis.subject import Subject
from lenetkit.network.plan import load_plan
from lenetkit.spec.merge import Override
from lenetkit.training.data import TrainingData

CLASSES = 6
SPEC: dict[str, Any] = {
    "lenetkit": 1,
    "name": "small",
    "input": [1, 8, 8],
    "layers": {
        "fc1": {"type": "linear", "out_features": 24},
        "act1": "relu",
        "fc2": {"type": "linear", "out_features": 16},
        "act2": "relu",
        "fc3": {"type": "linear", "out_features": CLASSES},
    },
    "data": {"type": "synthetic_digits"},
    "train": {"epochs": 6, "batch_size": 16, "optimizer": {"type": "adam", "lr": 3e-3}},
}
TANH = ("layers.act1=tanh", "layers.act2=tanh", "init=xavier_uniform")
SIGMOID = ("layers.act1=sigmoid", "layers.act2=sigmoid", "init=xavier_uniform")
SGD = ("train.optimizer={type: sgd, lr: 0.1}",)


def samples(count: int, seed: int, *, regression: bool = False) -> Samples:
    """Noisy pictures of classes, or with real targets."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    patterns = np.random.default_rng(99).uniform(0, 255, (CLASSES, 1, 8, 8))
    images = np.clip(patterns[labels] + rng.normal(0, 60, (count, 1, 8, 8)), 0, 255)
    found = images.astype(np.uint8)
    names = tuple(map(str, range(CLASSES)))
    if regression:
        targets = np.random.default_rng(98).normal(0, 1, (CLASSES, CLASSES))[labels]
        return Samples(found, targets, "patterns", names)
    return Samples(found, labels, "patterns", names)


def subject(
    *changes: str, spec: dict[str, Any] | None = None, train: Samples | None = None, seed: int = 0
) -> Subject:
    """The small network with changes as after `--set`, on other training samples if given."""
    overrides = tuple(map(Override.from_text, changes))
    plan = load_plan(spec or SPEC, overrides)
    learned = train or samples(800, seed)
    tested = samples(300, seed + 1, regression=learned.labels.ndim == 2)
    transforms = plan.spec.data.options.transforms
    pipeline = Pipeline(transforms, plan.classes).fitted(learned.images)
    data = TrainingData(learned, tested, None, pipeline, "resize")
    return Subject(spec or SPEC, overrides, plan, data)
