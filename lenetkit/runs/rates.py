"""The learning-rate range test: how the loss falls as the rate rises."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.files.opening import user_path
from lenetkit.model.model import Model
from lenetkit.schedules import RangeTest
from lenetkit.text import number
from lenetkit.training import loop
from lenetkit.training.calls import with_settings
from lenetkit.training.data import TrainingData, load_training_data
from lenetkit.training.divergence import DivergedError

if TYPE_CHECKING:
    from lenetkit.plots import Figure

_SMOOTHING = 0.95
_LOST = 4.0
"""A loss that is so many times the least one will not come back."""
_BELOW = 3.0
"""How far the suggested rate stays below that of the least loss."""


@dataclass(frozen=True, eq=False, repr=False)
class RateCurve:
    """The loss at each learning rate of a range test, both (n,), and the rate that it suggests."""

    name: str
    dataset: str
    rates: NDArray[np.float64]
    losses: NDArray[np.float64]

    def __repr__(self) -> str:
        low, high = (number(float(rate), ".2g") for rate in self.rates[[0, -1]])
        return f"<RateCurve of {self.name}, {low} to {high}: suggests {self.suggestion:.2g}>"

    @property
    def smoothed(self) -> NDArray[np.float64]:
        """A running mean of the losses (n,), weighted by 0.95 for each step back."""
        weights = _SMOOTHING ** np.arange(self.losses.size)
        sums = np.convolve(self.losses, weights)[: self.losses.size]
        mean: NDArray[np.float64] = sums / np.cumsum(weights)
        return mean

    @property
    def suggestion(self) -> float:
        """A third of the rate at which the smoothed loss is least.

        It suits the peak of `one_cycle` and the start of `cosine`; the mean lags behind, and where
        the loss is least it is about to rise.
        """
        return float(self.rates[self.smoothed.argmin()] / _BELOW)

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the losses over the rates; saved to `path` (.png, .svg or .pdf) if given."""
        from lenetkit import plots  # Matplotlib takes a while to import

        figure = plots.rates_figure(
            self.rates,
            self.losses,
            self.smoothed,
            suggestion=self.suggestion,
            title=self.name,
            dataset=self.dataset,
        )
        if path is not None:
            plots.save_figure(figure, user_path(path))
        return figure


def range_test(
    network: Model,
    data: TrainingData | None = None,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    data_dir: str | Path | None = None,
    **settings: Any,
) -> RateCurve:
    """Train a copy of a network while the rate rises from `low` to `high`, factor by factor.

    The rates span one epoch, or `epochs=…` of them; the test ends before `high` where the loss is
    lost: four times its least, or not finite. `settings` override the spec's `train` section;
    data as in `train`. The network itself stays as it is. Smith 2017, section 3.3.

    Raises OptionError unless 0 < low < high.
    """
    how = with_settings(network.plan, "range_test", {"epochs": 1, **settings})
    how = replace(how, schedule=RangeTest(low=low, high=high), patience=None, average=None)
    if data is None:
        data = load_training_data(network.plan, data_dir)
    copied = copy.deepcopy(network)
    trainer = loop.Trainer(copied, data, how, loop.start(copied, how))
    rates: list[float] = []
    losses: list[float] = []
    total = weight = 0.0
    least = math.inf
    try:
        for event in loop.computed(trainer.all_steps(), copied):
            rates.append(event.lr)
            losses.append(event.loss)
            total, weight = _SMOOTHING * total + event.loss, _SMOOTHING * weight + 1
            least = min(least, total / weight)
            if total / weight > _LOST * least:
                break
    except DivergedError:
        if not losses:  # no rate is to blame
            raise
    name, dataset = network.plan.spec.name, data.train.dataset
    return RateCurve(name, dataset, np.array(rates), np.array(losses))
