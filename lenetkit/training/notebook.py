"""What a training shows in a notebook: a bar and a table of epochs below its cell."""

from __future__ import annotations

import importlib
import time
from typing import Any, Self

from tqdm import tqdm

from lenetkit.html.rendering import render
from lenetkit.spec.sections import TrainSpec
from lenetkit.text import counted, printable
from lenetkit.training.data import TrainingData
from lenetkit.training.history import History
from lenetkit.training.loop import EpochDone, Event, Progress, StepDone
from lenetkit.training.progress import EpochTable, Means, steps_in

_REFRESH = 0.25
"""Seconds between two drawings; each is sent to the browser."""
_PLAIN_COLUMNS = 80


class NotebookProgress:
    """HTML that is replaced while training runs; of a finished one, the table of epochs is left.

    It is no widget, so it needs no extension, and a saved notebook shows it too.
    """

    def __init__(
        self, name: str, data: TrainingData, settings: TrainSpec, progress: Progress
    ) -> None:
        self._name = name if name == data.train.dataset else f"{name} on {data.train.dataset}"
        self._epochs, self._progress = settings.epochs, progress
        self._steps, self._begun = steps_in(data, settings), progress.step
        self._means, self._rows = Means(), History()
        self._table = EpochTable.of(data, _PLAIN_COLUMNS)
        self._lines = [self._table.heading]
        self._start = self._drawn = time.perf_counter()
        self._is_over = False
        display = importlib.import_module("IPython.display").display
        self._output = display(self._bundle("preparing"), raw=True, display_id=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        seconds = time.perf_counter() - self._start
        state = f"{counted(len(self._rows), 'epoch')}, {seconds:.1f} s"
        if kind is not None:
            state += f"; ended by {kind.__name__} after step {self._progress.step:,}"
        self._is_over = True
        self._draw(state)

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, StepDone):
            self._means.see(event)
            if time.perf_counter() - self._drawn >= _REFRESH:
                self._draw(f"epoch {event.epoch} of {self._epochs}, {self._means}, {self._left}")
        elif isinstance(event, EpochDone):
            self._rows.append(event.figures())
            self._lines.append(self._table.row(event))
            self._draw(f"epoch {event.epoch} of {self._epochs} done")

    @property
    def _left(self) -> str:
        """The time that is left, at the speed so far."""
        done = self._progress.step - self._begun
        each = (time.perf_counter() - self._start) / done
        return f"{tqdm.format_interval((self._steps - self._progress.step) * each)} left"

    def _draw(self, state: str) -> None:
        self._drawn = time.perf_counter()
        self._output.update(self._bundle(state), raw=True)

    def _bundle(self, state: str) -> dict[str, Any]:
        """The progress as HTML, and as text for front ends without it."""
        share = None if self._is_over else self._progress.step / self._steps
        page = render("progress.html", name=self._name, state=state, share=share, rows=self._rows)
        lines = [printable(f"{self._name}: {state}"), *(self._lines if self._rows else [])]
        return {"text/html": page, "text/plain": "\n".join(lines)}
