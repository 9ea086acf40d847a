"""Training loss by step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from lenetkit.plots.chart import Floats, chart, finite_points, set_log_ticks
from lenetkit.plots.page import BLUE, INK, VERMILION, Figure, Page, styled
from lenetkit.plots.words import ENGLISH, Words

_LEFT = 0.65  # inches left of the axes
_MIN_SMOOTHED = 30  # the eye follows fewer points by itself
_MIN_LOG_RATIO = 15.0  # of the largest to the smallest running mean
_SPIKE = 5.0  # times the largest block's median: a loss above it is a spike
_MAX_MARKED = 25  # triangles for losses that are off the axis


@dataclass(frozen=True)
class _Losses:
    """The finite losses, their running mean, and their axis."""

    steps: Floats
    values: Floats

    @property
    def window(self) -> int:
        """Steps in the running mean; 1 if there is none."""
        return max(9, self.values.size // 40 | 1) if self.values.size >= _MIN_SMOOTHED else 1

    @cached_property
    def usual(self) -> NDArray[np.bool_]:
        """Which losses are no spikes: single ones would flatten everything else.

        A spike is far above the medians of all blocks of neighbouring steps, so a loss that goes up
        and stays there is none.
        """
        block = max(self.window, 3)
        starts = range(0, max(self.values.size - block, 0) + 1, block)
        medians = [float(np.median(self.values[start : start + block])) for start in starts]
        highest = _SPIKE * max(medians)
        return self.values <= (highest if highest > 0 else self.values.max())

    @cached_property
    def mean(self) -> Floats:
        """The running mean of what is no spike; NaN where there is nothing else."""
        sums = running_mean(np.where(self.usual, self.values, 0.0), self.window)
        shares = running_mean(self.usual.astype(np.float64), self.window)
        return np.divide(sums, shares, out=np.full_like(sums, np.nan), where=shares > 0)

    @property
    def log(self) -> bool:
        """Whether the range needs a logarithmic axis."""
        if not self.values.size or self.values.min() < 0:
            return False
        low, high = np.nanmin(self.mean), np.nanmax(self.mean)
        return bool(low > 0 and high / low >= _MIN_LOG_RATIO)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis."""
        low, high = float(self.values.min()), float(self.values[self.usual].max())
        if self.log:  # above single lucky batches, which would flatten it
            return max(low, float(np.nanmin(self.mean)) / 30) / 1.3, high * 1.3
        return min(0.0, low * 1.08), high * 1.08 if high > 0 else max(0.0, high / 1.08) or 1.0


def loss_figure(
    steps: ArrayLike,
    losses: ArrayLike,
    *,
    title: str,
    dataset: str,
    steps_per_epoch: float | None,
    words: Words = ENGLISH,
) -> Figure:
    """Training loss by step: every recorded value, with a running mean if there are many.

    `steps` (n,) counts mini-batches from the start of training, `losses` (n,) is the loss of each.
    Values that are not finite and spikes far above all others are left off the axis: triangles mark
    where, and the heading says how many. `steps_per_epoch` adds an axis of epochs. Without
    title and data set the heading is left out but for notes.
    """
    series = _Losses(*finite_points(steps, losses, "steps", "losses"))
    off = np.asarray(steps, np.float64)[~np.isfinite(np.asarray(losses, np.float64))]
    notes = [words.not_finite.format(count=off.size)] if off.size else []
    if series.values.size:
        low, high = series.limits
        above = series.values > high
        if above.any():
            notes.append(words.above.format(count=int(above.sum()), top=series.values.max()))
            off = np.union1d(off, series.steps[above])
        if series.log and (below := int((series.values < low).sum())):
            notes.append(words.below.format(count=below))
    with styled(title, dataset, words.characters) as typeface:
        what = words.loss_steps if title or dataset else ""
        page = Page(typeface, 8.0, 4.4, title, what, dataset, *notes)
        if not series.values.size:
            page.say(words.no_loss)
            return page.figure
        epochs = steps_per_epoch if 0 < (steps_per_epoch or 0) <= np.ptp(series.steps) else None
        smoothed = series.window > 1
        bottom, top_room = 0.85 if smoothed or off.size else 0.5, 0.5 if epochs else 0.1
        axes = chart(page, left=_LEFT, bottom=bottom, right=0, top=top_room, max_ticks=8)
        _draw_losses(axes, series, words)
        _mark(axes, off, words)
        _set_axes(axes, series, off, words)
        if smoothed or off.size:
            _write_legend(page, axes)
        if epochs:
            _add_epochs(axes, float(epochs), words)
    return page.figure


def running_mean(values: Floats, window: int) -> Floats:
    """Mean of the `window` values (odd) around each of `values` (n,).

    At the start the window shrinks on both sides, so that the first drop of a loss is not smeared;
    at the end only the missing side is left out, so that the end stays smooth.
    """
    index = np.arange(values.size)
    half = window // 2
    first = np.maximum(index - half, 0)
    last = np.minimum(index + np.minimum(half, index), values.size - 1)
    # Each window is summed by itself: differences of running sums would lose everything that
    # follows one huge value of a diverging run.
    bounds = np.stack((first, last + 1), axis=1).ravel()
    sums = np.add.reduceat(np.append(values, 0.0), bounds)[::2]
    mean: Floats = sums / (last - first + 1)
    return mean


def _draw_losses(axes: Axes, series: _Losses, words: Words) -> None:
    _, high = series.limits
    x, y = series.steps, np.minimum(series.values, 10 * abs(high))  # spikes leave the axis
    if series.window == 1:
        axes.plot(x, y, "o-", color=BLUE, markersize=4, linewidth=1.5)
        return
    axes.plot(x, y, color=BLUE, alpha=0.28, linewidth=0.6, label=words.each_step)
    label = words.running_mean.format(count=series.window)
    axes.plot(x, series.mean, color=VERMILION, linewidth=1.8, label=label)


def _mark(axes: Axes, steps: Floats, words: Words) -> None:
    """A triangle at the upper edge for each loss that is off the axis, or for some of many."""
    if not steps.size:
        return
    shown = steps[np.linspace(0, steps.size - 1, min(steps.size, _MAX_MARKED)).astype(int)]
    axes.plot(
        shown,
        np.full(shown.size, 0.985),
        "^",
        color=INK,
        markersize=5,
        transform=axes.get_xaxis_transform(),
        label=words.off_axis,
    )


def _write_legend(page: Page, axes: Axes) -> None:
    """Below the axes, where it hides no curve."""
    legend = page.figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower center",
        bbox_to_anchor=page.place((_LEFT + page.width) / 2, 0),
        ncols=3,
        frameon=False,
        borderpad=0.0,
        borderaxespad=0.0,
    )
    for line in legend.get_lines():
        line.set(alpha=max(line.get_alpha() or 1.0, 0.5), linewidth=2.0)  # a hairline is too thin


def _set_axes(axes: Axes, series: _Losses, off: Floats, words: Words) -> None:
    low, high = series.limits
    if series.log:
        axes.set_yscale("log", nonpositive="clip")
        set_log_ticks(axes, high / low)
    axes.set_ylim(low, high)
    name = words.training_loss
    axes.set_ylabel(words.log_scale.format(name=name) if series.log else name)
    axes.set_xlabel(words.step)
    steps = np.concatenate((series.steps, off))
    pad = max(0.5, 0.01 * float(np.ptp(steps)))
    axes.set_xlim(steps.min() - pad, steps.max() + pad)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _add_epochs(axes: Axes, steps_per_epoch: float, words: Words) -> None:
    """Whole epochs on the upper edge."""
    conversions = (lambda steps: steps / steps_per_epoch, lambda epochs: epochs * steps_per_epoch)
    epochs = axes.secondary_xaxis("top", functions=conversions)
    epochs.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    epochs.xaxis.set_major_formatter("{x:.0f}")
    epochs.set_xlabel(words.epochs_done, color=INK)
