"""What was read in a picture file: its digits, or why it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.layout import Box


@dataclass(frozen=True, eq=False)
class Digit:
    """What the model saw at a place of the picture, and what it makes of it."""

    label: str
    probabilities: NDArray[np.float32]
    """(K,): the mean over all preparations of the digit."""
    box: Box
    """Left, top, right, bottom in the upright picture, in pixels."""
    image: NDArray[np.uint8]
    """(C, H, W), as the model saw it first."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read in a picture file, or why nothing was."""

    path: Path
    found: tuple[Digit, ...] = ()
    """From left to right, even where they are too uncertain to be read."""
    reason: str = ""
    """Why the picture is refused; empty if it is read."""

    @property
    def digits(self) -> tuple[Digit, ...]:
        """From left to right; empty if the picture is refused."""
        return () if self.reason else self.found

    @property
    def label(self) -> str | None:
        """The labels of all digits as one string."""
        return "".join(digit.label for digit in self.digits) if self.digits else None

    @property
    def weakest(self) -> Digit | None:
        """The digit that the model is least sure of."""
        return min(self.digits, key=lambda digit: float(digit.probabilities.max()), default=None)
