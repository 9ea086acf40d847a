"""Writing a run folder, event by event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from lenetkit.errors import ModelFileError, RunError
from lenetkit.files import atomic, tensorfile
from lenetkit.model import model
from lenetkit.network.network import Network
from lenetkit.runs import checkpoint, environment
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.folder import METRICS, STEPS, RunFolder, Table
from lenetkit.runs.state import Best, Change, State
from lenetkit.training.data import TrainingData
from lenetkit.training.divergence import DivergedError
from lenetkit.training.evaluation import Evaluation, evaluate
from lenetkit.training.loop import EpochBegun, EpochDone, Event, Progress, StepDone

VALIDATION_METRICS = ("validation_loss", "validation_accuracy")
MOST_MISTAKES = 40
"""How many mistakes a result lists."""


class Recorder:
    """Writes a run's files as its events come, each file whole. A context manager.

    The checkpoint decides: what the other files say beyond it is dropped when the run goes on,
    and what they lack can be made again from it.
    """

    def __init__(
        self, folder: RunFolder, network: Network, data: TrainingData, progress: Progress
    ) -> None:
        self.folder = folder
        self.network = network
        self.data = data
        self.progress = progress
        self.best = Best()
        self._resumed = False
        columns = METRICS + (VALIDATION_METRICS if data.validation else ())
        self._metrics = Table(folder.metrics, columns)
        self._steps = Table(folder.steps, STEPS)
        self._kept: dict[str, Evaluation] = {}
        """How good the model in the folder is, on each set."""
        self._notes: dict[str, dict[str, float]] = {}
        self._changes: list[Change] = []

    def __enter__(self) -> Self:
        if not self._resumed:
            self._save_state()  # so that a run can go on wherever it ends
        elif self.progress.epoch < self.network.plan.spec.train.epochs:
            self.folder.discard_result()  # before any file tells of more than it does
        atomic.write_text(self.folder.spec, self.network.plan.to_yaml())
        self._save_tables()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, DivergedError):  # the losses before it are what one wants to see
            self._save_tables()

    def resume(self, saved: Checkpoint, differences: list[str]) -> None:
        """Take over what a checkpoint tells. `differences`: what is not as it was, all the same.

        Raises RunError where the tables or the kept model are not those that it tells of.
        """
        state = saved.state
        self.best, self._resumed = state.best, True
        self._notes, self._changes = dict(state.notes), list(state.changes)
        if differences:
            self._changes.append({"step": state.step, "differences": differences})
        for table, count in ((self._metrics, state.epoch), (self._steps, state.step)):
            table.restore(count, state.tables.get(table.path.name, ""))
        if self.best.epoch:
            self._expect_kept_model()

    def _expect_kept_model(self) -> None:
        """The model in the folder is the one that the checkpoint tells of, or will be."""
        try:
            if not self.folder.model.exists():
                raise ModelFileError("no such file")
            _, found = tensorfile.read(self.folder.model)
            if (found["digest"], found.get("metrics")) == (self.best.digest, self.best.metrics):
                return
            reason = "holds another model"
        except ModelFileError as error:
            reason = str(error).removeprefix(f"{self.folder.model}: ")
        if tensorfile.tensor_digest(self.network.tensors()) == self.best.digest:
            self._save_model()  # the run was killed between checkpoint and model
        elif self.data.validation:  # without it the next epoch's model replaces this one
            raise RunError(
                f"{self.folder.model}: is not the best model so far, of epoch {self.best.epoch}: "
                f"{reason}; put that file back, or train anew"
            )

    def record(self, event: Event) -> None:
        """Write down one event; after an epoch save all there is."""
        if isinstance(event, StepDone):
            self._steps.add(event.step, f"{event.loss:.9g}")
        elif isinstance(event, EpochBegun):
            self._notes |= {f"{event.epoch}": event.notes}
        else:
            self._record_epoch(event)

    def _record_epoch(self, event: EpochDone) -> None:
        row = [str(event.epoch), f"{event.lr:.9g}"]
        for part in (event.train, event.test):
            row += [f"{part.loss:.9g}", f"{part.accuracy:.6f}"]
        row.append(f"{event.seconds:.4f}")
        if event.validation:
            row += [f"{event.validation.loss:.9g}", f"{event.validation.accuracy:.6f}"]
        self._metrics.add(*row)
        judge = event.validation.accuracy if event.validation else float(event.epoch)
        better = judge > self.best.accuracy
        if better:
            self._kept = {"train": event.train, "test": event.test}
            if event.validation:
                self._kept["validation"] = event.validation
            metrics = json.dumps({"epoch": event.epoch, **_figures(self._kept)})
            digest = tensorfile.tensor_digest(self.network.tensors())
            self.best = Best(event.epoch, judge, digest, metrics)
        self.save()
        if better:
            self._save_model()

    def save(self) -> None:
        """Write the state that the run stands in, and the rows so far."""
        self._save_tables()
        self._save_state()

    def _save_tables(self) -> None:
        self._metrics.save()
        self._steps.save()

    def _save_state(self) -> None:
        state = State(
            step=self.progress.step,
            epoch=self.progress.epoch,
            epochs=self.network.plan.spec.train.epochs,
            seconds=self.progress.seconds,
            best=self.best,
            tables={table.path.name: table.digest for table in (self._metrics, self._steps)},
            notes=self._notes,
            environment=environment.computing(self.network.plan.spec.kernels),
            changes=self._changes,
        )
        texts = self.provenance()
        checkpoint.save(self.folder.checkpoint, self.network, self.progress, state, texts)

    def _save_model(self) -> None:
        texts = self.provenance() | {"metrics": self.best.metrics}
        model.save(self.folder.model, self.network, texts)

    def finish(self) -> dict[str, Any]:
        """Write and return `result.json`."""
        result = self._result()
        text = json.dumps(result, indent=2, ensure_ascii=False)
        atomic.write_text(self.folder.result, text + "\n")
        return result

    def _evaluate_kept(self) -> dict[str, Evaluation]:
        """The figures of a model that an earlier part of the run left in the folder."""
        kept = model.load(self.folder.model)
        sets = {"train": self.data.train, "test": self.data.test}
        if self.data.validation:
            sets["validation"] = self.data.validation
        return {
            name: evaluate(kept.network, samples, kept.pipeline) for name, samples in sets.items()
        }

    def _digests(self) -> dict[str, str]:
        held_out = {"validation": self.data.validation.digest} if self.data.validation else {}
        return {"train": self.data.train.digest, "test": self.data.test.digest, **held_out}

    def provenance(self) -> dict[str, str]:
        """What a model file tells of the data."""
        samples = self.data.train
        return {
            "dataset": samples.dataset,
            "dataset_digest": json.dumps(self._digests()),
            "classes": json.dumps(samples.classes, ensure_ascii=False),
            "image_shape": json.dumps(samples.images.shape[1:]),
            "preparation": self.data.preparation,
        }

    def _result(self) -> dict[str, Any]:
        spec = self.network.plan.spec
        result: dict[str, Any] = {
            "name": spec.name,
            "dataset": self.data.train.dataset,
            "dataset_digest": self._digests(),
            "epochs": self.progress.epoch,
            "steps": self.progress.step,
            "model_epoch": self.best.epoch,
        }
        kept = self._kept or self._evaluate_kept()
        result |= _figures(kept)
        result["seconds"] = round(sum(self.folder.read_metrics()["seconds"]), 3)
        result["seed"] = spec.train.seed
        result["threads"] = spec.kernels.threads()
        result["versions"] = environment.versions(spec.kernels)
        result["distributions"] = model.distributions(model.describe(self.network.plan))
        if self._changes:
            result["changes"] = self._changes
        result["params"] = self.network.plan.count()
        result["classes"] = list(self.data.train.classes)
        if self._notes:
            result["notes"] = self._notes
        result["confusion_test"] = kept["test"].confusion.tolist()
        result["confusion_train"] = kept["train"].confusion.tolist()
        result["mistakes"] = _mistakes(kept["test"], self.data.test.labels)
        return result


def _figures(parts: Mapping[str, Evaluation]) -> dict[str, float]:
    return {
        f"{name}_{figure}": getattr(part, figure)
        for name, part in parts.items()
        for figure in ("loss", "accuracy")
    }


def _mistakes(part: Evaluation, labels: Any) -> list[dict[str, Any]]:
    predicted = part.predicted
    return [
        {
            "index": int(i),
            "true": int(labels[i]),
            "predicted": int(predicted[i]),
            "probability": round(float(part.probabilities[i, predicted[i]]), 6),
        }
        for i in part.mistakes(labels)[:MOST_MISTAKES]
    ]
