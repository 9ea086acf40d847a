"""What `lenetkit.kernels` promises of every kernel set.

Results are compared with a plain loop over the definition and with the NumPy kernels, within
rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lenetkit.conformance import compare
from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.operation_cases import (
    AVG_POOLINGS,
    CONVOLUTIONS,
    MAX_POOLINGS,
    OperationCase,
    Results,
)
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.passes import FilledCall
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.kernels.base import Kernels
from lenetkit.kernels.numpy_kernels import NumpyKernels

DTYPES: tuple[Any, ...] = (np.float32, np.float64)
ROUNDING = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-11}
"""How far two ways to compute the same may differ, relative to the largest value."""


@dataclass(frozen=True)
class KernelsCase:
    """A kernel set under test."""

    thing: Kernels


def conv2d_follows_the_definition(case: KernelsCase) -> None:
    """The forward pass equals that of a plain loop, for every shape of the grid."""
    _expect_definition(case, CONVOLUTIONS, "y")


def conv2d_input_gradient_follows_the_definition(case: KernelsCase) -> None:
    """dL/dx equals that of a plain loop; where windows overlap, gradients add up."""
    _expect_definition(case, CONVOLUTIONS, "dx")


def conv2d_weight_gradients_follow_the_definition(case: KernelsCase) -> None:
    """dL/dweight and dL/dbias equal those of a plain loop, and overwrite what was there."""
    _expect_definition(case, CONVOLUTIONS, "d_weight", "d_bias")


def conv2d_without_bias(case: KernelsCase) -> None:
    """Without a bias, only the bias is missing from the output; other gradients stay the same."""
    _expect_definition(case, [replace(p, has_bias=False) for p in CONVOLUTIONS])


def conv2d_without_input_gradient(case: KernelsCase) -> None:
    """With `needs_input_grad` False, the parameter gradients stay the same."""
    _expect_definition(case, [replace(p, needs_dx=False) for p in CONVOLUTIONS])


def max_pool2d_follows_the_definition(case: KernelsCase) -> None:
    """The output is the largest value of each window; padding never wins."""
    _expect_definition(case, MAX_POOLINGS, "y")


def max_pool2d_gradient_goes_to_the_first_largest(case: KernelsCase) -> None:
    """Each gradient goes to the first largest value of its window; overlapping ones add up."""
    _expect_definition(case, MAX_POOLINGS, "dx")


def avg_pool2d_follows_the_definition(case: KernelsCase) -> None:
    """The output is the mean of each window, with and without padding in the count."""
    _expect_definition(case, AVG_POOLINGS, "y")


def avg_pool2d_gradient_is_spread_evenly(case: KernelsCase) -> None:
    """Each gradient is spread over its window; where windows overlap, gradients add up."""
    _expect_definition(case, AVG_POOLINGS, "dx")


def results_agree_with_the_numpy_kernels(case: KernelsCase) -> None:
    """At the sizes of a real layer too, results equal the NumPy kernels' within rounding."""
    large = (
        replace(CONVOLUTIONS[0], shape=(8, 1, 20, 20)),
        replace(CONVOLUTIONS[5], shape=(4, 2, 17, 15)),
        *(replace(p, shape=(4, 6, 14, 14)) for p in _poolings(0)),
    )
    for p in large:
        for dtype in DTYPES:
            expected = p.run(NumpyKernels(), dtype)
            _expect_close(p.run(case.thing, dtype), expected, f"{p}, compared with NumPy kernels")


def the_same_call_gives_the_same_bits(case: KernelsCase) -> None:
    """Repeated runs give the same results, bit for bit."""
    large = replace(CONVOLUTIONS[0], shape=(8, 1, 20, 20))
    for p in (large, *CONVOLUTIONS[1:4], *_poolings(3)):
        first = p.run(case.thing, np.float32)
        for _ in range(3):
            cause = "threads add up in a varying order; give each thread its own part of the sum"
            found = p.run(case.thing, np.float32)
            compare.expect_all_same(found, first, str(p), cause=cause)


def inputs_are_not_written_to(case: KernelsCase) -> None:
    """Images, weights and biases stay as they are; only `dy` in a backward pass may be reused."""
    for p in (*CONVOLUTIONS, *_poolings(3)):
        for dtype in DTYPES:
            arrays = {name: values.astype(dtype) for name, values in p.inputs.items()}
            before = {name: values.copy() for name, values in arrays.items()}
            p.run(case.thing, dtype, given=arrays)
            for name, values in arrays.items():
                compare.expect_untouched(values, before[name], name, f"{type(p).__name__}, {p}")


def scratch_contents_do_not_matter(case: KernelsCase) -> None:
    """Scratch memory full of NaN gives the same results as scratch memory full of 0."""
    for p in (*CONVOLUTIONS, *_poolings(3)):
        clean, poisoned = (
            p.run(case.thing, np.float32, call=FilledCall(case.thing, fill=fill))
            for fill in (0.0, np.nan)
        )
        cause = "scratch memory is uninitialized; fill it before adding to it"
        _expect_close(poisoned, clean, f"scratch memory full of NaN, {p}", cause)


def dtype_and_shape_are_kept(case: KernelsCase) -> None:
    """Results have the dtype of the input and the shapes that follow from the window."""
    for p in (*CONVOLUTIONS, *_poolings(1)):
        for dtype in DTYPES:
            found = p.run(case.thing, dtype)
            compare.expect_shape(found["y"], p.out_shape, f"y, {p}")
            compare.expect_shape(found["dx"], p.shape, f"dx, {p}")
            for name in ("y", "dx"):
                compare.expect_dtype(found[name], dtype, f"{name}, {p}")


def memory_order_does_not_matter(case: KernelsCase) -> None:
    """Images and gradients that are not contiguous give the same results."""
    for p in (*CONVOLUTIONS[1:6], *_poolings(2)):
        expected = p.run(case.thing, np.float64)
        wide = np.repeat(p.x, 2, axis=3)[..., ::2]
        channels_last = np.ascontiguousarray(p.x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        for x in (np.asfortranarray(p.x), wide, channels_last):
            given = {"x": x, "dy": np.asfortranarray(p.dy)}
            found = p.run(case.thing, np.float64, given=given)
            _expect_close(found, expected, f"x not contiguous, {p}")


def empty_batch(case: KernelsCase) -> None:
    """A batch of 0 images gives empty results and parameter gradients of 0, without a warning."""
    for p in (*CONVOLUTIONS, *_poolings(3)):
        empty = p.with_batch(0)
        with compare.warnings_as_failures(f"batch of 0, {empty}"):
            found = empty.run(case.thing, np.float32)
        compare.expect_shape(found["y"], empty.out_shape, f"y, {empty}")
        compare.expect_shape(found["dx"], empty.shape, f"dx, {empty}")
        for name in found.keys() - {"y", "dx"}:
            compare.expect_same(found[name], np.zeros_like(found[name]), f"{name}, {empty}")


def scratch_serves_batch_after_batch(case: KernelsCase) -> None:
    """Used scratch memory gives batches of other sizes the same results as fresh memory."""
    for p in (*CONVOLUTIONS[:6], *_poolings(0)):
        call = FilledCall(case.thing, fill=0.0)
        for batch in (3, 1, 4):
            q = p.with_batch(batch)
            expected = q.run(case.thing, np.float32)
            found = q.run(case.thing, np.float32, call=call)
            _expect_close(found, expected, f"used scratch memory, {q}")


def kernels_hold_no_state(case: KernelsCase) -> None:
    """After use, the object and its class hold exactly what they held before."""
    unchanged = Unchanged(case.thing)
    for p in (CONVOLUTIONS[0], *_poolings(0)):
        p.run(case.thing, np.float32)
    unchanged.expect("a pass")


_DEFINITIONS = {
    "conv2d_follows_the_definition": (
        "conv2d_input_gradient_follows_the_definition",
        "conv2d_weight_gradients_follow_the_definition",
    ),
    "max_pool2d_follows_the_definition": ("max_pool2d_gradient_goes_to_the_first_largest",),
    "avg_pool2d_follows_the_definition": ("avg_pool2d_gradient_is_spread_evenly",),
}
_DERIVED = (
    "conv2d_without_bias",
    "conv2d_without_input_gradient",
    "results_agree_with_the_numpy_kernels",
    "dtype_and_shape_are_kept",
    "memory_order_does_not_matter",
    "scratch_contents_do_not_matter",
    "scratch_serves_batch_after_batch",
    "the_same_call_gives_the_same_bits",
    "empty_batch",
)
_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        *(
            (
                Rung(("inputs_are_not_written_to", "kernels_hold_no_state")),
                Rung((forward,)),
                Rung(gradients, _DERIVED),
            )
            for forward, gradients in _DEFINITIONS.items()
        ),
    ),
    keep="use call.scratch for memory that is needed again",
)
SUITE = Suite(Kernels, KernelsCase, promises_in(__name__), _ORIGINS)
kernel_checks, check_kernels = SUITE.checks, SUITE.check


def _poolings(number: int) -> tuple[OperationCase, ...]:
    """One shape of the grid, for every kind of pooling."""
    return (MAX_POOLINGS[number], *AVG_POOLINGS[number :: len(MAX_POOLINGS)])


def _expect_definition(case: KernelsCase, grid: Iterable[OperationCase], *names: str) -> None:
    """In both precisions, these results (all if none is named) equal those by definition."""
    for p in grid:
        expected = {name: p.expected[name] for name in names or p.expected}
        for dtype in DTYPES:
            _expect_close(p.run(case.thing, dtype), expected, f"{np.dtype(dtype)}, {p}")


def _expect_close(found: Results, expected: Results, circumstance: str, cause: str = "") -> None:
    """Equal within rounding in the dtype of `found`."""
    tolerance = ROUNDING.get(found["y"].dtype, 1e-5)
    compare.expect_all_same(found, expected, circumstance, tolerance=tolerance, cause=cause)
