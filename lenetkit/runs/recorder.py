"""Writing a run folder, event by event."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from lenetkit.errors import MissingFileError, ModelFileError, RunError, UnreadableFileError
from lenetkit.files import atomic, tensorfile
from lenetkit.model import file
from lenetkit.model.model import Model, load
from lenetkit.runs import checkpoint, environment
from lenetkit.runs.checkpoint import Best, Checkpoint, State
from lenetkit.runs.folder import METRICS, PREDICTIONS, REAL_METRICS, STEPS, RunFolder
from lenetkit.runs.tables import Table
from lenetkit.text import json_text
from lenetkit.training.data import TrainingData
from lenetkit.training.divergence import DivergedError
from lenetkit.training.evaluation import Evaluation, evaluate
from lenetkit.training.loop import EpochBegun, EpochDone, Event, Progress, StepDone

MAX_MISTAKES = 40
"""Mistakes that a result lists."""


class Recorder:
    """Writes a run's files as its events come, each file atomically. A context manager.

    The checkpoint is authoritative: on resume, rows beyond it are dropped, and a missing model is
    recreated from it.
    """

    def __init__(
        self, folder: RunFolder, network: Model, data: TrainingData, progress: Progress
    ) -> None:
        self.folder = folder
        self.network = network
        self.data = data
        self.progress = progress
        network.learns_from(data)
        self.state = State()
        """As of the last checkpoint, plus what was recorded since."""
        columns = REAL_METRICS if data.target_axes else METRICS
        held_out = [name.replace("test", "validation") for name in columns if "test_" in name]
        self._metrics = Table(folder.metrics, [*columns, *(held_out if data.validation else ())])
        self._steps = Table(folder.steps, STEPS)
        self._kept: dict[str, Evaluation] = {}
        """The evaluations of the model in the folder, by data set."""
        self.saved_step: int | None = None
        """The step of the checkpoint in the folder; None before the first."""

    def __enter__(self) -> Self:
        if self.saved_step is None:
            self._save_state()  # so that the run can be resumed from its first step on
        elif not self.progress.is_over(self.network.plan.spec.train):
            self.folder.discard_result()  # before any other file gets ahead of it
        self._save_specs()
        self._save_tables()
        self.saved_step = self.progress.step
        return self

    def parts(self) -> list[dict[str, Any]]:
        """Which steps and epochs were trained by which spec file, in order."""
        per_epoch = self._steps_per_epoch()
        ends = [part["steps"] for part in self.state.parts]
        files = [self.folder.earlier_spec(i + 1).name for i in range(len(ends))]
        bounds = itertools.pairwise([0, *ends, self.progress.step])
        return [
            {
                "steps": [done + 1, end],
                "epochs": [done // per_epoch + 1, math.ceil(end / per_epoch)],
                "spec": name,
            }
            for (done, end), name in zip(bounds, [*files, self.folder.spec.name], strict=True)
        ]

    def _steps_per_epoch(self) -> int:
        return math.ceil(len(self.data.train) / self.network.plan.spec.train.batch_size)

    def _save_specs(self) -> None:
        """The current spec, and before it those of earlier parts, each with its steps."""
        kept = []
        for part, row in zip(self.state.parts, self.parts(), strict=False):
            kept.append(self.folder.path / row["spec"])
            (first, last), epochs = row["steps"], row["epochs"]
            text = f"# steps {first} to {last}, in epochs {epochs[0]} to {epochs[1]}\n"
            atomic.write_text(kept[-1], text + part["spec"])
        for path in self.folder.earlier_specs():
            if path not in kept:
                atomic.remove(path)
        done = self.state.parts[-1]["steps"] if kept else 0
        text = f"# from step {done + 1} on; before: {', '.join(p.name for p in kept)}\n"
        atomic.write_text(self.folder.spec, (text if kept else "") + self.network.plan.to_yaml())

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, DivergedError):  # the losses that led up to it
            self._save_tables()
            note = {"step": self.progress.step, "message": str(error)}
            atomic.write_text(self.folder.diverged, json_text(note) + "\n")

    def resume(self, saved: Checkpoint, differences: list[str]) -> None:
        """Set network and progress to a checkpoint, and adopt its state.

        `differences` are permitted ones, to be recorded. Raises RunError if the tables or the kept
        model do not match the checkpoint.
        """
        saved.restore(self.network, self.progress)
        state, self.saved_step = saved.state, saved.state.step
        changes = list(state.changes)
        if differences:
            changes.append({"step": state.step, "differences": differences})
        parts = list(state.parts)
        trained = state.step - (parts[-1]["steps"] if parts else 0)
        if trained and saved.metadata["spec"] != self.network.plan.to_yaml(paths=False):
            parts.append({"steps": state.step, "spec": saved.metadata["spec"]})
        self.state = replace(state, changes=changes, parts=parts)
        for table, count in ((self._metrics, state.epoch), (self._steps, state.step)):
            table.restore(count, state.tables.get(table.path.name, ""))
        if state.best.epoch:
            self._expect_kept_model()

    def _expect_kept_model(self) -> None:
        """Expect the checkpoint's best model in the folder; restore it if possible.

        A file that cannot be read now is neither replaced nor called wrong.
        """
        best = self.state.best
        try:
            _, found = tensorfile.read(self.folder.model)
            if (found["digest"], found.get("metrics")) == (best.digest, best.metrics):
                return
            reason = "holds another model"
        except UnreadableFileError:
            raise
        except MissingFileError:
            reason = "no such file"
        except ModelFileError as error:
            reason = str(error).removeprefix(f"{self.folder.model}: ")
        if self._digest() == best.digest:
            self._save_model()  # the run was killed between checkpoint and model
        elif self.data.validation:  # without it the next epoch's model replaces this one
            raise RunError(
                f"{self.folder.model}: is not the best model so far, of epoch {best.epoch}: "
                f"{reason}; put that file back, or start over"
            )

    def record(self, event: Event) -> None:
        """Record one event; after an epoch save everything."""
        if isinstance(event, StepDone):
            self._steps.add(event.step, f"{event.loss:.9g}")
        elif isinstance(event, EpochBegun):
            told: dict[str, float | None] = dict(event.notes)
            notes = {**self.state.notes, f"{event.epoch}": told}
            self.state = replace(self.state, notes=notes)
        else:
            self._record_epoch(event)

    def _record_epoch(self, event: EpochDone) -> None:
        row = [str(event.epoch), f"{event.lr:.9g}"]
        for part in (event.train, event.test):
            row += _cells(part)
        row.append(f"{event.seconds:.4f}")
        if event.validation:
            row += _cells(event.validation)
        self._metrics.add(*row)
        better = event.merit > self.state.best.accuracy
        if better:
            self._kept = {"train": event.train, "test": event.test}
            if event.validation:
                self._kept["validation"] = event.validation
            metrics = json.dumps({"epoch": event.epoch, **_figures(self._kept)})
            best = Best(event.epoch, event.merit, self._digest(), metrics)
            self.state = replace(self.state, best=best)
        self._save_tables()
        self._save_state()
        if better:
            self._save_model()
        self.saved_step = self.progress.step

    def save(self) -> None:
        """Write the current state, and the rows so far."""
        self._save_tables()
        self._save_state()
        self.saved_step = self.progress.step

    def _save_tables(self) -> None:
        self._metrics.save()
        self._steps.save()

    def _save_state(self) -> None:
        progress, spec = self.progress, self.network.plan.spec
        self.state = replace(
            self.state,
            step=progress.step,
            epoch=progress.epoch,
            epochs=spec.train.epochs,
            steps_per_epoch=self._steps_per_epoch(),
            seconds=progress.seconds,
            validation_losses=[*progress.validation_losses],
            validation_merits=[*progress.validation_merits],
            tables={table.path.name: table.digest for table in (self._metrics, self._steps)},
            environment=environment.computing(spec.kernels),
        )
        path, texts = self.folder.checkpoint, self.network.metadata
        checkpoint.save(path, self.network, progress, self.state, texts)

    def _save_model(self) -> None:
        texts = {**self.network.metadata, "metrics": self.state.best.metrics}
        if self.state.parts:
            texts["parts"] = json.dumps(self.state.parts, ensure_ascii=False)
        with self.progress.averaged(self.network):
            file.save(self.folder.model, self.network, texts)

    def _digest(self) -> str:
        """Of the weights that a model file would have now."""
        with self.progress.averaged(self.network):
            return tensorfile.tensor_digest(self.network.tensors())

    def finish(self) -> dict[str, Any]:
        """Write `predictions.csv`, then `result.json`, which is returned."""
        kept = self._kept or self._evaluate_kept()
        result = self._result(kept)
        if not self.data.target_axes:
            _predictions(self.folder.predictions, kept["test"]).save()
        atomic.write_text(self.folder.result, json_text(result) + "\n")
        return result

    def _evaluate_kept(self) -> dict[str, Evaluation]:
        """Evaluate the model that an earlier part of the run left in the folder."""
        kept = load(self.folder.model)
        sets = {"train": self.data.train, "test": self.data.test}
        if self.data.validation:
            sets["validation"] = self.data.validation
        return {name: evaluate(kept, samples, kept.pipeline) for name, samples in sets.items()}

    def _result(self, kept: dict[str, Evaluation]) -> dict[str, Any]:
        spec = self.network.plan.spec
        result: dict[str, Any] = {
            "name": spec.name,
            "dataset": self.data.train.dataset,
            "dataset_digest": self.data.digests(),
            "epochs": self.progress.epoch,
            "steps": self.progress.step,
            "model_epoch": self.state.best.epoch,
        }
        result |= _figures(kept)
        result["seconds"] = round(sum(self.folder.read_metrics()["seconds"]), 3)
        result["seed"] = spec.train.seed
        if self.state.init_from:
            result["init_from"] = self.state.init_from
        result["threads"] = spec.kernels.threads()
        result["versions"] = environment.versions(spec.kernels)
        result["distributions"] = file.distributions(file.describe(self.network.plan))
        if self.state.changes:
            result["changes"] = self.state.changes
        if self.state.parts:
            result["parts"] = self.parts()
        if self.state.differs:
            result["differs"] = self.state.differs
        result["params"] = self.network.plan.count()
        result["classes"] = list(self.data.train.classes)
        if self.state.notes:
            result["notes"] = self.state.notes
        if self.data.target_axes:
            return result | {"task": "regression"}
        result["confusion_test"] = kept["test"].confusion.tolist()
        result["confusion_train"] = kept["train"].confusion.tolist()
        result["mistakes"] = _mistakes(kept["test"])
        return result


def _figures(parts: Mapping[str, Evaluation]) -> dict[str, float]:
    return {
        f"{name}_{figure}": value
        for name, part in parts.items()
        for figure, value in part.figures().items()
    }


def _cells(part: Evaluation) -> list[str]:
    """The figures of a set, as `metrics.csv` has them."""
    return [f"{v:.6f}" if k == "accuracy" else f"{v:.9g}" for k, v in part.figures().items()]


def _predictions(path: Path, part: Evaluation) -> Table:
    """What the model makes of each sample of a set, in its order."""
    table = Table(path, PREDICTIONS)
    columns = (part.labels, part.predicted, part.certainty)
    for i, (true, predicted, certainty) in enumerate(zip(*columns, strict=True)):
        table.add(i, true, predicted, f"{certainty:.6f}")
    return table


def _mistakes(part: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "index": int(i),
            "true": int(part.labels[i]),
            "predicted": int(part.predicted[i]),
            "probability": round(float(part.certainty[i]), 6),
        }
        for i in part.mistakes()[:MAX_MISTAKES]
    ]
