"""The paper's learning rates."""

from __future__ import annotations

from dataclasses import dataclass

from lenetkit.authoring import Moment, Schedule

_FACTORS = ((2, 1.0), (5, 0.4), (8, 0.2), (12, 0.1))
"""(end, factor): each factor holds for the passes before `end`."""
_LAST = 0.02


@dataclass(frozen=True, kw_only=True)
class Lecun1998(Schedule):
    """lr for 2 passes, 0.4 lr for 3, 0.2 lr for 3, 0.1 lr for 4, then 0.02 lr.

    With lr = 5e-4 these are the paper's 0.0005, 0.0002, 0.0001, 0.00005 and 0.00001, section III.B.
    As it is relative to lr, its shape stays the same for other values, as for larger batches.
    """

    def rate(self, lr: float, at: Moment) -> float:
        return lr * next((factor for end, factor in _FACTORS if at.epoch < end), _LAST)
