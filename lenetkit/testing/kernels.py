"""What `lenetkit.kernels` promises of every kernel set.

Results are held to a plain loop over the definition and to the NumPy kernels, within rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lenetkit.kernels.base import Kernels
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.testing.common import COMMON, Unchanged
from lenetkit.testing.compare import (
    expect_all_same,
    expect_dtype,
    expect_same,
    expect_shape,
    expect_untouched,
    warnings_as_failures,
)
from lenetkit.testing.operation_cases import (
    CONVOLUTIONS,
    POOLINGS,
    Problem,
    average_with,
    convolution,
    max_pooling,
)
from lenetkit.testing.operation_runs import (
    ROUNDING,
    Results,
    Run,
    avg_pool2d,
    conv2d,
    inputs_of,
    max_pool2d,
    operations,
)
from lenetkit.testing.passes import FilledCall
from lenetkit.testing.report import (
    NOTHING_EXPECTED,
    Check,
    Report,
    collect,
    expect_kind,
    require,
    subject_of,
)

DTYPES = (np.float32, np.float64)


@dataclass(frozen=True)
class KernelsCase:
    """A kernel set under test."""

    thing: Kernels


def conv2d_follows_the_definition(case: KernelsCase) -> None:
    """The forward pass is that of a plain loop, for every shape of the grid."""
    _hold(case, CONVOLUTIONS, conv2d, convolution, ("y",))


def conv2d_input_gradient_follows_the_definition(case: KernelsCase) -> None:
    """dL/dx is that of a plain loop; where windows overlap, gradients add."""
    _hold(case, CONVOLUTIONS, conv2d, convolution, ("dx",))


def conv2d_weight_gradients_follow_the_definition(case: KernelsCase) -> None:
    """dL/dweight and dL/dbias are those of a plain loop, written over whatever was there."""
    _hold(case, CONVOLUTIONS, conv2d, convolution, ("d_weight", "d_bias"))


def conv2d_without_bias(case: KernelsCase) -> None:
    """Without a bias the output lacks just that, and the other gradients are the same."""
    for p in CONVOLUTIONS:
        expected = convolution(p)
        expected = {**expected, "y": expected["y"] - p.bias[:, None, None]}
        del expected["d_bias"]
        _agree(conv2d(case.thing, p, np.float32, bias=False), expected, f"{p}, no bias")


def conv2d_without_input_gradient(case: KernelsCase) -> None:
    """With `needs_input_grad` False the parameters' gradients are the same."""
    for p in CONVOLUTIONS:
        expected = {n: v for n, v in convolution(p).items() if n != "dx"}
        _agree(conv2d(case.thing, p, np.float32, needs_dx=False), expected, f"{p}, without dx")


def max_pool2d_follows_the_definition(case: KernelsCase) -> None:
    """The largest value of each window comes out; padding never wins."""
    _hold(case, POOLINGS, max_pool2d, max_pooling, ("y",))


def max_pool2d_gradient_goes_to_the_first_largest(case: KernelsCase) -> None:
    """Each gradient goes to the first largest value of its window; overlapping ones add."""
    _hold(case, POOLINGS, max_pool2d, max_pooling, ("dx",))


def avg_pool2d_follows_the_definition(case: KernelsCase) -> None:
    """The mean of each window comes out, with and without padding in the count."""
    for include in (True, False):
        _hold(case, POOLINGS, avg_pool2d(include), average_with(include), ("y",))


def avg_pool2d_gradient_is_spread_evenly(case: KernelsCase) -> None:
    """Each gradient is spread over its window; where windows overlap, it adds."""
    for include in (True, False):
        _hold(case, POOLINGS, avg_pool2d(include), average_with(include), ("dx",))


def results_agree_with_the_numpy_kernels(case: KernelsCase) -> None:
    """At the sizes of a real layer too, results are the NumPy kernels', within rounding."""
    for p, run in operations(
        replace(CONVOLUTIONS[0], shape=(8, 1, 20, 20)),
        replace(CONVOLUTIONS[5], shape=(4, 2, 17, 15)),
        pooling=replace(POOLINGS[0], shape=(4, 6, 14, 14)),
    ):
        for dtype in DTYPES:
            expected = run(NumpyKernels(), p, dtype)
            _agree(run(case.thing, p, dtype), expected, f"{p}, beside the NumPy kernels")


def the_same_call_gives_the_same_bits(case: KernelsCase) -> None:
    """From run to run results are the same, bit for bit."""
    large = replace(CONVOLUTIONS[0], shape=(8, 1, 20, 20))
    for p, run in operations(large, *CONVOLUTIONS[1:4], pooling=POOLINGS[3]):
        first = run(case.thing, p, np.float32)
        for _ in range(3):
            cause = "threads add up in an order that changes; let each add a part of its own"
            expect_all_same(run(case.thing, p, np.float32), first, str(p), cause=cause)


def inputs_are_not_written_to(case: KernelsCase) -> None:
    """Images, weights and biases stay as they are; only a backward's `dy` may be used up."""
    for p, run in operations(*CONVOLUTIONS, pooling=POOLINGS[3]):
        for dtype in DTYPES:
            arrays = {name: getattr(p, name).astype(dtype) for name in inputs_of(p)}
            before = {name: values.copy() for name, values in arrays.items()}
            run(case.thing, p, dtype, given=arrays)
            for name, values in arrays.items():
                expect_untouched(values, before[name], name, f"{run.__name__} of {p.shape}")


def scratch_contents_do_not_matter(case: KernelsCase) -> None:
    """Scratch memory full of NaN gives the same results as scratch memory full of 0."""
    for p, run in operations(*CONVOLUTIONS, pooling=POOLINGS[3]):
        clean, poisoned = (
            run(case.thing, p, np.float32, call=FilledCall(operations=case.thing, fill=fill))
            for fill in (0.0, np.nan)
        )
        cause = "scratch hands out uninitialized memory; fill it before adding to it"
        tolerance = ROUNDING[np.dtype(np.float32)]
        expect_all_same(poisoned, clean, f"poisoned, {p}", tolerance=tolerance, cause=cause)


def dtype_and_shape_are_kept(case: KernelsCase) -> None:
    """Results have the dtype of the input and the shapes that the window gives."""
    for p, run in operations(*CONVOLUTIONS, pooling=POOLINGS[1]):
        for dtype in DTYPES:
            found = run(case.thing, p, dtype)
            expect_shape(found["y"], p.out_shape, f"y, {p}")
            expect_shape(found["dx"], p.shape, f"dx, {p}")
            for name in ("y", "dx"):
                expect_dtype(found[name], dtype, f"{name}, {p}")


def memory_order_does_not_matter(case: KernelsCase) -> None:
    """Images and gradients that are not contiguous give the same results."""
    for p, run in operations(*CONVOLUTIONS[1:6], pooling=POOLINGS[2]):
        expected = run(case.thing, p, np.float64)
        wide = np.repeat(p.x, 2, axis=3)[..., ::2]
        channels_last = np.ascontiguousarray(p.x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        for x in (np.asfortranarray(p.x), wide, channels_last):
            given = {**{n: getattr(p, n) for n in inputs_of(p)}, "x": x}
            given["dy"] = np.asfortranarray(p.dy)
            found = run(case.thing, p, np.float64, given=given)
            _agree(found, expected, f"x not contiguous, {p}")


def empty_batch(case: KernelsCase) -> None:
    """A batch of 0 images gives empty results and parameter gradients of 0, without a warning."""
    for p, run in operations(*CONVOLUTIONS, pooling=POOLINGS[3]):
        none = p.with_batch(0)
        with warnings_as_failures(f"batch of 0, {none}"):
            found = run(case.thing, none, np.float32)
        expect_shape(found["y"], none.out_shape, f"y, {none}")
        expect_shape(found["dx"], none.shape, f"dx, {none}")
        for name in [name for name in ("d_weight", "d_bias") if name in found]:
            expect_same(found[name], np.zeros_like(found[name]), f"{name}, {none}")


def scratch_serves_batch_after_batch(case: KernelsCase) -> None:
    """With the same scratch memory, batches of other sizes give what they give with fresh one."""
    for p, run in operations(*CONVOLUTIONS[:6], pooling=POOLINGS[0]):
        call = FilledCall(operations=case.thing, fill=0.0)
        for batch in (3, 1, 4):
            q = p.with_batch(batch)
            expected = run(case.thing, q, np.float32)
            found = run(case.thing, q, np.float32, call=call)
            _agree(found, expected, f"scratch used before, {q}")


def kernels_hold_no_state(case: KernelsCase) -> None:
    """After use the object and its class hold exactly what they held before."""
    unchanged = Unchanged(case.thing)
    for p, run in operations(CONVOLUTIONS[0], pooling=POOLINGS[0]):
        run(case.thing, p, np.float32)
    unchanged.expect("a pass")


KERNEL_CHECKS = (
    conv2d_follows_the_definition,
    conv2d_input_gradient_follows_the_definition,
    conv2d_weight_gradients_follow_the_definition,
    conv2d_without_bias,
    conv2d_without_input_gradient,
    max_pool2d_follows_the_definition,
    max_pool2d_gradient_goes_to_the_first_largest,
    avg_pool2d_follows_the_definition,
    avg_pool2d_gradient_is_spread_evenly,
    results_agree_with_the_numpy_kernels,
    the_same_call_gives_the_same_bits,
    inputs_are_not_written_to,
    scratch_contents_do_not_matter,
    dtype_and_shape_are_kept,
    memory_order_does_not_matter,
    empty_batch,
    scratch_serves_batch_after_batch,
    kernels_hold_no_state,
    *COMMON,
)


def kernel_checks(kernels: Kernels, *, name: str | None = None) -> list[Check]:
    """The checks of one kernel set. Raises TypeError for anything but a kernel set."""
    expect_kind(kernels, Kernels)
    return collect(KERNEL_CHECKS, KernelsCase(kernels), name or subject_of(kernels))


def check_kernels(
    kernels: Kernels, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """Hold a kernel set to what it promises. Raises CheckFailed, with the report, if it fails."""
    return require(kernel_checks(kernels), expected_failures=expected_failures)


def _hold(
    case: KernelsCase,
    problems: Sequence[Problem],
    run: Run,
    definition: Callable[[Problem], Results],
    names: tuple[str, ...],
) -> None:
    """Some of the results, in both precisions, are those of the definition."""
    for p in problems:
        expected = {name: definition(p)[name] for name in names}
        for dtype in DTYPES:
            _agree(run(case.thing, p, dtype), expected, f"{np.dtype(dtype)}, {p}")


def _agree(found: Results, expected: Results, circumstance: str) -> None:
    """Equal within the rounding of what was found."""
    tolerance = ROUNDING.get(found["y"].dtype, 1e-5)
    expect_all_same(found, expected, circumstance, tolerance=tolerance)
