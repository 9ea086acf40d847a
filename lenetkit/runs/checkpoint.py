"""Checkpoints: all of a run's state in one file, so that it can go on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from lenetkit.errors import ModelFileError
from lenetkit.files import tensorfile
from lenetkit.model import model
from lenetkit.network.network import Network
from lenetkit.runs.state import State, read_state
from lenetkit.training.divergence import DivergedError
from lenetkit.training.loop import Progress

_SLOT = "optimizer/"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint as read: nothing of it is in use before `restore`."""

    path: Path
    tensors: tensorfile.Tensors
    metadata: Mapping[str, str]
    state: State

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ModelFileError where the file is missing, damaged or no checkpoint."""
        if not (path.exists() or path.is_symlink()):
            raise ModelFileError(_missing(path))
        tensors, metadata = tensorfile.read(path)
        if "progress" not in metadata:
            raise ModelFileError(
                f"{path}: is not a checkpoint: it does not say how far the run got"
            )
        try:
            model.distributions(metadata)
            json.loads(metadata["dataset_digest"])
            if not {"spec", "dataset"} <= set(metadata):
                raise ValueError("it does not tell spec and data set")
            state = read_state(metadata["progress"])
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise ModelFileError(
                f"{path}: is a checkpoint of another version of lenetkit, or damaged: {error}"
            ) from None
        return cls(path, tensors, metadata, state)

    def restore(self, network: Network, progress: Progress) -> None:
        """Set `network` and `progress` to the checkpoint's state.

        Raises ModelFileError where it is not of this network and optimizer.
        """
        slots = {n.removeprefix(_SLOT): v for n, v in self.tensors.items() if n.startswith(_SLOT)}
        own = {name: v for name, v in self.tensors.items() if not name.startswith(_SLOT)}
        forms = {name: (v.shape, v.dtype) for name, v in progress.slots.items()}
        if {name: (v.shape, v.dtype) for name, v in slots.items()} != forms:
            found, expected = ", ".join(sorted(slots)) or "none", ", ".join(sorted(forms)) or "none"
            raise ModelFileError(
                f"{self.path}: its optimizer state ({found}) is not the spec's optimizer's "
                f"({expected})"
            )
        model.fill(network, own, self.path)
        for name, values in slots.items():
            np.copyto(progress.slots[name], values)
        progress.step, progress.epoch = self.state.step, self.state.epoch
        progress.seconds = self.state.seconds


def _missing(path: Path) -> str:
    kept = path.with_name("model.safetensors")
    way_on = (
        f'start anew from its weights by --init-from "{kept}"' if kept.is_file() else "train anew"
    )
    return f"{path}: no such file; without its checkpoint a run cannot go on: {way_on}"


def save(
    path: Path, network: Network, progress: Progress, state: State, provenance: dict[str, str]
) -> None:
    """Write the state of a run. Raises DivergedError, and leaves the checkpoint before it, where
    weights or optimizer state are not finite.
    """
    tensors = dict(network.tensors())
    tensors |= {f"{_SLOT}{name}": values for name, values in progress.slots.items()}
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise DivergedError(
                f"{name} holds values that are not finite after step {progress.step}; training "
                "stopped, and the checkpoint before it is kept. As a rule the learning rate is "
                "too high: try a tenth of it"
            )
    metadata = model.describe(network.plan) | provenance | {"progress": json.dumps(asdict(state))}
    tensorfile.write(path, tensors, metadata)
