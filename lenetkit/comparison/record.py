"""A run as its folder's small files tell it, and the runs in a folder."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lenetkit.comparison.settings import SEED, Settings, differences, planned, settings
from lenetkit.errors import LenetkitError, RunError
from lenetkit.files import tensorfile
from lenetkit.files.opening import is_there, natural, open_regular, refusal, user_path
from lenetkit.network.plan import load_plan
from lenetkit.runs import lock
from lenetkit.runs.checkpoint import State
from lenetkit.runs.folder import RunFolder
from lenetkit.spec.nodes import MAX_BYTES
from lenetkit.spec.shipped import shipped_specs

RunState = Literal["running", "finished", "interrupted", "diverged", "incomplete", "damaged"]
FIGURES = tuple(
    f"{split}_{figure}"
    for figure in ("accuracy", "rmse", "r2", "loss")
    for split in ("test", "train")
)
DEPTH = 3
"""How many folders deep runs are looked for."""
_MARKS = ("checkpoint.safetensors", "result.json", "metrics.csv", "steps.csv", lock.NAME)
"""Files by which a folder is known as a run's."""
_STEPS = re.compile(r"# steps (\d+) to (\d+),")
_LARGEST_SPEC = 10 * MAX_BYTES


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What the files of a run folder say; no model is loaded, and nothing is written."""

    path: Path
    name: str = ""
    state: RunState = "damaged"
    reason: str = ""
    """Why a run is incomplete, damaged or diverged."""
    dataset: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of each part of the data."""
    epochs: int | None = None
    """Those done."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Those of `FIGURES` that were measured: of the kept model if the run is finished, else after
    the last epoch."""
    seconds: float | None = None
    """Training time, evaluation left out."""
    init_from: str | None = None
    """The file of weights that it started from, and the start of its digest."""
    settings: Settings | None = None
    """None if its spec cannot be read."""
    parts: tuple[tuple[str, Settings], ...] = ()
    """Its earlier parts, which were trained as another spec said: their steps, `1–938`."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Key → value: what differs from the shipped spec of its name, else from the first run of its
    name that was found. Filled in by `find_runs`."""

    def __repr__(self) -> str:
        return f"<RunRecord {self.name!r} in {str(self.path)!r}: {self.state}>"

    @property
    def seed(self) -> int | None:
        """`train.seed`."""
        found = self.settings.get(SEED) if self.settings else None
        return found if isinstance(found, int) else None

    @property
    def is_regression(self) -> bool:
        """Whether it learned real targets: it then has RMSE and R² in the place of accuracy."""
        return "test_rmse" in self.figures or "train_rmse" in self.figures

    def row(self) -> dict[str, Any]:
        """The record as a flat dict, of which pandas makes a table."""
        return {
            "path": str(self.path),
            "name": self.name,
            "dataset": self.dataset,
            "epochs": self.epochs,
            **{name: self.figures.get(name) for name in FIGURES},
            "seconds": self.seconds,
            "seed": self.seed,
            "init_from": self.init_from,
            "state": self.state,
            "reason": self.reason,
            "changes": dict(self.changes),
        }


def find_runs(folder: str | Path = "runs") -> list[RunRecord]:
    """The runs in a folder and up to three folders below it, by path.

    Only small files are read, and nothing is loaded or written. A run whose files are damaged is in
    the list with its `reason`. Raises RunError if there is no such folder.
    """
    top = user_path(folder)
    try:
        found = sorted(set(_run_folders(top, DEPTH)), key=_in_order)
    except OSError as error:
        raise RunError(f"{top}: {refusal(error, 'a folder of runs')}") from None
    return _with_changes([read_record(path) for path in found])


def _in_order(path: Path) -> list[Any]:
    return [natural(Path(part)) for part in path.parts]


def _run_folders(folder: Path, depth: int) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        below = list(entries)
    if any(entry.name in _MARKS for entry in below):
        yield folder
    for entry in below:
        if depth and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            try:
                yield from _run_folders(folder / entry.name, depth - 1)
            except OSError:  # not ours to read
                continue


def read_record(folder: str | Path) -> RunRecord:
    """The record of one run folder; what is damaged is told in its `reason`."""
    path = user_path(folder)
    files, record = RunFolder(path), RunRecord(path)
    problems: list[str] = []
    for read in (_result, _progress, _spec):
        try:
            record = read(files, record)
        except LenetkitError as error:
            problems.append(str(error).removeprefix(f"{path}{os.sep}").removeprefix(f"{path}: "))
        except (ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
            problems.append(f"is damaged: {type(error).__name__}: {error}")
    if lock.is_held(path):
        return replace(record, state="running", name=record.name or path.name)
    if problems and record.state != "incomplete":
        record = replace(record, state="damaged", reason="; ".join(dict.fromkeys(problems)))
    return replace(record, name=record.name or path.name)


def _result(files: RunFolder, record: RunRecord) -> RunRecord:
    """From `result.json`, if the run is finished."""
    if not is_there(files.result):
        return record
    result = files.read_result()
    return replace(
        record,
        state="finished",
        name=str(result["name"]),
        dataset=str(result["dataset"]),
        digests=dict(result["dataset_digest"]),
        epochs=int(result["epochs"]),
        figures=_figures({name: result[name] for name in FIGURES if name in result}),
        init_from=result.get("init_from"),
        seconds=float(result.get("seconds", math.nan)),
    )


def _progress(files: RunFolder, record: RunRecord) -> RunRecord:
    """From the checkpoint's header and the table of epochs, if the run is not finished."""
    if record.state == "finished" or is_there(files.result):
        return record
    if not is_there(files.checkpoint):
        reason = "it ended before its first checkpoint"
        return replace(record, state="incomplete", reason=reason)
    header = tensorfile.read_metadata(files.checkpoint)
    state = State.from_json(header.get("progress", ""))
    columns = files.read_metrics() if is_there(files.metrics) else {}
    rows = slice(state.epoch)  # a row beyond the checkpoint does not count
    last = {name: column[rows][-1] for name, column in columns.items() if column[rows]}
    return replace(
        record,
        state="diverged" if is_there(files.diverged) else "interrupted",
        reason=files.why_diverged(),
        dataset=header.get("dataset"),
        digests=dict(json.loads(header["dataset_digest"])),
        epochs=state.epoch,
        figures=_figures({name: last[name] for name in FIGURES if name in last}),
        seconds=sum(columns.get("seconds", [])[rows]) + state.seconds,
        init_from=state.init_from or None,
    )


def _figures(found: Mapping[str, Any]) -> dict[str, float]:
    """As numbers; JSON has null for what is not one."""
    return {name: math.nan if value is None else float(value) for name, value in found.items()}


def _spec(files: RunFolder, record: RunRecord) -> RunRecord:
    """The settings, from `spec.yaml` and those of earlier parts."""
    own = settings(_read(files.spec))
    parts = [(path, _read(path)) for path in files.earlier_specs()]
    return replace(
        record,
        name=record.name or own.name,
        settings=own,
        parts=tuple((_steps(path, part), settings(part)) for path, part in parts),
    )


def _steps(path: Path, text: str) -> str:
    found = _STEPS.match(text)
    return f"{found[1]}–{found[2]}" if found else path.stem


def _read(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return file.read(_LARGEST_SPEC).decode("utf-8")
    except UnicodeDecodeError:
        raise RunError(f"{path}: is damaged: it is not UTF-8 text") from None
    except OSError as error:
        raise RunError(f"{path}: {refusal(error, 'the spec of a run')}") from None


def _with_changes(records: list[RunRecord]) -> list[RunRecord]:
    """Each with what differs from the shipped spec of its name, or from the first of its name."""
    bases: dict[str, Settings | None] = {}
    shipped = shipped_specs()
    changed = []
    for record in records:
        if record.settings and record.name not in bases:
            bases[record.name] = _shipped(record.name) if record.name in shipped else None
            bases[record.name] = bases[record.name] or record.settings
        base = bases.get(record.name)
        if record.settings and base:
            pair = [base.without_learned(), record.settings.without_learned()]
            found = {d.key: d.values[1] for d in differences(pair)}
            record = replace(record, changes=found)
        changed.append(record)
    return changed


def _shipped(name: str) -> Settings | None:
    try:
        return planned(load_plan(name))
    except LenetkitError:  # it needs plugins that are not installed
        return None
