"""Checkpoints: all of a run's state in one file, so that it can go on where it stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lenetkit import model, tensorfile
from lenetkit.errors import ModelFileError
from lenetkit.network import Network
from lenetkit.training import Progress

_SLOT = "optimizer/"


@dataclass(frozen=True)
class Best:
    """The epoch whose model is kept: the last, or the best on held-out samples."""

    epoch: int = 0
    accuracy: float = -1.0


def save(
    path: Path, network: Network, progress: Progress, best: Best, provenance: dict[str, str]
) -> None:
    """Write the state of a run."""
    tensors = dict(network.tensors())
    tensors |= {f"{_SLOT}{name}": values for name, values in progress.slots.items()}
    state = {
        "step": progress.step,
        "epoch": progress.epoch,
        "seconds": progress.seconds,
        "best_epoch": best.epoch,
        "best_accuracy": best.accuracy,
    }
    metadata = model.describe(network.plan) | provenance | {"progress": json.dumps(state)}
    tensorfile.write(path, tensors, metadata)


def restore(path: Path, network: Network, progress: Progress) -> tuple[Best, dict[str, str]]:
    """Set `network` and `progress` to a checkpoint's state; returns the rest of what it holds.

    Raises ModelFileError where the file is missing, damaged, or not of this network and optimizer.
    """
    tensors, metadata = tensorfile.read(path)
    if "progress" not in metadata:
        raise ModelFileError(f"{path}: is not a checkpoint: it does not say how far the run got")
    slots = {n.removeprefix(_SLOT): v for n, v in tensors.items() if n.startswith(_SLOT)}
    own = {name: v for name, v in tensors.items() if not name.startswith(_SLOT)}
    shapes = {name: v.shape for name, v in progress.slots.items()}
    if {name: v.shape for name, v in slots.items()} != shapes:
        found, expected = ", ".join(slots) or "none", ", ".join(shapes) or "none"
        raise ModelFileError(
            f"{path}: its optimizer state ({found}) is not the spec's optimizer's ({expected})"
        )
    model.fill(network, own, path)
    state = json.loads(metadata["progress"])
    for name, values in slots.items():
        np.copyto(progress.slots[name], values)
    progress.step, progress.epoch = state["step"], state["epoch"]
    progress.seconds = state["seconds"]
    return Best(state["best_epoch"], state["best_accuracy"]), metadata
