"""What `train` shows while it runs: a bar, and a line an epoch. All on standard error."""

from __future__ import annotations

import math
import sys
from typing import Self

from tqdm import tqdm

from lenetkit.runs.run import Run
from lenetkit.training.loop import EpochBegun, EpochDone, Event, StepDone

_REFRESH = 0.1
"""Seconds between two drawings of the bar."""
_WIDTHS = (5, 9, 10, 9, 10, 9, 8, 8)


class ProgressBar:
    """A bar over all steps where standard error is a terminal; a line an epoch everywhere."""

    def __init__(self, run: Run, quiet: bool) -> None:
        settings = run.network.plan.spec.train
        self._quiet = quiet or sys.stderr is None
        self._epochs = settings.epochs
        self._bar = tqdm(
            total=math.ceil(len(run.data.train) / settings.batch_size) * settings.epochs,
            initial=run.progress.step,
            disable=quiet or sys.stderr is None or not sys.stderr.isatty(),
            leave=False,
            mininterval=_REFRESH,
            bar_format="{percentage:3.0f}% {bar:10} {desc}  {remaining} left",
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
                    f"epoch {event.epoch}/{self._epochs}  loss {self._loss:.4f}  "
                    f"acc {self._accuracy:.1%}",
                    refresh=False,
                )
        elif isinstance(event, EpochBegun):
            told = ", ".join(f"{name} {value:.3g}" for name, value in event.notes.items())
            if not self._quiet:
                self._bar.write(f"epoch {event.epoch}: {told}", file=sys.stderr)
        elif not self._quiet:
            self._bar.write(epoch_line(event), file=sys.stderr)

    def _smooth(self, event: StepDone) -> None:
        """Running means over about 50 steps: single batches jump about."""
        if math.isnan(self._loss):
            self._loss, self._accuracy = event.loss, event.accuracy
        self._loss += 0.02 * (event.loss - self._loss)
        self._accuracy += 0.02 * (event.accuracy - self._accuracy)


def epoch_line(event: EpochDone | None = None, *, held_out: bool = False) -> str:
    """One row of the table of epochs, 64 characters; its heading without an event.

    Its last column, 9 characters more, is the accuracy on held-out samples where there are any.
    """
    if event is None:
        heading = ("epoch", "last lr", "train loss", "accuracy", "test loss", "accuracy", "seconds")
        return _row(*heading, *(["held out"] if held_out else []))
    return _row(
        f"{event.epoch}",
        f"{event.lr:.2e}",
        f"{event.train.loss:.4f}",
        f"{event.train.accuracy:.2%}",
        f"{event.test.loss:.4f}",
        f"{event.test.accuracy:.2%}",
        f"{event.seconds:.2f}",
        *([f"{event.validation.accuracy:.2%}"] if event.validation else []),
    )


def _row(*cells: str) -> str:
    return " ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=False))
