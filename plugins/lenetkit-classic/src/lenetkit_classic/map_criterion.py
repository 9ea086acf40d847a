"""The maximum a posteriori criterion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lenetkit.authoring import Array, SecondOrderLoss, Targets, as_rows, option


@dataclass(frozen=True, kw_only=True)
class MapCriterion(SecondOrderLoss):
    """L = Σ_k t_k · y_k + log(e^(−j) + Σ_i e^(−y_i)), y penalties, t the one-hot label.

    It decreases the penalty of the correct class and increases the others', the less the higher
    they already are: e^(−j) is a rubbish class that keeps the outputs from collapsing.
    With p_i = e^(−y_i) / (e^(−j) + Σ_k e^(−y_k)): dL/dy = (t − p) / N for the mean over N samples,
    d²L/dy² = p · (1 − p). Source: the paper, section II.C, eq. 9.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {
        "probabilities_keep_the_largest": "outputs are penalties: the smallest is the answer"
    }

    j: float = option(0.1, doc="Penalty of the rubbish class; the paper gives no value.")

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        rows = as_rows(targets, outputs)
        lowest = np.minimum(outputs.min(axis=1, keepdims=True, initial=np.inf), self.j)
        exponentials = np.exp(lowest - outputs)
        sums = exponentials.sum(axis=1, keepdims=True) + np.exp(lowest - outputs.dtype.type(self.j))
        weights = rows.sum(axis=1)
        losses = (rows * outputs).sum(axis=1) + weights * (np.log(sums) - lowest)[:, 0]
        return losses, (exponentials / sums, rows, weights)

    def backward(self, saved: Any) -> Array:
        probabilities, rows, weights = saved
        gradient: Array = rows - probabilities * weights[:, None]
        gradient /= max(len(rows), 1)
        return gradient

    def second_backward(self, saved: Any) -> Array:
        probabilities, _, weights = saved
        curvature: Array = probabilities * (1 - probabilities) * weights[:, None]
        return curvature

    def probabilities(self, outputs: Array) -> Array:
        """e^(−y) / Σ e^(−y), without the rubbish class; the smallest y is the most probable."""
        exponentials = np.exp(outputs.min(axis=1, keepdims=True, initial=np.inf) - outputs)
        result: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
        return result
