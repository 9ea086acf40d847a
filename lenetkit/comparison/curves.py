"""The curves of compared runs, over one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lenetkit import plots
from lenetkit.comparison.record import RunRecord
from lenetkit.plots.words import ENGLISH, Words
from lenetkit.runs.folder import RunFolder

_PANELS = ("test_accuracy", "test_rmse", "test_loss", "train_loss")


def draw(
    groups: Mapping[str, Sequence[RunRecord]], path: Path | None, report: Callable[[str], None]
) -> plots.Figure:
    """The curves below a heading, and saved to `path`; `groups` are as for `overlay`."""
    runs = [run for group in groups.values() for run in group]
    title = ", ".join(dict.fromkeys(run.name for run in runs))
    dataset = ", ".join(dict.fromkeys(run.dataset or "" for run in runs))
    if advice := plots.font_advice(title, dataset, *groups):
        report(advice)
    figure = overlay(groups, title=title, dataset=dataset)
    if path is not None:
        plots.save_figure(figure, path)
    return figure


def overlay(
    groups: Mapping[str, Sequence[RunRecord]],
    *,
    title: str = "",
    dataset: str = "",
    words: Words = ENGLISH,
) -> plots.Figure:
    """One panel for each figure that runs have; the runs of a group look the same.

    `groups` are runs by what the key calls them. Without a title there is no heading.
    """
    runs = [run for group in groups.values() for run in group]
    tables = {run: RunFolder(run.path).read_metrics() for run in runs}
    panels = {
        name: [
            plots.Curves(label, [_line(tables[run], name) for run in group])
            for label, group in groups.items()
        ]
        for name in _PANELS
        if any(name in table for table in tables.values())
    }
    what = words.runs_by_epoch.format(count=len(runs)) if title else ""
    return plots.overlay_figure(panels, title=title, dataset=dataset, what=what, words=words)


def _line(table: Mapping[str, list[float]], name: str) -> tuple[list[float], list[float]]:
    epochs = table["epoch"]
    return epochs, table.get(name, [math.nan] * len(epochs))
