"""Loss by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lenetkit.plots.chart import Floats, set_log_ticks
from lenetkit.plots.epochs import HEIGHT, Measure, draw_lines, lines
from lenetkit.plots.page import Figure, Page, styled
from lenetkit.plots.words import ENGLISH, Words

_MIN_LOG_RATIO = 15.0  # of the largest to the smallest loss
Kind = Literal["loss", "rmse"]
_SPIKE = 30.0  # times the largest loss but for a tenth of the epochs


def loss_epochs_figure(
    epochs: ArrayLike,
    train: ArrayLike,
    test: ArrayLike,
    *,
    title: str,
    dataset: str,
    validation: ArrayLike | None = None,
    kind: Kind = "loss",
    words: Words = ENGLISH,
) -> Figure:
    """Mean loss on the training, test and optionally validation images after each epoch.

    In regression also the RMSE. All arrays are (n,), in the loss's own unit; values that are not
    finite are left out, and those far above all others are off the axis: the heading counts both.
    The axis is logarithmic if it has to be. Final values are written beside the lines. Without
    title and data set the heading is left out but for notes.
    """
    given = {"train": train, "validation": validation, "test": test}
    measure = losses(epochs, given, kind, words)
    heading = words.loss_epochs if kind == "loss" else words.rmse_epochs
    what = heading if title or dataset else ""
    with styled(title, dataset, words.characters) as typeface:
        page = Page(typeface, 8.0, HEIGHT, title, what, dataset, *measure.notes)
        if measure.drawn:
            draw_lines(page, measure)
        else:
            page.say(words.no_loss)
    return page.figure


def losses(
    epochs: ArrayLike,
    given: Mapping[str, ArrayLike | None],
    kind: Kind = "loss",
    words: Words = ENGLISH,
) -> Measure:
    """Mean losses (n,), or RMSEs, of each set of samples."""
    name = words.loss if kind == "loss" else words.rmse
    drawn = lines(epochs, given)
    values = np.concatenate([np.zeros(0), *(y for _, y in drawn.values())])
    measured = [np.asarray(part, np.float64) for part in given.values() if part is not None]
    notes = []
    if lost := sum(int(np.isinf(part).sum()) for part in measured):
        notes.append(words.not_finite.format(count=lost))
    high = _highest(values)
    if above := int((values > high).sum()):
        notes.append(words.above.format(count=above, top=values.max()))

    def set_axis(axes: Axes) -> None:
        low = float(values.min())
        log = low > 0 and high / low >= _MIN_LOG_RATIO
        if log:
            axes.set_yscale("log")
            set_log_ticks(axes, high / low)
        top = high * (1.3 if log else 1.08)
        axes.set_ylim(low / 1.3 if log else min(0.0, low * 1.08), top or 1.0)
        axes.set_ylabel(words.log_scale.format(name=name) if log else name)

    return Measure(drawn, set_axis, lambda value: f"{value:.3g}", notes, words)


def _highest(values: Floats) -> float:
    """The upper end of the axis: the largest loss, unless it is far above nearly all others."""
    if not values.size:
        return 1.0
    usual = float(np.quantile(values, 0.9, method="lower"))
    highest = float(values.max())
    return highest if highest <= _SPIKE * usual or usual <= 0 else 2 * usual
