"""Checkpoints: everything a run needs to resume, in one file.

A `State` is what a checkpoint records of the loop's `Progress` and of the run's other files; a
`Checkpoint` adds the weights and the optimizer's vectors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, TypedDict

import numpy as np

from lenetkit.errors import MissingFileError, ModelFileError
from lenetkit.files import tensorfile
from lenetkit.model import file
from lenetkit.network.network import Network
from lenetkit.spec.dump import as_yaml
from lenetkit.spec.nodes import Mark, parse, plain
from lenetkit.text import finite
from lenetkit.training.divergence import DivergedError, remedy_at_start
from lenetkit.training.loop import Progress
from lenetkit.values import Mismatch, convert

_SLOT = "optimizer/"
_AVERAGE = "average"
_MAX_THREADS = 1 << 16


@dataclass(frozen=True)
class Best:
    """The epoch whose model is kept: the last, or the best on held-out samples."""

    epoch: int = 0
    accuracy: float = -1.0
    digest: str = ""
    """Of its weights: `tensorfile.tensor_digest`."""
    metrics: str = ""
    """Its metrics, as the model file has them."""


class Change(TypedDict):
    """What differed when a run was resumed with `allow_different`, and at which step."""

    step: int
    differences: list[str]


class Part(TypedDict):
    """An earlier part of a run, which was trained as another spec said."""

    steps: int
    """The steps done when it ended."""
    spec: str
    """Its spec, as YAML."""


@dataclass(frozen=True)
class State:
    """How far a run got, and what its other files hold."""

    step: int = 0
    epoch: int = 0
    epochs: int = 0
    """The number requested."""
    seconds: float = 0.0
    """Training time of the current epoch."""
    best: Best = Best()
    tables: dict[str, str] = field(default_factory=dict)
    """File name → SHA-256 of the rows so far."""
    notes: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """What the optimizer reported, by epoch; None for what is no finite number."""
    environment: dict[str, str] = field(default_factory=dict)
    """`environment.versions`, and `threads`."""
    changes: list[Change] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    """The parts before the one whose spec the checkpoint names."""
    differs: dict[str, str | None] = field(default_factory=dict)
    """Dotted key → value: how the spec differs from the one that it extends."""
    init_from: str = ""
    """The name of the file of weights that it started from, and the start of its SHA-256."""
    steps_per_epoch: int = 0
    """0 if it is not recorded."""
    given: bool = False
    """Whether the data are arrays from Python, which a resumed run must be given again."""
    validation_losses: list[float] = field(default_factory=list)
    """The loss on the held-out samples after each epoch, if there are any."""
    validation_merits: list[float] = field(default_factory=list)
    """Likewise, the merit: the accuracy, or minus the RMSE."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError, which names the field, what was expected and what was found."""
        found = json.loads(text)
        if isinstance(found, dict):
            older: dict[str, Any] = {"parts": [], "differs": {}, "steps_per_epoch": 0}  # 0.1.0
            older |= {
                "init_from": "",
                "given": False,
                "validation_losses": [],
                "validation_merits": [],
            }
            found = older | found
        state: Self = convert(found, cls, "progress")
        if not 0 <= state.best.epoch <= state.epoch <= state.step:
            epochs = f"epoch {state.epoch}, best epoch {state.best.epoch}"
            raise ValueError(f"step {state.step}, {epochs}")
        if not 0 <= state.seconds < math.inf:
            raise Mismatch("progress.seconds", "a time", state.seconds)
        count = state.environment.get("threads", "")
        if count and not (count.isdecimal() and len(count) < 9 and int(count) <= _MAX_THREADS):
            raise Mismatch("progress.environment.threads", f"at most {_MAX_THREADS}", count)
        return state

    @property
    def threads(self) -> int | None:
        """The number of threads; None if it is not recorded."""
        return int(self.environment.get("threads", "") or 0) or None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint as read; `restore` puts it to use."""

    path: Path
    tensors: tensorfile.Tensors
    metadata: Mapping[str, str]
    state: State

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ModelFileError if the file is damaged or not a checkpoint: UnreadableFileError if
        it cannot be read now, and MissingFileError if there is none.
        """
        try:
            tensors, metadata = tensorfile.read(path)
        except MissingFileError:
            raise MissingFileError(_missing(path)) from None
        if "progress" not in metadata:
            raise ModelFileError(
                f"{path}: is not a checkpoint: it does not say how far the run got"
            )
        try:
            file.distributions(metadata)
            json.loads(metadata["dataset_digest"])
            if not {"spec", "dataset"} <= set(metadata):
                raise ValueError("it names neither spec nor data set")
            metadata["spec"] = _without_dir(metadata["spec"])
            state = State.from_json(metadata["progress"])
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise ModelFileError(
                f"{path}: is a checkpoint of another version of lenetkit, or damaged: {error}"
            ) from None
        return cls(path, tensors, metadata, state)

    def restore(self, network: Network, progress: Progress) -> None:
        """Set `network` and `progress` to the checkpoint's state.

        Raises ModelFileError if it belongs to another network or optimizer.
        """
        slots = {n.removeprefix(_SLOT): v for n, v in self.tensors.items() if n.startswith(_SLOT)}
        own = {name: v for name, v in self.tensors.items() if not name.startswith(_SLOT)}
        own.pop(_AVERAGE, None)
        forms = {name: (v.shape, v.dtype) for name, v in progress.slots.items()}
        if {name: (v.shape, v.dtype) for name, v in slots.items()} != forms:
            found, expected = ", ".join(sorted(slots)) or "none", ", ".join(sorted(forms)) or "none"
            raise ModelFileError(
                f"{self.path}: its optimizer state ({found}) does not match the spec's "
                f"optimizer ({expected})"
            )
        file.fill(network, own, self.path)
        for name, values in slots.items():
            np.copyto(progress.slots[name], values)
        progress.step, progress.epoch = self.state.step, self.state.epoch
        progress.seconds = self.state.seconds
        progress.validation_losses = [*self.state.validation_losses]
        progress.validation_merits = [*self.state.validation_merits]
        if progress.average is not None:  # which a spec that is --allow-different may begin here
            average = self.tensors.get(_AVERAGE, network.params)
            if (average.shape, average.dtype) != (network.params.shape, network.params.dtype):
                raise ModelFileError(f"{self.path}: its averaged weights do not fit the network")
            np.copyto(progress.average, average)


def _without_dir(text: str) -> str:
    """A spec without `data.dir`, which checkpoints of 0.1.0 have."""
    if "dir:" not in text:
        return text
    tree = plain(parse(text, Mark("the spec inside")))
    data = tree.get("data")
    if not isinstance(data, dict) or data.pop("dir", None) is None:
        return text
    return as_yaml(tree)


def _missing(path: Path) -> str:
    kept = path.with_name("model.safetensors")
    remedy = f'start from its weights with --init-from "{kept}"' if kept.is_file() else "start over"
    return f"{path}: no such file; a run cannot be resumed without its checkpoint: {remedy}"


def save(
    path: Path, network: Network, progress: Progress, state: State, provenance: Mapping[str, str]
) -> None:
    """Write the state of a run.

    Raises DivergedError, and keeps the previous checkpoint, if weights or optimizer state are not
    finite.
    """
    tensors = dict(network.tensors())
    tensors |= {f"{_SLOT}{name}": values for name, values in progress.slots.items()}
    if progress.average is not None:
        tensors[_AVERAGE] = progress.average
    for name, values in tensors.items():
        if not np.isfinite(values).all() and not progress.step:
            why = remedy_at_start(f"layers.{name.rpartition('.')[0]}: its weights", network)
            raise DivergedError(f"{name} has non-finite values before the first step. {why}")
        if not np.isfinite(values).all():
            raise DivergedError(
                f"{name} has non-finite values after step {progress.step}; training "
                "stopped, and the previous checkpoint is kept. Usually the learning rate is too "
                "high: try a tenth of it"
            )
    recorded = json.dumps(finite(asdict(state)), allow_nan=False)
    metadata = {**file.describe(network.plan), **provenance, "progress": recorded}
    tensorfile.write(path, tensors, metadata)
