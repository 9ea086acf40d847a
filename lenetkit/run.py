"""The run folder: the names of its files, and how its tables are read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lenetkit import files
from lenetkit.errors import RunError

METRICS = (
    "epoch",
    "lr",
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "seconds",
)
STEPS = ("step", "loss")
RESULT_KEYS = (
    "name",
    "dataset",
    "dataset_digest",
    "epochs",
    "steps",
    "classes",
    "confusion_test",
    "confusion_train",
    "mistakes",
)
"""What a result must hold so that its run's pictures can be drawn."""


class RunFolder:
    """The names of the files in a run folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = path / "spec.yaml"
        self.metrics = path / "metrics.csv"
        self.steps = path / "steps.csv"
        self.model = path / "model.safetensors"
        self.checkpoint = path / "checkpoint.safetensors"
        self.result = path / "result.json"

    @classmethod
    def create(cls, name: str, out: Path | None) -> RunFolder:
        """A new folder: `out`, or the next number in `runs/NAME`. Never one that holds a run."""
        if out is not None:
            if out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise RunError(
                    f"{out}: exists and is not empty; name another folder by --out, "
                    f'or continue its run by --resume "{out}"'
                )
            _make(out)
            return cls(out)
        parent = Path("runs") / name
        _make(parent)
        taken = [int(p.name) for p in parent.iterdir() if p.name.isdecimal()]
        number = max(taken, default=0) + 1
        while True:  # another run may take the number first
            try:
                (parent / f"{number:03}").mkdir()
            except FileExistsError:
                number += 1
            except OSError as error:
                raise RunError(f"{parent}: cannot make a folder: {error.strerror}") from None
            else:
                return cls(parent / f"{number:03}")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an earlier run. Raises RunError where there is none."""
        folder = cls(path)
        if not path.is_dir():
            raise RunError(f"{path}: no such run folder")
        if not folder.spec.is_file():
            raise RunError(f"{path}: is not a run folder: it holds no spec.yaml")
        return folder

    def read_metrics(self) -> dict[str, list[float]]:
        """The columns of `metrics.csv`."""
        return _read_columns(self.metrics, METRICS)

    def read_steps(self) -> dict[str, list[float]]:
        """The columns of `steps.csv`."""
        return _read_columns(self.steps, STEPS)

    def read_result(self) -> dict[str, Any]:
        """What `result.json` holds. Raises RunError where the run did not get so far."""
        try:
            result: dict[str, Any] = json.loads(self.result.read_text("utf-8"))
        except FileNotFoundError:
            raise RunError(
                f"{self.path}: the run has no result.json yet; finish it by "
                f"`lenetkit train --resume {self.path}`"
            ) from None
        except (OSError, RecursionError, ValueError) as error:
            raise RunError(f"{self.result}: is damaged: {error}") from None
        missing = [key for key in RESULT_KEYS if not isinstance(result, dict) or key not in result]
        if missing:
            raise RunError(f"{self.result}: is damaged: it lacks {', '.join(missing)}")
        return result


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot make the folder: {error.strerror}") from None


def _read_columns(path: Path, names: Iterable[str]) -> dict[str, list[float]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = list(dict.fromkeys([*names, *(rows[0] if rows else ())]))
        return {name: [float(row[name]) for row in rows] for name in columns}
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: is damaged: {error}") from None


def keep_rows(path: Path, columns: Iterable[str], count: int) -> None:
    """Cut a table back to its first `count` rows: those that the checkpoint knows of."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read, so the run cannot go on: {error}") from None
    if len(lines) < count + 1 or lines[0] != ",".join(columns):
        raise RunError(f"{path}: holds fewer rows than the checkpoint tells of; it was changed")
    files.write_text(path, "\n".join(lines[: count + 1]) + "\n")
