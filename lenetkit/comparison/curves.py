"""The curves of compared runs, over one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lenetkit import plots
from lenetkit.comparison.record import RunRecord
from lenetkit.runs.folder import RunFolder

_PANELS = {
    "test_accuracy": "accuracy in percent, test",
    "test_rmse": "RMSE, test",
    "test_loss": "loss, test",
    "train_loss": "loss, training",
}


def draw(
    groups: Mapping[str, Sequence[RunRecord]], path: Path | None, report: Callable[[str], None]
) -> plots.Figure:
    """One panel for each figure that runs have; the runs of a group look the same.

    `groups` are runs by what the key calls them.
    """
    runs = [run for group in groups.values() for run in group]
    tables = {run: RunFolder(run.path).read_metrics() for run in runs}
    panels = {
        panel: [
            plots.Curves(label, [_line(tables[run], name) for run in group])
            for label, group in groups.items()
        ]
        for name, panel in _PANELS.items()
        if any(name in table for table in tables.values())
    }
    title = ", ".join(dict.fromkeys(run.name for run in runs))
    dataset = ", ".join(dict.fromkeys(run.dataset or "" for run in runs))
    if advice := plots.font_advice(title, dataset, *groups):
        report(advice)
    what = f"{len(runs)} runs by epoch"
    figure = plots.overlay_figure(panels, title=title, dataset=dataset, what=what)
    if path is not None:
        plots.save_figure(figure, path)
    return figure


def _line(table: Mapping[str, list[float]], name: str) -> tuple[list[float], list[float]]:
    epochs = table["epoch"]
    return epochs, table.get(name, [math.nan] * len(epochs))
