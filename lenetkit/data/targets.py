"""Real targets from a user's program, for networks that learn them instead of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import expect_unmasked
from lenetkit.errors import ArrayError


@dataclass(frozen=True)
class Targets:
    """Real targets of `count` outputs, in the place of `Labels`."""

    values: ClassVar[tuple[()]] = ()
    titles: ClassVar[tuple[()]] = ()
    count: int
    axes: int
    """Given as (N,), 1, or as (N, K), 2; predictions have the same form."""
    last: str = ""
    """The layer whose `out_features` is that number, if there is one; messages name it."""

    def read(self, targets: Any, samples: int) -> NDArray[Any]:
        """Targets as rows (N, K), from real numbers (N,) or (N, K).

        Raises ArrayError for another number of rows or columns, and for what is not finite.
        """
        expect_unmasked(targets, "targets")
        found = _numbers(targets)
        if not samples and not found.size:
            return np.zeros((0, self.count))
        if found.ndim not in (1, 2) or len(found) != samples:
            raise ArrayError(
                f"expected {samples:,} targets, one for each sample, found shape {found.shape}"
            )
        if found.dtype.kind not in "biuf":
            raise ArrayError(f"expected real numbers as targets, found {found.dtype}")
        columns = 1 if found.ndim == 1 else found.shape[1]
        if columns != self.count:
            last = f'; overrides={{"layers.{self.last}.out_features": {columns}}}'
            raise ArrayError(
                f"found targets of shape {found.shape}, {columns:,} for each sample, but the "
                f"network has {self.count:,} output{'' if self.count == 1 else 's'}"
                f"{last if self.last else ''}"
            )
        if bad := np.count_nonzero(~np.isfinite(found)):
            raise ArrayError(f"expected finite targets, found {bad:,} that are nan or infinite")
        return found.reshape(samples, self.count)

    def of(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Outputs (N, K) in the form of the targets."""
        return outputs[:, 0] if self.axes == 1 else outputs


def are_real(values: Any, outputs: int) -> bool:
    """Whether values can only be real targets of so many outputs, and are no labels of classes.

    Numbers are if one of them is a fraction, if the network has one output, or if they are rows
    (N, K) that are not one-hot.
    """
    try:
        found = _numbers(values)
    except ArrayError:
        return False
    if found.dtype.kind not in "iuf" or not found.size:
        return False
    if outputs == 1 or not np.array_equal(found, np.rint(found)):
        return True
    one_hot = ((found == 0) | (found == 1)).all() and (found.reshape(len(found), -1).sum(1) == 1)
    return found.ndim == 2 and found.shape[1] > 1 and not np.all(one_hot)


def _numbers(values: Any) -> NDArray[Any]:
    try:
        found = np.asarray(values)
        return found.astype(float) if found.dtype == object else found  # as pandas has them
    except (TypeError, ValueError):
        said = f"expected real numbers as targets, found {type(values).__name__}"
        raise ArrayError(said) from None
