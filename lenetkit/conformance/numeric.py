"""Analytic against numeric gradients, in float64, by central differences.

Functions with kinks (ReLU, max pooling) have no derivative at isolated points. Inputs are distinct
and well apart (`spread`), so that a step rarely crosses a kink. A value where the two one-sided
slopes disagree however small the step is left out; too many of those are a failure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lenetkit.conformance.compare import Array, expect_shape, fail, where

STEP = 1e-5
TOLERANCE = 1e-5
"""Relative to the largest value in the gradient."""
COARSE_STEP, COARSE_TOLERANCE = 1e-2, 1e-3
"""Where the forward pass rounds to float32 inside, whatever comes in."""
FLOOR = 1e-2
"""Gradients below it are compared with TOLERANCE · FLOOR, because rounding dominates."""
MAX_VALUES = 250
"""Larger arrays are perturbed at this many random places."""
_STEEP = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Parts of a step that are tried where a slope may be steep, as softmax of large values is."""
MAX_KINKS = 0.1
"""Share of the perturbed values that may lie at a kink."""


def spread(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Distinct values in (−3, 3), none close to 0 or to another, in random order."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    places = rng.permutation(size).reshape(shape)
    return 6 * (places + 0.5 + 0.2 * rng.uniform(0.5, 1)) / max(size, 1) - 3


def chosen(size: int, seed: int = 0, most: int = MAX_VALUES) -> Array:
    """The places to perturb: all of them, or a random choice."""
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.default_rng(seed).choice(size, most, replace=False))


def _changes(f: Callable[[], Array], values: Array) -> Callable[[int, float], Array]:
    """`change(place, step)` is f() after the value at a place moves by `step`, minus f().

    `f` must read `values`, which are changed in place and restored.
    """
    flat, base = values.reshape(-1), f().astype(np.float64)
    if not np.shares_memory(flat, values) and values.size:
        raise ValueError("values must be contiguous")

    def change(place: int, step: float) -> Array:
        value = flat[place]
        flat[place] = value + step
        try:
            return f().astype(np.float64) - base
        finally:
            flat[place] = value

    return change


def step_for(f: Callable[[], Array], values: Array) -> float:
    """The step of differences: a larger one where f() rounds, as float32 does."""
    base, direction = f(), _direction(values)
    coarse = _moved(f, values, COARSE_STEP * direction) != base
    tiny = _moved(f, values, 1e-9 * direction) != base
    return COARSE_STEP if 2 * np.count_nonzero(tiny) < np.count_nonzero(coarse) else STEP


def _direction(values: Array) -> Array:
    """A random step of 1 up or down for each value."""
    return np.random.default_rng(values.size).choice((-1.0, 1.0), values.shape)


def _moved(f: Callable[[], Array], values: Array, step: Array) -> Array:
    """f() after a step, which is then taken back."""
    before = values.copy()
    try:
        values[...] = before + step
        return f().astype(np.float64)
    finally:
        values[...] = before


def expect_gradient(
    found: Array,
    f: Callable[[], Array],
    values: Array,
    weights: Array,
    what: str,
    batch: int = 0,
    explain: Callable[[], str] = str,
    larger: float = 1,
    places: Array | None = None,
) -> None:
    """Raises CheckFailed unless `found` is the gradient of Σ weights · f() by `values`.

    `explain` gives the likely cause, if it knows one; else it is guessed, for which `batch` helps.
    Steps are `larger` times as large, for values that are. `places` are those to compare, else all
    or a random choice of them.
    """
    expect_shape(found, values.shape, what, f"a gradient has its array's shape, {values.shape}")
    change = _changes(f, values)
    places = chosen(values.size) if places is None else places

    def slopes(place: int, step: float) -> tuple[float, float]:
        right = float((change(place, step) * weights).sum()) / step
        left = -float((change(place, -step) * weights).sum()) / step
        return left, right

    step, finer = STEP * larger, STEP * larger / 10
    if step_for(f, values) == COARSE_STEP:
        step = finer = COARSE_STEP * larger
    numeric = np.array([np.mean(slopes(int(place), step)) for place in places])
    analytic = found.reshape(-1)[places].astype(np.float64)
    limit, kinks = _limit(numeric), []
    if step == finer:
        limit *= _coarse_tolerance(larger) / TOLERANCE
    for i in np.flatnonzero(~(np.abs(analytic - numeric) <= limit)):
        left, right = slopes(int(places[i]), finer)
        numeric[i] = (left + right) / 2
        nearer = (np.mean(slopes(int(places[i]), finer * part)) for part in _STEEP)
        if step != finer and any(abs(analytic[i] - slope) <= 10 * limit for slope in nearer):
            numeric[i] = analytic[i]
        elif abs(right - left) > max(1e3 * limit, 1e-3 * abs(left)):
            kinks.append(int(i))
    if len(kinks) > max(MAX_KINKS * len(places), 1):
        index = np.unravel_index(int(places[kinks[0]]), values.shape)
        raise fail(
            f"{what}: the forward pass has no slope at {len(kinks)} of {len(places)} values, one "
            f"of them{where(index)}: the left and right slopes differ, however small the step",
            "the forward pass is not continuous, or its randomness does not come from call.rng",
        )

    # a smaller step has more rounding
    def cause() -> str:
        return explain() or likely_cause(analytic, numeric, what, batch)

    _expect_close(analytic, numeric, 10 * limit, places, values.shape, what, cause, kinks)


def disagreement(
    found: Array,
    f: Callable[[], Array],
    values: Array,
    weights: Array,
    *,
    part: slice = slice(None),
    larger: float = 1,
) -> float:
    """How far `found` is from the slope of Σ weights · f() in one direction; above 1, too far.

    Two calls of f() judge all values, or a part of them. A step that crosses a kink disagrees too:
    what disagrees is for `expect_gradient` to judge. `values` must be contiguous.
    """
    flat, gradient = values.reshape(-1)[part], found.reshape(-1)[part]
    rounds, direction = step_for(f, values) == COARSE_STEP, _direction(flat)
    step = larger * (COARSE_STEP if rounds else STEP)
    change = _moved(f, flat, step * direction) - _moved(f, flat, -step * direction)
    numeric = float((change * weights).sum()) / (2 * step)
    limit = max(float(np.linalg.norm(gradient)), FLOOR)
    limit *= _coarse_tolerance(larger) if rounds else TOLERANCE
    distance = abs(float((gradient * direction).sum()) - numeric) / limit
    return distance if math.isfinite(distance) else math.inf


def doubtful(
    found: Array, f: Callable[[], Array], values: Array, weights: Array, larger: float = 1
) -> Array:
    """Places, at most MAX_VALUES or a few more, where `found` may not be the gradient.

    Parts that disagree are halved. If there are no more values than MAX_VALUES, all are doubtful.
    """
    if values.size <= MAX_VALUES:
        return np.arange(values.size)
    places: list[int] = []
    parts = [slice(0, values.size)]
    while parts and len(places) < MAX_VALUES:
        part = parts.pop()
        if disagreement(found, f, values, weights, part=part, larger=larger) <= 1:
            continue
        middle = (part.start + part.stop) // 2
        if part.stop - part.start <= _FEW:
            places += range(part.start, part.stop)
        else:
            parts += [slice(middle, part.stop), slice(part.start, middle)]
    return np.array(sorted(places), dtype=int)


_FEW = 32
"""Values that are not halved any more."""


def _coarse_tolerance(larger: float) -> float:
    """Of a forward pass that rounds: a large step has an error of its own."""
    return COARSE_TOLERANCE * min(larger**2, 300)


def expect_squared_jacobian(
    found: Array,
    f: Callable[[], Array],
    values: Array,
    weights: Array,
    what: str,
    most: int = MAX_VALUES,
) -> None:
    """Raises CheckFailed unless found_i = Σ_j (∂y_j/∂values_i)² · weights_j for y = f().

    At most `most` values are compared, a random choice.
    """
    expect_shape(found, values.shape, what)
    change, places = _changes(f, values), chosen(values.size, most=most)
    columns = [(change(int(p), STEP) - change(int(p), -STEP)) / (2 * STEP) for p in places]
    numeric = np.array([float((column**2 * weights).sum()) for column in columns])
    analytic = found.reshape(-1)[places].astype(np.float64)
    _expect_close(analytic, numeric, 10 * _limit(numeric), places, values.shape, what)


def _limit(numeric: Array) -> float:
    return TOLERANCE * max(float(np.abs(numeric).max(initial=0.0)), FLOOR)


def _expect_close(
    analytic: Array,
    numeric: Array,
    limit: float,
    places: Array,
    shape: tuple[int, ...],
    what: str,
    cause: Callable[[], str] | None = None,
    ignored: Sequence[int] = (),
) -> None:
    distance = np.abs(analytic - numeric)
    wrong = ~(distance <= limit)
    wrong[list(ignored)] = False
    if wrong.any():
        worst = int(np.where(wrong, np.nan_to_num(distance, nan=np.inf), -1.0).argmax())
        index = np.unravel_index(int(places[worst]), shape)
        raise fail(
            f"{what}{where(index)}: expected {numeric[worst]:.8g} (numeric), found "
            f"{analytic[worst]:.8g} (analytic); {int(wrong.sum())} of {len(places)} values "
            "compared differ",
            cause() if cause else likely_cause(analytic, numeric, what),
        )


def likely_cause(analytic: Array, numeric: Array, what: str, batch: int = 0) -> str:
    """A guess at why a gradient is wrong."""
    if np.isnan(analytic).all():
        return f"the backward pass never writes {what}; write it with grads[name][...] = …"
    if np.isnan(analytic).any():
        return f"parts of {what} are never written, or are computed from uninitialized memory"
    if not analytic.any():
        return f"{what} is 0 everywhere: did the backward pass forget it?"
    big = np.abs(numeric) > 1e-3 * np.abs(numeric).max(initial=0.0)
    ratios = analytic[big] / numeric[big]
    if ratios.size < 2 or np.ptp(ratios) > 1e-3 * np.abs(ratios).max():
        return "a term is missing or in the wrong place; compute one value by hand on a tiny input"
    ratio = float(ratios.mean())
    if abs(ratio - 1) < 1e-3:
        return "right where a gradient is due, but not 0 where none is"
    if abs(ratio + 1) < 1e-3:
        return "the sign is reversed"
    if batch > 1 and abs(ratio * batch - 1) < 1e-3:
        return "averaged over the batch; sum over it, because the loss already takes the mean"
    return f"every value is {ratio:.4g} times what it should be: a factor is missing or doubled"
