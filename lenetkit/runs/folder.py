"""The run folder: its files, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lenetkit.errors import RunError
from lenetkit.files import atomic
from lenetkit.files.opening import is_there, open_regular, refusal
from lenetkit.runs import lock, tables

METRICS = ("epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")
REAL_METRICS = (
    *("epoch", "lr", "train_loss", "train_rmse", "train_r2"),
    *("test_loss", "test_rmse", "test_r2", "seconds"),
)
"""Those of a regression."""
STEPS = ("step", "loss")
PREDICTIONS = ("index", "true", "predicted", "probability")
PICTURES = (
    *("loss", "loss_epochs", "accuracy"),
    *("confusion_test", "confusion_train", "mistakes"),
)
PICTURE_KINDS = ("png", "pdf", "svg")
RESULT_KEYS = (
    *("name", "dataset", "dataset_digest", "epochs", "steps", "classes"),
    *("confusion_test", "confusion_train", "mistakes"),
)
"""What drawing a run's pictures needs; of a regression without the last three."""


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
        self.predictions = path / "predictions.csv"
        self.diverged = path / "diverged.json"
        self.pictures = self.pictures_as("png")

    def pictures_as(self, kind: str) -> dict[str, Path]:
        """The files of a run's pictures, by name, in one of `PICTURE_KINDS`."""
        return {name: self.path / f"{name}.{kind}" for name in PICTURES}

    def earlier_spec(self, number: int) -> Path:
        """The spec of a run's part before the current one, counted from 1."""
        return self.path / f"spec-{number:03}.yaml"

    def earlier_specs(self) -> list[Path]:
        """The specs of earlier parts that are there."""
        return sorted(self.path.glob("spec-[0-9][0-9][0-9].yaml"))

    @classmethod
    def create(cls, name: str, out: Path | None) -> RunFolder:
        """A new folder: `out`, or the next number in `runs/NAME`. Never one with a run in it.

        Raises RunError if `out` is not empty, or a folder cannot be created.
        """
        if out is not None:
            folder = cls(out)
            folder.expect_unused()
            _make(out)
            return folder
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
                raise RunError(f"{parent}: cannot create a folder: {error.strerror}") from None
            else:
                return cls(parent / f"{number:03}")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an earlier run. Raises RunError if there is none."""
        folder = cls(path)
        try:
            there = path.is_dir()
        except OSError as error:
            raise RunError(f"{path}: cannot be a run folder: {error.strerror}") from None
        if not there and path.is_file():
            of_run = is_there(cls(path.parent).spec)
            hint = f", such as {path.parent}" if of_run else ""
            raise RunError(f"{path}: is a file; expected a run folder{hint}")
        if not there:
            raise RunError(f"{path}: no such run folder")
        if not is_there(folder.spec) and not is_there(folder.checkpoint):
            raise RunError(
                f"{path}: is not a run folder: it holds neither spec.yaml nor a checkpoint; "
                "a run that ended before its first checkpoint has to start over"
            )
        return folder

    def expect_unused(self) -> None:
        """Raise RunError if the folder holds anything but the lock and the temporary files that
        a run killed before its first checkpoint leaves.
        """
        try:
            names = [path for path in self.path.iterdir() if not _is_leftover(path)]
        except FileNotFoundError:
            return
        except OSError as error:
            raise RunError(f"{self.path}: cannot be a run folder: {error.strerror}") from None
        if names:
            raise RunError(
                f"{self.path}: exists and is not empty; choose another folder with --out, "
                f'or continue its run with --resume "{self.path}"'
            )

    @contextmanager
    def owned(self, report: Callable[[str], None]) -> Iterator[None]:
        """Lock the folder inside the block (see `lock.locked`), and remove the temporary files that
        dead processes left.
        """
        with lock.locked(self.path, report):
            atomic.remove_leftovers(self.path)
            yield

    def discard_result(self) -> None:
        """Remove the result, its predictions and pictures, which become outdated when a run
        continues, and the note that it diverged.

        The result can be recreated from checkpoint and model, the pictures from the result.
        """
        pictures = [path for kind in PICTURE_KINDS for path in self.pictures_as(kind).values()]
        for path in (self.result, self.predictions, self.diverged, *pictures):
            atomic.remove(path)

    def read_metrics(self) -> dict[str, list[float]]:
        """The columns of `metrics.csv`."""
        common = [name for name in METRICS if name in REAL_METRICS]
        return tables.read_columns(self.metrics, common)

    def read_steps(self) -> dict[str, list[float]]:
        """The columns of `steps.csv`."""
        return tables.read_columns(self.steps, STEPS)

    def read_predictions(self) -> dict[str, list[float]]:
        """The columns of `predictions.csv`."""
        return tables.read_columns(self.predictions, PREDICTIONS)

    def why_diverged(self) -> str:
        """Why the run ended with numbers that are not finite; empty if it did not."""
        if not is_there(self.diverged):
            return ""
        with open_regular(self.diverged) as file:
            return str(json.loads(file.read(1 << 16))["message"])

    def read_result(self) -> dict[str, Any]:
        """What `result.json` holds. Raises RunError if the run is not finished."""
        try:
            with open_regular(self.result) as file:
                result: dict[str, Any] = json.loads(file.read())
        except FileNotFoundError:
            raise RunError(
                f"{self.path}: the run has no result.json yet; finish it with "
                f'`lenetkit train --resume "{self.path}"`'
            ) from None
        except OSError as error:
            raise RunError(f"{self.result}: {refusal(error, 'the result of a run')}") from None
        except (RecursionError, ValueError) as error:
            raise RunError(f"{self.result}: is damaged: {error}") from None
        if not isinstance(result, dict):
            result = {}
        keys = RESULT_KEYS[:-3] if result.get("task") == "regression" else RESULT_KEYS
        missing = [key for key in keys if key not in result]
        if missing:
            raise RunError(f"{self.result}: is damaged: it lacks {', '.join(missing)}")
        return result


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot create the folder: {error.strerror}") from None


def _is_leftover(path: Path) -> bool:
    return path.name == lock.NAME or atomic.is_temporary(path)
