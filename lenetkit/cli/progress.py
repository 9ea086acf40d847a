"""What `train` shows while it runs: a bar, and a line an epoch. All on standard error."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from tqdm import tqdm

from lenetkit.cli.output import columns
from lenetkit.runs.run import Run
from lenetkit.text import number, percent, printable
from lenetkit.training.evaluation import Evaluation
from lenetkit.training.loop import EpochBegun, EpochDone, Event, StepDone

_REFRESH = 0.1
"""Seconds between two drawings of the bar."""
_WIDE = "{percentage:3.0f}% {bar:8} {desc} {remaining} left"
_NARROW = "{percentage:3.0f}% {desc}"
_WIDE_COLUMNS = 58
_DROPPED = ("last lr", "seconds", "loss")
"""Columns of the table of epochs that a narrow terminal does without, the first one first."""


class ProgressBar:
    """A bar over all steps where standard error is a terminal; a line an epoch everywhere."""

    def __init__(self, run: Run, quiet: bool) -> None:
        settings = run.network.plan.spec.train
        self._quiet = quiet or sys.stderr is None
        self._epochs = settings.epochs
        self._table = EpochTable.of(run)
        self._stream = getattr(sys.stderr, "unescaped", lambda: sys.stderr)()
        self._bar = tqdm(
            total=math.ceil(len(run.data.train) / settings.batch_size) * settings.epochs,
            initial=run.progress.step,
            file=self._stream,
            disable=quiet or sys.stderr is None or not sys.stderr.isatty(),
            leave=False,
            mininterval=_REFRESH,
            bar_format=_WIDE if columns(sys.stderr) >= _WIDE_COLUMNS else _NARROW,
            dynamic_ncols=True,
        )
        self._loss = math.nan
        self._accuracy = math.nan

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, StepDone):
            self._smooth(event)
            if self._bar.update():
                self._bar.set_description_str(
                    f"epoch {event.epoch}/{self._epochs} loss {self._loss:.4f} "
                    f"acc {percent(self._accuracy, 1)}",
                    refresh=False,
                )
        elif isinstance(event, EpochBegun):
            told = (f"{printable(name)} {value:.3g}" for name, value in event.notes.items())
            self.note(f"epoch {event.epoch}: {', '.join(told)}")
        else:
            self.note(self._table.row(event))

    def note(self, line: str) -> None:
        """Write a line above the bar, unless nothing is shown."""
        if not self._quiet:
            self._bar.write(line, file=self._stream)

    def _smooth(self, event: StepDone) -> None:
        """Running means over about 50 steps: single batches jump about."""
        if math.isnan(self._loss):
            self._loss, self._accuracy = event.loss, event.accuracy
        self._loss += 0.02 * (event.loss - self._loss)
        self._accuracy += 0.02 * (event.accuracy - self._accuracy)


@dataclass(frozen=True)
class EpochTable:
    """A line an epoch: the loss and accuracy of each of `sets`, as far as `room` allows."""

    sets: tuple[str, ...]
    room: int

    @classmethod
    def of(cls, run: Run) -> EpochTable:
        """The table of a run, for the terminal that standard error is."""
        held_out = ("held out",) if run.data.validation else ()
        return cls(("train", *held_out, "test"), columns(sys.stderr))

    @property
    def heading(self) -> str:
        """Two lines: the sets, and the names of the columns."""
        shown = self._shown()
        sets = [f"{name:^{sum(c.width + 1 for c in group) - 1}}" for name, group in _by_set(shown)]
        return f"{' '.join(sets).rstrip()}\n{_line(shown, [column.name for column in shown])}"

    def row(self, event: EpochDone) -> str:
        """One epoch."""
        sets = {"train": event.train, "held out": event.validation, "test": event.test}
        shown = self._shown()
        return _line(shown, [_cell(event, sets.get(column.set), column.name) for column in shown])

    def _shown(self) -> list[_Column]:
        """The columns for which there is room."""
        measured = [_Column(n, w, s) for s in self.sets for n, w in (("loss", 7), ("accuracy", 8))]
        shown = [_Column("epoch", 5), _Column("last lr", 8), *measured, _Column("seconds", 7)]
        for name in _DROPPED:
            if sum(column.width + 1 for column in shown) - 1 > self.room:
                shown = [column for column in shown if column.name != name]
        return shown


@dataclass(frozen=True)
class _Column:
    name: str
    width: int
    set: str = ""


def _by_set(shown: list[_Column]) -> list[tuple[str, list[_Column]]]:
    return [(name, list(group)) for name, group in groupby(shown, key=lambda column: column.set)]


def _cell(event: EpochDone, result: Evaluation | None, name: str) -> str:
    if name == "accuracy":
        return percent(result.accuracy if result else math.nan)
    if name == "loss":
        return number(result.loss if result else math.nan, ".4f")
    figures = {"epoch": f"{event.epoch}", "last lr": f"{event.lr:.2e}"}
    return figures.get(name, f"{event.seconds:.2f}")


def _line(shown: list[_Column], cells: list[str]) -> str:
    return " ".join(f"{cell:>{column.width}}" for cell, column in zip(cells, shown, strict=True))
