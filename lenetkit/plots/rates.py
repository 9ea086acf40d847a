"""Training loss by learning rate, from a range test."""

from __future__ import annotations

from numpy.typing import ArrayLike

from lenetkit.plots.chart import chart, finite_points
from lenetkit.plots.page import BLUE, INK, VERMILION, Figure, Page, styled


def rates_figure(
    rates: ArrayLike,
    losses: ArrayLike,
    smoothed: ArrayLike,
    *,
    suggestion: float,
    title: str,
    dataset: str,
) -> Figure:
    """The loss of each step over its learning rate, on a logarithmic axis.

    `rates`, `losses` and their running mean `smoothed` are (n,). A line marks the rate that is
    suggested. Losses far above the mean leave the axis.
    """
    x, y = finite_points(rates, losses, "rates", "losses")
    _, mean = finite_points(rates, smoothed, "rates", "smoothed")
    with styled(title, dataset) as typeface:
        page = Page(typeface, 8.0, 4.4, title, "Training loss by learning rate", dataset)
        axes = chart(page, left=0.65, bottom=0.5, right=0, top=0.1, max_ticks=8)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.plot(x, y, color=BLUE, alpha=0.28, linewidth=0.6)
        axes.plot(x, mean, color=VERMILION, linewidth=1.8)
        high = 1.5 * float(mean[: max(1, mean.size // 4)].max())
        axes.set_ylim(min(0.0, float(mean.min())), high)
        axes.set_xlim(x.min(), x.max())
        axes.axvline(suggestion, color=INK, linewidth=1.0, linestyle="--")
        axes.annotate(
            f"suggested: {suggestion:.2g}",
            (suggestion, high),
            (-6, -9),
            textcoords="offset points",
            ha="right",
            va="top",
            color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.0},
        )
        axes.set_xlabel("learning rate (log scale)")
        axes.set_ylabel("training loss")
    return page.figure
