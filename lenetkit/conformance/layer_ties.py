"""Checks at inputs that rounding and random values never give: zeros, equal and tiny values.

They are common all the same: a ReLU gives zeros, a blank image equal values. Many functions have a
kink there. Where the slopes on its two sides differ, every value between them and 0 is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance.compare import fail, where
from lenetkit.conformance.examination import in_circumstance
from lenetkit.conformance.numeric import COARSE_STEP, FLOOR, chosen, step_for
from lenetkit.conformance.passes import LayerCase
from lenetkit.conformance.report import CheckSkipped, is_announced

_PLACES = 32
"""Values that are moved, of an input or a parameter."""
_STEPS = (1e-5, 1e-8, 1e-12)
"""A slope may hold in a tiny neighbourhood only: x / (|x| + ε)."""
_NEAR = 1e-3
"""Relative tolerance of slopes."""
_COARSER = 20
"""How much more is allowed where the forward pass rounds to float32."""
_TINY = 1e-8


def zeros_and_equal_values_are_right(case: LayerCase) -> None:
    """For inputs of 0, of equal values and of about 1e-8, results are finite and gradients right.

    At a kink, any gradient between the slopes of its two sides will do, and so will 0.
    """
    if is_announced("input_gradient_is_right"):
        raise CheckSkipped("the gradient is not that of the output, as announced")
    for circumstance, x in _inputs(case).items():
        for training in (True, False):
            mode = "training" if training else "inference"
            with in_circumstance(f"{circumstance} in {mode}"), np.errstate(all="ignore"):
                single = case.results(
                    x.astype(np.float32), call=case.call(training=training, dtype=np.float32)
                )
                found = case.results(x, call=case.call(training=training), dy=_dy(case, x))
                if _are_finite(found) and _are_finite(single, "float32: "):
                    _expect_slopes(case, x, found, training)


def _inputs(case: LayerCase) -> dict[str, Array]:
    """Batches by what is special of them."""
    x = case.x()
    some = x.copy()
    some.reshape(-1)[::2] = 0
    levels = np.array([1.25, -0.75, 0.1]).reshape(-1, *(1,) * len(case.in_shape))
    return {
        "every other value 0": some,
        "every value 0": np.zeros_like(x),
        "images of equal values": np.broadcast_to(levels, x.shape).copy(),
        f"values up to {3 * _TINY:g}": x * _TINY,
    }


def _dy(case: LayerCase, x: Array) -> Array:
    """Gradients above 0, so that kinks of several outputs do not undo one another."""
    return np.abs(case.dy(case.output(x).shape)) + 0.1


def _are_finite(found: dict[str, Array], start: str = "") -> bool:
    """Whether all results are. Raises CheckFailed for NaN, and for infinite slopes of numbers."""
    y = found["y"]
    for name, values in found.items():
        wrong = np.isnan(values) if np.isinf(y).any() else ~np.isfinite(values)
        if wrong.any() and not (name == "y" and np.isinf(y).any() and not np.isnan(y).any()):
            index = np.unravel_index(int(wrong.argmax()), values.shape)
            raise fail(
                f"{start}{name}{where(index)}: expected a number, found {values[index]}",
                "a division by 0, or the root of a difference that rounding makes negative: add "
                "a small constant, or handle this case apart",
            )
    return not np.isinf(y).any()


def _expect_slopes(case: LayerCase, x: Array, found: dict[str, Array], training: bool) -> None:
    """Raises CheckFailed for a gradient that is not the slope where there is one."""
    params, dy = case.params(), _dy(case, x)

    def value(x: Array = x) -> Array:
        return case.output(x, training=training, params=params)

    arrays = {"dx": x} if "dx" in found else {}
    if not is_announced("parameter_gradients_are_right"):
        arrays |= {f"gradient of {name}": values for name, values in params.items()}
    usual = case.x()
    rounds = step_for(partial(value, usual), usual) == COARSE_STEP
    for name, values in arrays.items():
        gradient = found[name].reshape(-1).astype(np.float64)
        limit = _NEAR * max(float(np.abs(gradient).max(initial=0.0)), FLOOR)
        steps = [COARSE_STEP] if rounds else _usable_steps(value(), values, dy, limit)
        limit *= _COARSER if rounds else 1
        for place in map(int, chosen(values.size, most=_PLACES)):
            slopes = [_slopes(value, values, dy, place, step) for step in steps]
            if not _agrees(gradient[place], slopes, limit):
                at = where(np.unravel_index(place, values.shape))
                raise fail(
                    f"{name}{at}: expected {_between(*slopes[0])} (numeric), found "
                    f"{gradient[place]:.8g} (analytic)",
                    "backward treats these values in another way than forward does",
                )


def _usable_steps(y: Array, values: Array, dy: Array, limit: float) -> list[float]:
    """Those of which rounding leaves enough."""
    sizes = np.abs(y) + float(np.abs(values).max(initial=0.0))
    rounding = float(np.finfo(np.float64).eps * (sizes * dy).sum())
    return [step for step in _STEPS if step == _STEPS[0] or rounding / step < limit]


def _slopes(
    value: Callable[[], Array], values: Array, dy: Array, place: int, step: float
) -> tuple[float, float]:
    """Of Σ dy · value() to the left and to the right of a place of `values`."""
    flat, base, sides = values.reshape(-1), value(), []
    before = flat[place]
    for sign in (-1, 1):
        flat[place] = before + sign * step
        sides.append(sign * float(((value() - base) * dy).sum()) / step)
        flat[place] = before
    return sides[0], sides[1]


def _agrees(expected: float, slopes: list[tuple[float, float]], limit: float) -> bool:
    """Whether a slope is the one where both sides have the same; where none is, one of them."""
    limit = max(limit, _NEAR * abs(expected))
    smooth = [(left + right) / 2 for left, right in slopes if abs(right - left) <= limit]
    if smooth:
        return any(abs(expected - slope) <= limit for slope in smooth)
    return any(min(*s, 0.0) - limit <= expected <= max(*s, 0.0) + limit for s in slopes)


def _between(left: float, right: float) -> str:
    if abs(right - left) <= _NEAR * abs(left):
        return f"{left:.8g}"
    return f"{min(left, right, 0) + 0.0:.8g} to {max(left, right, 0) + 0.0:.8g}"
