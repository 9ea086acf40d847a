"""Analytic against numeric gradients, in float64, by central differences.

Functions with kinks (ReLU, max pooling) have no derivative at isolated points. Inputs are distinct
and well apart (`spread`), so that a step rarely crosses a kink; a place where the two one-sided
slopes disagree however small the step is left out, and too many of those are a failure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lenetkit.testing.compare import Array, expect_shape, fail, where

STEP = 1e-5
TOLERANCE = 1e-5
"""Of the largest value in the gradient."""
FLOOR = 1e-2
"""Below that, rounding is all there is."""
MOST = 250
"""Values perturbed at most; a random choice where there are more."""
MAY_BE_KINKS = 0.1
"""Share of the perturbed values that may lie at a kink."""


def spread(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Distinct values in (−3, 3), none near to 0 or to each other, in random order."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    places = rng.permutation(size).reshape(shape)
    return 6 * (places + 0.5 + 0.2 * rng.uniform(0.5, 1)) / max(size, 1) - 3


class Perturbation:
    """What moving single values does to a function's result, weighed by `weights`.

    `f` must read `values`, which are changed in place and put back.
    """

    def __init__(self, f: Callable[[], Array], values: Array, weights: Array) -> None:
        self.f, self.weights = f, weights
        self.flat = values.reshape(-1)
        if not np.shares_memory(self.flat, values) and values.size:
            raise ValueError("values must be contiguous")
        self.base = f().astype(np.float64)

    def moved(self, place: int, step: float) -> Array:
        """The result's change when one value moves by `step`."""
        value = self.flat[place]
        self.flat[place] = value + step
        try:
            moved = self.f().astype(np.float64)
        finally:
            self.flat[place] = value
        return moved - self.base

    def slopes(self, place: int, step: float) -> tuple[float, float]:
        """The slopes to the left and to the right."""
        right = float((self.moved(place, step) * self.weights).sum()) / step
        left = -float((self.moved(place, -step) * self.weights).sum()) / step
        return left, right

    def column(self, place: int) -> Array:
        """∂y/∂value for every y: a column of the Jacobian."""
        return (self.moved(place, STEP) - self.moved(place, -STEP)) / (2 * STEP)


def chosen(size: int, seed: int = 0) -> Array:
    """The places to perturb: all, or a random choice."""
    if size <= MOST:
        return np.arange(size)
    return np.sort(np.random.default_rng(seed).choice(size, MOST, replace=False))


def expect_gradient(
    found: Array, f: Callable[[], Array], values: Array, weights: Array, what: str, batch: int = 0
) -> None:
    """Raises CheckFailed unless `found` is the gradient of Σ weights · f() by `values`.

    `batch` only serves to guess a likely cause.
    """
    cause = f"a gradient has the shape of what it belongs to, {values.shape}"
    expect_shape(found, values.shape, what, cause)
    perturbation = Perturbation(f, values, weights)
    places = chosen(values.size)
    numeric = np.array([np.mean(perturbation.slopes(int(p), STEP)) for p in places])
    analytic = found.reshape(-1)[places].astype(np.float64)
    limit = TOLERANCE * max(float(np.abs(numeric).max(initial=0.0)), FLOOR)
    suspects = [int(i) for i in np.flatnonzero(~(np.abs(analytic - numeric) <= limit))]
    kinks = []
    for i in suspects:
        left, right = perturbation.slopes(int(places[i]), STEP / 10)
        numeric[i] = (left + right) / 2
        if abs(right - left) > max(1e3 * limit, 1e-3 * abs(left)):
            kinks.append(i)
    if len(kinks) > max(MAY_BE_KINKS * len(places), 1):
        index = np.unravel_index(int(places[kinks[0]]), values.shape)
        raise fail(
            f"{what}: the forward pass has no slope at {len(kinks)} of {len(places)} values, "
            f"that{where(index)} among them: the one-sided slopes disagree, however small the step",
            "the forward pass draws noise that call.rng does not determine, or it jumps",
        )
    limit = 10 * limit  # a smaller step has more rounding
    wrong = [i for i in suspects if i not in kinks and not abs(analytic[i] - numeric[i]) <= limit]
    if wrong:
        raise _mismatch(analytic, numeric, places, wrong, values.shape, what, batch)


def expect_squared_jacobian(
    found: Array, f: Callable[[], Array], values: Array, weights: Array, what: str
) -> None:
    """Raises CheckFailed unless found_i = Σ_j (∂y_j/∂values_i)² · weights_j for y = f()."""
    expect_shape(found, values.shape, what)
    perturbation = Perturbation(f, values, weights)
    places = chosen(values.size)
    columns = [perturbation.column(int(place)) for place in places]
    numeric = np.array([float((column**2 * weights).sum()) for column in columns])
    analytic = found.reshape(-1)[places].astype(np.float64)
    limit = TOLERANCE * 10 * max(float(np.abs(numeric).max(initial=0.0)), FLOOR)
    wrong = [i for i in range(len(places)) if not abs(analytic[i] - numeric[i]) <= limit]
    if wrong:
        raise _mismatch(analytic, numeric, places, wrong, values.shape, what, 0)


def _mismatch(
    analytic: Array,
    numeric: Array,
    places: Array,
    wrong: list[int],
    shape: tuple[int, ...],
    what: str,
    batch: int,
) -> Exception:
    worst = max(wrong, key=lambda i: np.nan_to_num(abs(analytic[i] - numeric[i]), nan=np.inf))
    index = np.unravel_index(int(places[worst]), shape)
    return fail(
        f"{what}{where(index)}: expected {numeric[worst]:.8g} (numeric), "
        f"found {analytic[worst]:.8g} (analytic); "
        f"{len(wrong)} of {len(places)} values compared differ",
        likely_cause(analytic, numeric, what, batch),
    )


def likely_cause(analytic: Array, numeric: Array, what: str, batch: int = 0) -> str:
    """A guess at why a gradient is wrong; empty where there is none."""
    if np.isnan(analytic).all():
        return f"the backward pass never writes {what}; write it with grads[name][...] = …"
    if np.isnan(analytic).any():
        return f"parts of {what} are never written, or are computed from uninitialized memory"
    if not analytic.any():
        return f"{what} is 0 everywhere: did the backward pass forget it?"
    big = np.abs(numeric) > 1e-3 * np.abs(numeric).max(initial=0.0)
    ratios = analytic[big] / numeric[big]
    if ratios.size < 2 or np.ptp(ratios) > 1e-3 * np.abs(ratios).max():
        return "a term is missing or belongs elsewhere; work out one value by hand on a tiny input"
    ratio = float(ratios.mean())
    if abs(ratio + 1) < 1e-3:
        return "the sign is reversed"
    if batch > 1 and abs(ratio * batch - 1) < 1e-3:
        return "averaged over the batch; sum over it, because the loss takes the mean"
    return f"every value is {ratio:.4g} times what it should be: a factor is missing or doubled"
