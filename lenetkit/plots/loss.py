"""Training loss by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.fonts import Typeface
from lenetkit.plots.page import BLUE, GRID, INK, VERMILION, Page, style

_WIDTH, _HEIGHT = 8.0, 4.4  # inches
_LEFT, _BOTTOM, _TOP = 0.65, 0.5, 0.5  # inches between the body's edge and the axes
_LEGEND = 0.35  # inches taken by the legend, under the axes where it hides no curve

_FEWEST_SMOOTHED = 30  # below that the eye follows the points themselves
_LOG_FROM = 15.0  # ratio of largest to smallest running mean from which the axis is logarithmic


@dataclass(frozen=True)
class _Losses:
    """The finite losses, what is drawn over them, and how."""

    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    mean: NDArray[np.float64]
    window: int
    dropped: int

    @property
    def log(self) -> bool:
        """Whether the range asks for a logarithmic axis."""
        low, high = self.mean.min(), self.mean.max()
        return bool(self.values.min() >= 0 and low > 0 and high / low >= _LOG_FROM)

    @property
    def floor(self) -> float:
        """Lower end of a logarithmic axis.

        Single lucky batches reach far below the rest; following them all would flatten it.
        """
        return max(float(self.values.min()), float(self.mean.min()) / 30) / 1.3


def loss_figure(
    steps: ArrayLike,
    losses: ArrayLike,
    *,
    title: str,
    dataset: str,
    steps_per_epoch: float | None,
) -> Figure:
    """Training loss by step: every recorded value, and a running mean over it where many.

    `steps` (n,) counts mini-batches from the start of training, `losses` (n,) is the loss of
    each. Values that are not finite are left out, and the heading says how many.
    `steps_per_epoch` adds an axis of epochs; None leaves it out.
    """
    series = _finite_losses(steps, losses)
    typeface = Typeface.for_texts(title, dataset)
    with style(typeface):
        page = Page(_WIDTH, _HEIGHT, title, _loss_details(series, dataset), typeface)
        if not series.steps.size:
            page.say("No finite loss was recorded.")
            return page.figure
        span = float(np.ptp(series.steps))
        with_epochs = steps_per_epoch is not None and 0 < steps_per_epoch <= span
        bottom = _BOTTOM + (_LEGEND if series.window > 1 else 0)
        top = _TOP if with_epochs else 0.1
        axes = page.axes(_LEFT, bottom, _WIDTH - _LEFT, _HEIGHT - bottom - top)
        _draw_losses(axes, series)
        if series.window > 1:
            _write_legend(page, axes)
        axes.set_xlabel("training step (mini-batch)")
        axes.set_ylabel("training loss (log scale)" if series.log else "training loss")
        if steps_per_epoch is not None and with_epochs:
            _add_epochs(axes, float(steps_per_epoch))
    return page.figure


def running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Mean of the `window` values (odd) around each of `values` (n,).

    At the start the window shrinks on both sides, so that the first fall of a loss is not
    smeared; at the end only the side that is missing is left out, so that the end stays smooth.
    """
    index = np.arange(values.size)
    half = window // 2
    first = np.maximum(index - half, 0)
    last = np.minimum(index + np.minimum(half, index), values.size - 1)
    # Each window is summed by itself: differences of running sums would lose everything that
    # follows one huge value of a diverging run.
    bounds = np.stack((first, last + 1), axis=1).ravel()
    sums = np.add.reduceat(np.append(values, 0.0), bounds)[::2]
    mean: NDArray[np.float64] = sums / (last - first + 1)
    return mean


def _finite_losses(steps: ArrayLike, losses: ArrayLike) -> _Losses:
    where, values = np.asarray(steps, np.float64), np.asarray(losses, np.float64)
    if where.ndim != 1 or where.shape != values.shape:
        raise ValueError(f"steps {where.shape} and losses {values.shape} must be equal and (n,)")
    finite = np.isfinite(values) & np.isfinite(where)
    kept = values[finite]
    window = max(9, kept.size // 40 | 1) if kept.size >= _FEWEST_SMOOTHED else 1
    mean = running_mean(kept, window)
    return _Losses(where[finite], kept, mean, window, int(values.size - kept.size))


def _loss_details(series: _Losses, dataset: str) -> str:
    details = f"Training loss by step · data set: {dataset}"
    if series.dropped:
        details += f" · not finite, left out: {series.dropped:,}"
    if series.values.size and series.log and (below := int((series.values < series.floor).sum())):
        details += f" · below the axis: {below:,}"
    return details


def _draw_losses(axes: Axes, series: _Losses) -> None:
    if series.window == 1:
        axes.plot(series.steps, series.values, "o-", color=BLUE, markersize=4, linewidth=1.5)
    else:
        axes.plot(
            series.steps,
            series.values,
            color=BLUE,
            alpha=0.28,
            linewidth=0.6,
            label="loss of each recorded step",
        )
        label = f"running mean over {series.window} recorded steps"
        axes.plot(series.steps, series.mean, color=VERMILION, linewidth=1.8, label=label)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    _set_loss_range(axes, series)


def _write_legend(page: Page, axes: Axes) -> None:
    legend = page.figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower center",
        bbox_to_anchor=page.place((_LEFT + page.width) / 2, 0),
        ncols=2,
        frameon=False,
        borderpad=0.0,
        borderaxespad=0.0,
    )
    for line in legend.get_lines():
        line.set(alpha=max(line.get_alpha() or 1.0, 0.5), linewidth=2.0)  # a hairline is too thin


def _set_loss_range(axes: Axes, series: _Losses) -> None:
    low, high = float(series.values.min()), float(series.values.max())
    if series.log:
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(series.floor, high * 1.3)
        decades = np.log10(high / series.floor)
        subs: Sequence[float] = (1.0,) if decades > 3 else (1.0, 2.0, 5.0)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif low >= 0:
        axes.set_ylim(0, high * 1.08 or 1.0)
    pad = max(0.5, 0.01 * float(np.ptp(series.steps)))
    axes.set_xlim(series.steps.min() - pad, series.steps.max() + pad)
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _add_epochs(axes: Axes, steps_per_epoch: float) -> None:
    """Whole epochs on the upper edge."""

    def epochs_of(steps: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(steps, np.float64) / steps_per_epoch

    def steps_of(epochs: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(epochs, np.float64) * steps_per_epoch

    epochs = axes.secondary_xaxis("top", functions=(epochs_of, steps_of))
    epochs.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    epochs.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    epochs.set_xlabel("epochs completed", color=INK)
