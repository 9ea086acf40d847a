"""Writing a run folder, event by event."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import threadpoolctl

from lenetkit import __version__, checkpoint, files, model
from lenetkit.checkpoint import Best
from lenetkit.data.loading import TrainingData
from lenetkit.errors import RunError
from lenetkit.evaluation import Evaluation, evaluate
from lenetkit.network import Network
from lenetkit.run import METRICS, STEPS, RunFolder, keep_rows
from lenetkit.training import EpochBegun, EpochDone, Event, Progress, StepDone

VALIDATION_METRICS = ("validation_loss", "validation_accuracy")
MOST_MISTAKES = 40
"""How many mistakes a result lists."""


class Recorder:
    """Writes a run's files as its events come. A context manager: leaving it closes the files."""

    def __init__(
        self, folder: RunFolder, network: Network, data: TrainingData, progress: Progress
    ) -> None:
        self.folder = folder
        self.network = network
        self.data = data
        self.progress = progress
        self.best = Best()
        self._kept: dict[str, Evaluation] = {}
        """How good the model in the folder is, on each set."""
        self._notes: dict[str, dict[str, float]] = {}
        """What the optimizer had to tell, by epoch."""
        self._open = ExitStack()
        self._steps: IO[str]

    def __enter__(self) -> Self:
        resuming = self.progress.step > 0
        files.write_text(self.folder.spec, self.network.plan.to_yaml())
        columns = METRICS + (VALIDATION_METRICS if self.data.validation else ())
        if resuming:
            keep_rows(self.folder.metrics, columns, self.progress.epoch)
            keep_rows(self.folder.steps, STEPS, self.progress.step)
        else:
            files.write_text(self.folder.metrics, ",".join(columns) + "\n")
            files.write_text(self.folder.steps, ",".join(STEPS) + "\n")
        self._steps = self._open.enter_context(
            self.folder.steps.open("a", encoding="utf-8", newline="\n")
        )
        if not resuming:
            self.save_checkpoint()  # so that a run can go on wherever it ends
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def resume(self, best: Best, metadata: Mapping[str, str]) -> None:
        """Take over what a checkpoint tells. Raises RunError where the data set is another."""
        before = json.loads(metadata["dataset_digest"])
        if before != self._digests():
            raise RunError(
                f"{self.folder.path}: was made with {metadata['dataset']} of other content than "
                f"the {self.data.train.dataset} found now; resume with the same data"
            )
        self.best = best
        self._notes = json.loads(metadata.get("notes", "{}"))

    def record(self, event: Event) -> None:
        """Write down one event; after an epoch also the model and a checkpoint."""
        if isinstance(event, StepDone):
            self._steps.write(f"{event.step},{event.loss:.9g}\n")
        elif isinstance(event, EpochBegun):
            self._notes |= {f"{event.epoch}": event.notes}
        else:
            self._record_epoch(event)

    def _record_epoch(self, event: EpochDone) -> None:
        row: list[Any] = [event.epoch, f"{event.lr:.9g}"]
        for part in (event.train, event.test):
            row += [f"{part.loss:.9g}", f"{part.accuracy:.6f}"]
        row.append(f"{event.seconds:.4f}")
        if event.validation:
            row += [f"{event.validation.loss:.9g}", f"{event.validation.accuracy:.6f}"]
        with self.folder.metrics.open("a", encoding="utf-8", newline="\n") as file:
            file.write(",".join(map(str, row)) + "\n")
        judge = event.validation.accuracy if event.validation else float(event.epoch)
        if judge > self.best.accuracy:
            self.best = Best(event.epoch, judge)
            self._kept = {"train": event.train, "test": event.test}
            if event.validation:
                self._kept["validation"] = event.validation
            self._save_model()
        self.save_checkpoint()

    def save_checkpoint(self) -> None:
        """Write the state that the run stands in, and the steps so far."""
        self._steps.flush()
        checkpoint.save(
            self.folder.checkpoint,
            self.network,
            self.progress,
            self.best,
            self._provenance() | {"notes": json.dumps(self._notes)},
        )

    def finish(self) -> dict[str, Any]:
        """Write and return `result.json`."""
        result = self._result()
        files.write_text(
            self.folder.result, json.dumps(result, indent=2, ensure_ascii=False) + "\n"
        )
        return result

    def _save_model(self) -> None:
        metrics = {"epoch": self.best.epoch, **_figures(self._kept)}
        texts = self._provenance() | {"metrics": json.dumps(metrics)}
        model.save(self.folder.model, self.network, texts)

    def _evaluate_kept(self) -> dict[str, Evaluation]:
        """The figures of a model that an earlier part of the run left in the folder."""
        kept = model.load(self.folder.model)
        sets = {"train": self.data.train, "test": self.data.test}
        if self.data.validation:
            sets["validation"] = self.data.validation
        return {
            name: evaluate(kept.network, samples, kept.pipeline) for name, samples in sets.items()
        }

    def _provenance(self) -> dict[str, str]:
        samples = self.data.train
        return {
            "dataset": samples.dataset,
            "dataset_digest": json.dumps(self._digests()),
            "classes": json.dumps(samples.classes, ensure_ascii=False),
            "image_shape": json.dumps(samples.images.shape[1:]),
            "preparation": self.data.preparation,
        }

    def _digests(self) -> dict[str, str]:
        return {"train": self.data.train.digest, "test": self.data.test.digest}

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
        result["versions"] = versions()
        result["params"] = self.network.plan.count()
        result["classes"] = list(self.data.train.classes)
        if self._notes:
            result["notes"] = self._notes
        result["confusion_test"] = kept["test"].confusion.tolist()
        result["confusion_train"] = kept["train"].confusion.tolist()
        result["mistakes"] = _mistakes(kept["test"], self.data.test.labels)
        return result


def versions() -> dict[str, str]:
    """What computed: lenetkit, NumPy and its BLAS, Python, system."""
    blas = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    return {
        "lenetkit": __version__,
        "numpy": np.__version__,
        "blas": ", ".join(f"{p['internal_api']} {p['version']}" for p in blas) or "unknown",
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
    }


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
