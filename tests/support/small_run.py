"""A run small enough to be repeated a thousand times, and the parts that must be identical."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lenetkit.data.finding import file_names
from lenetkit.data.idx import write_idx
from lenetkit.files import atomic, tensorfile
from lenetkit.model import model
from lenetkit.network.plan import load_plan
from lenetkit.runs import lock
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.folder import RunFolder
from tests.support.specs import small_plan

THOROUGH = bool(os.environ.get("LENETKIT_THOROUGH"))
"""Whether to test in full what is otherwise sampled."""


def trials(sample: int, thorough: int) -> int:
    """How many random moments to try; `scripts/check_runs --trials` says another number."""
    return int(os.environ.get("LENETKIT_TRIALS") or (thorough if THOROUGH else sample))


CHANGES = (
    "layers.norm1={type: batch_norm2d, after: conv1}",
    "data.validation=3",
    "data.transforms=[{type: random_affine, degrees: 10}, standardize]",
    "train.epochs=3",
)


def write_inputs(folder: Path) -> tuple[Path, Path]:
    """Write a spec file and a folder of data, always the same."""
    rng = np.random.default_rng(0)
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", 15), ("t10k", 6)):
        images, labels = file_names("train" if prefix == "train" else "test")
        write_idx(data / images, rng.integers(0, 256, (count, 8, 8), np.uint8))
        write_idx(data / labels, (np.arange(count) % 3).astype(np.uint8))
    spec = folder / "small.yaml"
    spec.write_text(small_plan(*CHANGES).to_yaml(), "utf-8")
    return spec, data


def outcome(run: Path) -> dict[str, Any]:
    """What a run leaves, except times."""
    folder = RunFolder(run)
    saved = Checkpoint.read(folder.checkpoint)
    result = folder.read_result()
    del result["seconds"]
    metrics = list(csv.DictReader(folder.metrics.read_text("utf-8").splitlines()))
    for row in metrics:
        del row["seconds"]
    is_regression = result.get("task") == "regression"
    return {
        "model": folder.model.read_bytes(),
        "weights and state": {
            name: saved.tensors[name].tobytes() for name in sorted(saved.tensors)
        },
        "steps": folder.steps.read_bytes(),
        "predictions": None if is_regression else folder.predictions.read_bytes(),
        "metrics": metrics,
        "result": result,
        "spec": folder.spec.read_bytes(),
    }


def expect_readable(run: Path) -> None:
    """Check that every file in the folder is intact, a lock, or a temporary file."""
    folder = RunFolder(run)
    readers: dict[Path, Callable[[Path], object]] = {
        folder.spec: load_plan,
        folder.metrics: lambda path: folder.read_metrics(),
        folder.steps: lambda path: folder.read_steps(),
        folder.predictions: lambda path: folder.read_predictions(),
        folder.model: model.load,
        folder.checkpoint: tensorfile.read,
        folder.result: lambda path: json.loads(path.read_text("utf-8")),
    }
    for path in run.iterdir():
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path in readers:
            readers[path](path)
        else:
            assert path.name == lock.NAME or atomic.is_temporary(path), path.name
