"""Loss by epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lenetkit.plots.chart import Floats, set_log_ticks
from lenetkit.plots.epochs import HEIGHT, Measure, draw_lines, lines
from lenetkit.plots.page import Figure, Page, styled

_MIN_LOG_RATIO = 15.0  # of the largest to the smallest loss
_SPIKE = 30.0  # times the largest loss but for a tenth of the epochs


def loss_epochs_figure(
    epochs: ArrayLike,
    train: ArrayLike,
    test: ArrayLike,
    *,
    title: str,
    dataset: str,
    validation: ArrayLike | None = None,
) -> Figure:
    """Mean loss on the training, test and optionally validation images after each epoch.

    All arrays are (n,), in the loss's own unit; values that are not finite are left out, and those
    far above all others are off the axis: the heading counts both. The axis is logarithmic if it
    has to be. Final values are written beside the lines.
    """
    measure = losses(epochs, {"train": train, "validation": validation, "test": test})
    with styled(title, dataset) as typeface:
        page = Page(typeface, 8.0, HEIGHT, title, "Loss after each epoch", dataset, *measure.notes)
        if measure.drawn:
            draw_lines(page, measure)
        else:
            page.say("No finite loss was recorded.")
    return page.figure


def losses(
    epochs: ArrayLike, given: Mapping[str, ArrayLike | None], name: str = "mean loss"
) -> Measure:
    """Mean losses (n,) of each set of samples, or another error of this name."""
    drawn = lines(epochs, given)
    values = np.concatenate([np.zeros(0), *(y for _, y in drawn.values())])
    measured = [np.asarray(part, np.float64) for part in given.values() if part is not None]
    notes = []
    if lost := sum(int(np.isinf(part).sum()) for part in measured):
        notes.append(f"not finite, left out: {lost:,}")
    high = _highest(values)
    if above := int((values > high).sum()):
        notes.append(f"above the axis: {above:,}, up to {values.max():.3g}")

    def set_axis(axes: Axes) -> None:
        low = float(values.min())
        log = low > 0 and high / low >= _MIN_LOG_RATIO
        if log:
            axes.set_yscale("log")
            set_log_ticks(axes, high / low)
        top = high * (1.3 if log else 1.08)
        axes.set_ylim(low / 1.3 if log else min(0.0, low * 1.08), top or 1.0)
        axes.set_ylabel(f"{name} (log scale)" if log else name)

    return Measure(drawn, set_axis, lambda value: f"{value:.3g}", notes)


def _highest(values: Floats) -> float:
    """The upper end of the axis: the largest loss, unless it is far above nearly all others."""
    if not values.size:
        return 1.0
    usual = float(np.quantile(values, 0.9, method="lower"))
    highest = float(values.max())
    return highest if highest <= _SPIKE * usual or usual <= 0 else 2 * usual
