"""What a training shows while it runs, as text: a bar, and a line an epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import Self, TextIO

from tqdm import tqdm

from lenetkit.spec.sections import TrainSpec
from lenetkit.text import number, percent, printable
from lenetkit.training.data import TrainingData
from lenetkit.training.loop import EpochBegun, EpochDone, Event, Progress, StepDone

_REFRESH = 0.1
"""Seconds between two drawings of the bar."""
_WIDE = "{percentage:3.0f}% {bar:8} {desc} {remaining} left"
_NARROW = "{percentage:3.0f}% {desc}"
_WIDE_COLUMNS = 58
_DROPPED = ("last lr", "seconds", "loss")
"""Columns of the table of epochs that a narrow terminal does without, the first one first."""
_FORMATS = {"epoch": "d", "last lr": ".2e", "loss": ".4f", "rmse": ".4g", "seconds": ".2f"}


def steps_in(data: TrainingData, settings: TrainSpec) -> int:
    """All steps of a training."""
    return math.ceil(len(data.train) / settings.batch_size) * settings.epochs


class ProgressBar:
    """A bar over all steps where `stream` is a terminal; a line an epoch everywhere.

    Nothing where the stream is None. `room` is how many columns it has.
    """

    def __init__(
        self,
        data: TrainingData,
        settings: TrainSpec,
        progress: Progress,
        *,
        stream: TextIO | None,
        room: int,
    ) -> None:
        self.table = EpochTable.of(data, room)
        self._stream = stream
        self._epochs = settings.epochs
        self._means = Means()
        self._bar = tqdm(
            total=steps_in(data, settings),
            initial=progress.step,
            file=stream,
            disable=stream is None or not stream.isatty(),
            leave=False,
            mininterval=_REFRESH,
            bar_format=_WIDE if room >= _WIDE_COLUMNS else _NARROW,
            dynamic_ncols=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def begin(self) -> None:
        """Write the table's heading."""
        self.note(self.table.heading)

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, StepDone):
            self._means.see(event)
            if self._bar.update():
                said = f"epoch {event.epoch}/{self._epochs} {self._means}"
                self._bar.set_description_str(said, refresh=False)
        elif isinstance(event, EpochBegun):
            told = (f"{printable(name)} {value:.3g}" for name, value in event.notes.items())
            self.note(f"epoch {event.epoch}: {', '.join(told)}")
        else:
            self.note(self.table.row(event))

    def note(self, line: str) -> None:
        """Write a line above the bar."""
        if self._stream is not None:
            self._bar.write(line, file=self._stream)


@dataclass
class Means:
    """Running means over about 50 steps: single batches jump about."""

    loss: float = math.nan
    accuracy: float = math.nan

    def see(self, event: StepDone) -> None:
        """Take one step in."""
        if math.isnan(self.loss):
            self.loss, self.accuracy = event.loss, event.accuracy
        self.loss += 0.02 * (event.loss - self.loss)
        self.accuracy += 0.02 * (event.accuracy - self.accuracy)

    def __str__(self) -> str:
        accuracy = "" if math.isnan(self.accuracy) else f" acc {percent(self.accuracy, 1)}"
        return f"loss {self.loss:.4f}{accuracy}"


@dataclass(frozen=True)
class EpochTable:
    """A line an epoch: loss and `merit` of each of `sets`, as far as `room` allows."""

    sets: tuple[str, ...]
    room: int
    merit: str = "accuracy"

    @classmethod
    def of(cls, data: TrainingData, room: int) -> EpochTable:
        """The table of a training on these data."""
        held_out = ("held out",) if data.validation else ()
        merit = "rmse" if data.target_axes else "accuracy"
        return cls(("train", *held_out, "test"), room, merit)

    @property
    def heading(self) -> str:
        """Two lines: the sets, and the names of the columns."""
        shown = self._shown()
        sets = [f"{name:^{sum(c.width + 1 for c in group) - 1}}" for name, group in _by_set(shown)]
        return f"{' '.join(sets).rstrip()}\n{_line(shown, [column.name for column in shown])}"

    def row(self, event: EpochDone) -> str:
        """One epoch."""
        figures, shown = event.figures(), self._shown()
        return _line(shown, [column.cell(figures) for column in shown])

    def _shown(self) -> list[_Column]:
        """The columns for which there is room."""
        measures = (("loss", 7), (self.merit, 8))
        measured = [_Column(n, w, s) for s in self.sets for n, w in measures]
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

    def cell(self, figures: dict[str, float]) -> str:
        """Its figure of an epoch, as text."""
        prefix = {"": "", "held out": "validation_"}.get(self.set, f"{self.set}_")
        value = figures.get(prefix + {"last lr": "lr"}.get(self.name, self.name), math.nan)
        return percent(value) if self.name == "accuracy" else number(value, _FORMATS[self.name])


def _by_set(shown: list[_Column]) -> list[tuple[str, list[_Column]]]:
    return [(name, list(group)) for name, group in groupby(shown, key=lambda column: column.set)]


def _line(shown: list[_Column], cells: list[str]) -> str:
    return " ".join(f"{cell:>{column.width}}" for cell, column in zip(cells, shown, strict=True))
