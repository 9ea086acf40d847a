"""What a run folder gives for a report."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lenetkit.comparison.record import RunRecord
from lenetkit.data.source import Samples
from lenetkit.errors import LenetkitError, RunError
from lenetkit.files import tensorfile
from lenetkit.files.opening import is_there, open_regular
from lenetkit.model.model import ARRAYS, Model, load
from lenetkit.network.plan import Plan
from lenetkit.reporting.counts import Counts
from lenetkit.runs.checkpoint import State
from lenetkit.runs.folder import RunFolder
from lenetkit.runs.images import KERNELS, images_of_test, plan_without_kernels
from lenetkit.text import printable

Columns = Mapping[str, list[float]]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Material:
    """The content of a run folder; what is lacking is None or empty."""

    record: RunRecord
    result: dict[str, Any]
    """Of a finished run."""
    spec: str
    """`spec.yaml`."""
    plan: Plan | None
    model: Model | None
    test: Samples | None
    """The test images, if they are still where they were, and the same."""
    metrics: Columns
    """The epochs that are done."""
    steps: Columns
    versions: Mapping[str, str]
    """Of software and hardware, with the number of threads."""
    differs: Mapping[str, str | None]
    """Key → value: what the spec changes in the one that it extends; None where it removes."""

    @property
    def rows(self) -> list[dict[str, float]]:
        """The metrics, a row an epoch."""
        columns = self.metrics.values()
        return [dict(zip(self.metrics, row, strict=True)) for row in zip(*columns, strict=True)]

    @functools.cached_property
    def counts(self) -> dict[str, Counts]:
        """The confusion of the test and the training set; none of a regression."""
        known = [split for split in ("test", "train") if f"confusion_{split}" in self.result]
        return {split: Counts.of(self.result, split) for split in known}

    @property
    def train_samples(self) -> int | None:
        """How many samples an epoch trains on, if it is recorded."""
        counts = self.counts
        return counts["train"].n if counts else None


class Reader:
    """Reads run folders; test images that several runs share are loaded once.

    What cannot be had is left out of the material, and `report` is told why.
    """

    def __init__(self, data_dir: Path | None, report: Callable[[str], None]) -> None:
        self._data_dir = data_dir
        self._report = report
        self._images: dict[str | None, Samples | None] = {}

    def read(self, record: RunRecord) -> Material:
        """Raises RunError if the files are damaged."""
        folder = RunFolder(record.path)
        result = folder.read_result() if record.state == "finished" else {}
        state = None if result else _state(folder)
        model = self._model(folder)
        plan = model.plan if model else self._plan(folder)
        tables = [
            read() if is_there(path) else {}
            for read, path in (
                (folder.read_metrics, folder.metrics),
                (folder.read_steps, folder.steps),
            )
        ]
        versions = state.environment if state else result.get("versions", {})
        threads = {} if state else {"threads": str(result.get("threads", ""))}
        return Material(
            record=record,
            result=result,
            spec=_text(folder.spec),
            plan=plan,
            model=model,
            test=self._test(record, model) if model else None,
            metrics={name: column[: record.epochs or 0] for name, column in tables[0].items()},
            steps=tables[1],
            versions={**versions, **_others(result), **threads},
            differs=state.differs if state else result.get("differs", {}),
        )

    def _plan(self, folder: RunFolder) -> Plan | None:
        return self._found(
            folder.spec,
            "network",
            lambda: plan_without_kernels(folder.spec),
        )

    def _model(self, folder: RunFolder) -> Model | None:
        if not is_there(folder.model):
            return None
        return self._found(folder.model, "weights", lambda: load(folder.model, kernels=KERNELS))

    def _test(self, record: RunRecord, model: Model) -> Samples | None:
        folder, digest = RunFolder(record.path), record.digests.get("test")
        if record.dataset == ARRAYS:  # which a run folder does not hold
            return None
        if digest not in self._images:
            self._images[digest] = self._found(
                record.path,
                "feature maps, and its mistakes have no images",
                lambda: images_of_test(folder, model.plan, digest, self._data_dir, self._report),
            )
        return self._images[digest]

    def _found(self, path: Path, what: str, find: Callable[[], T]) -> T | None:
        """What `find` returns; None, and a warning, if it raises."""
        try:
            return find()
        except LenetkitError as error:
            self._report(f"warning: {printable(path)}: the report lacks its {what}: {error}")
            return None


def _state(folder: RunFolder) -> State:
    header = tensorfile.read_metadata(folder.checkpoint)
    try:
        return State.from_json(header["progress"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{folder.checkpoint}: is damaged: {error}") from None


def _others(result: Mapping[str, Any]) -> dict[str, str]:
    """The distributions beside lenetkit, with their versions."""
    found = result.get("distributions", {})
    return {name: str(found[name]) for name in found if name != "lenetkit"}


def _text(path: Path) -> str:
    with open_regular(path) as file:
        return file.read().decode("utf-8", "replace")
