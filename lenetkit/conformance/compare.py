"""Comparisons of arrays whose failures say where, what was found, and what the likely cause is."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.conformance.report import CheckFailed
from lenetkit.layers.results import EXPECTED, objection

Array = NDArray[Any]
ROUNDING = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-11}
"""How far two ways to compute the same may differ, relative to the largest value."""


def fail(message: str, cause: str = "") -> CheckFailed:
    """The failure to raise, with its likely cause on a second line."""
    return CheckFailed(f"{message}\nlikely cause: {cause}" if cause else message)


def where(index: tuple[Any, ...]) -> str:
    """` at [0, 1, 2]`, to follow the name of an array; nothing for a scalar."""
    return f" at [{', '.join(str(int(i)) for i in index)}]" if index else ""


def expect_array(found: Any, what: str, cause: str = "") -> None:
    """Raises CheckFailed for anything but an array."""
    if not isinstance(found, np.ndarray):
        raise fail(f"{what}: expected an array, found {type(found).__name__}", cause)


def expect_shape(found: Any, expected: tuple[int, ...], what: str, cause: str = "") -> None:
    """Raises CheckFailed unless `found` is an array of this shape."""
    expect_array(found, what, cause)
    if found.shape != tuple(expected):
        if found.shape == tuple(expected)[::-1]:
            cause = "the axes are in reverse order"
        raise fail(f"{what}: expected shape {tuple(expected)}, found {found.shape}", cause)


def expect_dtype(found: Any, expected: Any, what: str, cause: str = "") -> None:
    """Raises CheckFailed unless `found` is an array of this dtype."""
    expect_array(found, what, cause)
    if found.dtype != np.dtype(expected):
        raise fail(f"{what}: expected {np.dtype(expected)}, found {found.dtype}", cause)


def expect_same(
    found: Array, expected: Array, what: str, *, tolerance: float = 0.0, cause: str = ""
) -> None:
    """Raises CheckFailed unless |found − expected| ≤ tolerance · max(max |expected|, 0.001).

    A tolerance of 0 means bit for bit; NaN equals NaN.
    """
    expect_shape(found, expected.shape, what, cause)
    wide_found, wide = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    finite = np.abs(wide[np.isfinite(wide)])
    limit = tolerance * max(float(finite.max(initial=0.0)), 1e-3)
    with np.errstate(invalid="ignore"):
        distance = np.abs(wide_found - wide)
    equal = (wide_found == wide) | (np.isnan(wide_found) & np.isnan(wide))
    wrong = ~equal & ~(distance <= limit)
    if not wrong.any():
        return
    ranked = np.where(wrong, np.where(np.isnan(distance), np.inf, distance), -1.0)
    index = np.unravel_index(int(ranked.argmax()), ranked.shape)
    precision = ".17g" if tolerance == 0 else ".8g"
    raise fail(
        f"{what}{where(index)}: expected {wide[index]:{precision}}, "
        f"found {wide_found[index]:{precision}}; "
        f"{int(wrong.sum())} of {wrong.size} values differ",
        cause,
    )


def expect_all_same(
    found: Mapping[str, Array],
    expected: Mapping[str, Array],
    circumstance: str,
    *,
    tolerance: float = 0.0,
    cause: str = "",
) -> None:
    """Raises CheckFailed unless all expected arrays are there and agree; see `expect_same`."""
    for name in expected:
        if name not in found:
            raise fail(f"{circumstance}: expected {name}, found none", cause)
        what = f"{circumstance}: {name}"
        expect_same(found[name], expected[name], what, tolerance=tolerance, cause=cause)


def expect_finite(found: Array, what: str, cause: str = "") -> None:
    """Raises CheckFailed if a value is NaN or infinite."""
    wrong = ~np.isfinite(found)
    if wrong.any():
        index = np.unravel_index(int(wrong.argmax()), wrong.shape)
        place, count = f"{what}{where(index)}", f"{int(wrong.sum())} of {wrong.size} values"
        raise fail(
            f"{place}: expected a finite number, found {found[index]}; {count} are not finite",
            cause,
        )


def expect_not_finite(found: Array, expected: Array, what: str) -> None:
    """Raises CheckFailed if a value is finite where the expected one is not."""
    expect_shape(found, expected.shape, what)
    hidden = np.isfinite(found) & ~np.isfinite(expected)
    if hidden.any():
        index = np.unravel_index(int(hidden.argmax()), hidden.shape)
        raise fail(
            f"{what}{where(index)}: expected {expected[index]}, found {found[index]:.8g}",
            "NaN or an infinity is lost, so a run that diverges would go on unnoticed",
        )


def expect_own_memory(
    found: Any, what: str, others: Mapping[str, Array], *, given: Array | None = None
) -> None:
    """Raises CheckFailed unless `found` is a plain array, writeable, apart from all others.

    It may be `given`, or a view of that, if there is one.
    """
    expect_array(found, what)
    wrong = objection(found, np.empty(0) if given is None else given, others.items())
    if not wrong and (given is None or not np.shares_memory(found, given)):
        shared = (name for name, other in others.items() if np.shares_memory(found, other))
        wrong = next((f"memory of {name}" for name in shared), "")
    if wrong:
        raise fail(
            f"{what}: found {wrong}; {EXPECTED}",
            "the result is a view, as np.broadcast_to or slicing makes, or another kind of array: "
            "training would stop, or go wrong without a word",
        )


def expect_line(found: Any, what: str, *, empty: bool = False) -> None:
    """Raises CheckFailed unless `found` is a string of printable characters."""
    if type(found) is not str or not found.isprintable() or not (found or empty):
        raise fail(f"{what}: expected a line of text, found {found!r}")


def expect_untouched(found: Array, before: Array, what: str, when: str) -> None:
    """Raises CheckFailed unless an array holds what it held before."""
    cause = f"{when} writes to {what}; work on a copy of it"
    expect_same(found, before, f"{what} after {when}", cause=cause)


@contextlib.contextmanager
def warnings_as_failures(
    circumstance: str, cause: str = "a mean over nothing, or a division by a count of 0"
) -> Iterator[None]:
    """A warning inside the block fails the check."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            yield
        except Warning as warning:
            found = f"{type(warning).__name__}: {warning}"
            raise fail(f"{circumstance}: expected no warning, found {found}", cause) from warning
