"""Real targets from a user's program, for networks that learn numbers instead of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.errors import ArrayError


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


def as_targets(values: Any, samples: int, outputs: int, last: str = "") -> NDArray[Any]:
    """Targets as rows (N, K), from real numbers (N,) or (N, K).

    `last` is the layer whose `out_features` is K, for messages. Raises ArrayError for another
    number of rows or columns, and for what is not finite.
    """
    found = _numbers(values)
    if not samples and not found.size:
        return np.zeros((0, outputs))
    if found.ndim not in (1, 2) or len(found) != samples:
        raise ArrayError(
            f"expected {samples:,} targets, one for each sample, found shape {found.shape}"
        )
    if found.dtype.kind not in "biuf":
        raise ArrayError(f"expected real numbers as targets, found {found.dtype}")
    columns = 1 if found.ndim == 1 else found.shape[1]
    if columns != outputs:
        fix = f'; overrides={{"layers.{last}.out_features": {columns}}}' if last else ""
        raise ArrayError(
            f"found targets of shape {found.shape}, {columns:,} for each sample, but the network "
            f"has {outputs:,} output{'' if outputs == 1 else 's'}{fix}"
        )
    if bad := np.count_nonzero(~np.isfinite(found)):
        raise ArrayError(f"expected finite targets, found {bad:,} that are nan or infinite")
    return found.reshape(samples, outputs)


def _numbers(values: Any) -> NDArray[Any]:
    try:
        found = np.asarray(values)
        return found.astype(float) if found.dtype == object else found  # as pandas has them
    except (TypeError, ValueError):
        said = f"expected real numbers as targets, found {type(values).__name__}"
        raise ArrayError(said) from None
