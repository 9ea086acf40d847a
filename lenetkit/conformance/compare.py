"""Comparisons of arrays whose failures say where, what was found, and what the likely cause is."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.conformance.report import CheckFailed

Array = NDArray[Any]


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
