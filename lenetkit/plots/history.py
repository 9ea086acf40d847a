"""Loss and accuracy by epoch, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from lenetkit.plots.accuracy import accuracies
from lenetkit.plots.epochs import draw_lines
from lenetkit.plots.loss_epochs import losses
from lenetkit.plots.page import Figure, Page, styled

_WIDTH, _HEIGHT, _GAP = 12.0, 3.8, 0.2
_SETS = ("train", "validation", "test")


def history_figure(columns: Mapping[str, ArrayLike], *, title: str, dataset: str) -> Figure:
    """The figures of a training's epochs: the columns (n,) of a run's `metrics.csv`.

    Loss on the left; accuracy, or in regression RMSE, on the right. Sets without a column are left
    out.
    """
    epochs = columns.get("epoch", [])

    def measured(what: str) -> dict[str, ArrayLike | None]:
        return {name: columns.get(f"{name}_{what}") for name in _SETS}

    real = "train_rmse" in columns
    second = (
        losses(epochs, measured("rmse"), "rmse")
        if real
        else accuracies(epochs, measured("accuracy"))
    )
    measures = [losses(epochs, measured("loss")), second]
    what = f"Loss and {'RMSE' if real else 'accuracy'} after each epoch"
    notes = [note for measure in measures for note in measure.notes]
    with styled(title, dataset) as typeface:
        page = Page(typeface, _WIDTH, _HEIGHT, title, what, dataset, *notes)
        half = (_WIDTH + _GAP) / 2
        if not any(measure.drawn for measure in measures):
            page.say("No finite values." if np.size(epochs) else "No epochs recorded.")
        for measure, place in zip(measures, ({"right": half}, {"left": half}), strict=True):
            if measure.drawn:
                draw_lines(page, measure, **place)
    return page.figure
