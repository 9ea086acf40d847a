"""What `lenetkit.kernels` promises of every kernel set.

Results are compared with the definitions, and fused layers with those that they replace, within
rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance import compare, fusions, threads
from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.definition import Definition
from lenetkit.conformance.operation_cases import (
    AVG_POOLINGS,
    CONVOLUTIONS,
    MAX_POOLINGS,
    OperationCase,
    Results,
    of_every_combination,
    of_every_size,
)
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.passes import FilledCall
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.kernels.base import Kernels
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.call import Call
from lenetkit.runs.environment import versions as own_versions

DTYPES: tuple[Any, ...] = (np.float32, np.float64)
GRID: tuple[OperationCase, ...] = (*CONVOLUTIONS, *MAX_POOLINGS, *AVG_POOLINGS)


@dataclass(frozen=True)
class KernelsCase:
    """A kernel set under test."""

    thing: Kernels

    @cached_property
    def fusions(self) -> tuple[fusions.Fusion, ...]:
        """Every fusion that it makes of layers that ship or that its module defines."""
        return tuple(fusions.made_by(self.thing))


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
    for p in CONVOLUTIONS:
        expected = {n: values for n, values in p.expected.items() if n != "d_bias"}
        expected["y"] = expected["y"] - p.inputs["bias"][:, None, None]
        for dtype in DTYPES:
            without = replace(p, has_bias=False)
            _expect_close(without.run(case.thing, dtype), expected, f"{np.dtype(dtype)}, {without}")


def conv2d_without_input_gradient(case: KernelsCase) -> None:
    """With `needs_input_grad` False, the parameter gradients stay the same."""
    for p in CONVOLUTIONS:
        expected = {n: values for n, values in p.expected.items() if n != "dx"}
        for dtype in DTYPES:
            without = replace(p, needs_dx=False)
            _expect_close(without.run(case.thing, dtype), expected, f"{np.dtype(dtype)}, {without}")


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
        replace(CONVOLUTIONS[0], shape=(64, 1, 28, 28)),
        replace(CONVOLUTIONS[0], shape=(65, 6, 12, 12), maps=16),
        replace(CONVOLUTIONS[5], shape=(9, 40, 10, 11), maps=40),
        replace(CONVOLUTIONS[5], shape=(513, 3, 6, 5), maps=9),
        *(replace(p, shape=(64, 6, 24, 23)) for p in _poolings(0)),
        *(replace(p, shape=(300, 2, 9, 8)) for p in (CONVOLUTIONS[5], *_poolings(2))),
    )
    for p in large:
        expected = p.run(NumpyKernels(), np.float64)
        for dtype in DTYPES:
            _expect_close(p.run(case.thing, dtype), expected, f"{p}, compared with NumPy kernels")


def no_size_is_an_exception(case: KernelsCase) -> None:
    """Batches, channels, maps, windows and images of 1, 2, … 40 all follow the definition."""
    for p in of_every_size(40):
        expected = p.run(Definition(), np.float64)
        _expect_close(p.run(case.thing, np.float32), expected, str(p))


def no_combination_is_an_exception(case: KernelsCase) -> None:
    """Kernel sizes, strides, paddings, dilations and groups may be used with each other."""
    for p in of_every_combination():
        expected = p.run(Definition(), np.float64)
        _expect_close(p.run(case.thing, np.float32), expected, str(p))


def the_same_call_gives_the_same_bits(case: KernelsCase) -> None:
    """Repeated runs give the same results, bit for bit."""
    large = replace(CONVOLUTIONS[0], shape=(64, 1, 28, 28))
    for p in (large, *CONVOLUTIONS[1:4], *CONVOLUTIONS[-4:], *_poolings(3)):
        first = p.run(case.thing, np.float32)
        for _ in range(3):
            cause = "threads add up in a varying order; give each thread its own part of the sum"
            found = p.run(case.thing, np.float32)
            compare.expect_all_same(found, first, str(p), cause=cause)


def inputs_are_not_written_to(case: KernelsCase) -> None:
    """Images, weights and biases stay as they are; only `dy` in a backward pass may be reused."""
    for p in GRID:
        for dtype in DTYPES:
            arrays = {name: values.astype(dtype) for name, values in p.inputs.items()}
            before = {name: values.copy() for name, values in arrays.items()}
            p.run(case.thing, dtype, given=arrays)
            for name, values in arrays.items():
                compare.expect_untouched(values, before[name], name, f"{type(p).__name__}, {p}")


def results_are_arrays_of_their_own(case: KernelsCase) -> None:
    """Results are plain arrays that can be written to, and share no memory with the inputs.

    The output keeps its values in a backward pass. dx may be `dy`, written over.
    """
    for p in GRID:
        arrays, call = p.arrays(np.float32), Call(case.thing)
        y, saved = p.forward(case.thing, arrays, call.scratch)
        compare.expect_own_memory(y, f"y, {p}", {n: arrays[n] for n in p.inputs})
        before = y.copy()
        gradients = p.backward(case.thing, saved, arrays, call.scratch)
        compare.expect_same(y, before, f"y after backward, {p}", cause="backward writes to it")
        if "dx" in gradients:
            others = {n: arrays[n] for n in p.inputs} | {"y": y}
            others |= {n: values for n, values in gradients.items() if n != "dx"}
            compare.expect_own_memory(gradients["dx"], f"dx, {p}", others)


def nan_and_infinity_come_through(case: KernelsCase) -> None:
    """Where a window holds NaN or an infinity, its output is not finite; likewise for gradients.

    Other images of the batch stay as they are.
    """
    for p in (*CONVOLUTIONS, *(p for p in GRID if p not in CONVOLUTIONS and not p.ties)):
        if len(p.x) > 1 and p.scale == 1:
            for name in ("x", "dy"):
                _expect_not_finite(case, p, name, np.nan)
            _expect_not_finite(case, p, "x", np.inf)


def scratch_contents_do_not_matter(case: KernelsCase) -> None:
    """Scratch memory full of NaN gives the same results as scratch memory full of 0."""
    for p in GRID:
        clean, poisoned = (
            p.run(case.thing, np.float32, call=FilledCall(case.thing, fill=fill))
            for fill in (0.0, np.nan)
        )
        cause = "scratch memory is uninitialized; fill it before adding to it"
        _expect_close(poisoned, clean, f"scratch memory full of NaN, {p}", cause)


def dtype_and_shape_are_kept(case: KernelsCase) -> None:
    """Results have the dtype of the input and the shapes that follow from the window."""
    for p in GRID:
        for dtype in DTYPES:
            found = p.run(case.thing, dtype)
            compare.expect_shape(found["y"], p.out_shape, f"y, {p}")
            compare.expect_shape(found["dx"], p.shape, f"dx, {p}")
            for name in ("y", "dx"):
                compare.expect_dtype(found[name], dtype, f"{name}, {p}")


def memory_order_does_not_matter(case: KernelsCase) -> None:
    """Images and gradients that are not contiguous, or images read-only, give the same results."""
    for p in GRID:
        dtype = DTYPES[len(p.x) % 2]
        expected = p.run(case.thing, dtype)
        for given in _same_values(p.x.astype(dtype), p.dy.astype(dtype)):
            found = p.run(case.thing, dtype, given=given)
            _expect_close(found, expected, f"x or dy not contiguous, {p}")


def empty_batch(case: KernelsCase) -> None:
    """A batch of 0 images gives empty results and parameter gradients of 0, without a warning."""
    for p in GRID:
        empty = p.with_batch(0)
        with compare.warnings_as_failures(f"batch of 0, {empty}"):
            found = empty.run(case.thing, np.float32)
        compare.expect_shape(found["y"], empty.out_shape, f"y, {empty}")
        compare.expect_shape(found["dx"], empty.shape, f"dx, {empty}")
        for name in found.keys() - {"y", "dx"}:
            compare.expect_same(found[name], np.zeros_like(found[name]), f"{name}, {empty}")


def scratch_serves_batch_after_batch(case: KernelsCase) -> None:
    """Used scratch memory gives batches of other sizes the same results as fresh memory."""
    for p in (*CONVOLUTIONS[:6], *CONVOLUTIONS[-6:-3], *_poolings(0), *_poolings(5)):
        call = FilledCall(case.thing, fill=0.0)
        for batch in (3, 1, 18, 4):
            q = p.with_batch(batch)
            expected = q.run(case.thing, np.float32)
            found = q.run(case.thing, np.float32, call=call)
            _expect_close(found, expected, f"used scratch memory, {q}")


def interleaved_passes_do_not_mix(case: KernelsCase) -> None:
    """A pass between a forward and its backward, with other scratch memory, changes nothing."""
    for p, other in pairwise((*CONVOLUTIONS, CONVOLUTIONS[0], *_poolings(0), *_poolings(5))):
        expected = p.run(case.thing, np.float64)
        arrays, scratch = p.arrays(np.float64), Call(case.thing).scratch
        y, saved = p.forward(case.thing, arrays, scratch)
        other.with_batch(2).run(case.thing, np.float64)
        p.with_batch(len(p.x) + 1).run(case.thing, np.float64)
        found = {"y": y.copy()} | p.backward(case.thing, saved, arrays, scratch)
        cause = "what backward needs is kept outside of `saved` and scratch"
        _expect_close(found, expected, f"another pass in between, {p}", cause)


def kernels_hold_no_state(case: KernelsCase) -> None:
    """After use, the object and its class hold exactly what they held before."""
    unchanged = Unchanged(case.thing)
    for p in (CONVOLUTIONS[0], *_poolings(0)):
        p.run(case.thing, np.float32)
    unchanged.expect("a pass")


def fuse_answers_with_a_count_and_a_layer(case: KernelsCase) -> None:
    """For any layers `fuse` gives None, or how many it takes and one layer for them.

    At most one of those that it takes has parameters. The list stays as it is.
    """
    assert isinstance(case.fusions, tuple)  # asking is the check


def fused_layers_equal_those_they_replace(case: KernelsCase) -> None:
    """A fused layer gives the results of its layers, one by one by definition, and all gradients.

    Asked are all sequences of up to three shipped layers with many options, and of four with few;
    each fusion runs in training and inference, first and later in a network, on images of other
    sizes, with ties, with NaN, and in batches of 0 to 18.
    """
    for fusion in case.fusions:
        fusions.expect_equal(fusion, case.thing)


def thread_limits_hold_and_end(case: KernelsCase) -> None:
    """Inside `limited(n)`, `threads()` and those of matrix products are 1 to n; outside as before.

    Blocks nest, errors pass through them, and results inside are the same within rounding.
    """
    threads.expect_limits(case.thing)
    p = CONVOLUTIONS[0].with_batch(64)
    expected = p.run(case.thing, np.float32)
    for count in (1, 2, 3):
        with case.thing.limited(count):
            found = p.run(case.thing, np.float32)
        _expect_close(found, expected, f"inside limited({count}), {p}")


def best_threads_are_processors(case: KernelsCase) -> None:
    """`best_threads` gives a whole number from 1 to the number of processors, for any network."""
    threads.expect_best(case.thing)


def algorithm_is_a_line_of_text(case: KernelsCase) -> None:
    """`algorithm` gives text without line breaks, or none, for any layer, fused ones included."""
    for layer, shape in (
        *fusions.layers_with_shapes(),
        *((f.fused, f.shape) for f in case.fusions),
    ):
        for batch in (1, 64):
            what = f"algorithm({layer!r}, {shape}, {batch})"
            compare.expect_line(case.thing.algorithm(layer, shape, batch), what, empty=True)


def versions_are_named(case: KernelsCase) -> None:
    """`versions` gives a dict of names and versions that agrees with what lenetkit records."""
    found = case.thing.versions()
    if type(found) is not dict:
        raise compare.fail(f"versions: expected a dict, found {type(found).__name__}")
    for name, version in found.items():
        compare.expect_line(name, "versions: a name")
        compare.expect_line(version, f"versions: {name!r}")
    for name, version in own_versions(NumpyKernels()).items():
        if found.get(name, version) != version:
            raise compare.fail(f"versions: expected {name} {version}, found {found[name]}")
    if (again := case.thing.versions()) != found:
        cause = "a run could not be resumed"
        raise compare.fail(f"versions: expected {found} again, found {again}", cause)


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
    "no_size_is_an_exception",
    "no_combination_is_an_exception",
    "dtype_and_shape_are_kept",
    "memory_order_does_not_matter",
    "nan_and_infinity_come_through",
    "scratch_contents_do_not_matter",
    "scratch_serves_batch_after_batch",
    "the_same_call_gives_the_same_bits",
    "interleaved_passes_do_not_mix",
    "empty_batch",
    "thread_limits_hold_and_end",
    "fused_layers_equal_those_they_replace",
)
_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        *(
            (
                Rung(("inputs_are_not_written_to", "kernels_hold_no_state")),
                Rung(("results_are_arrays_of_their_own",)),
                Rung((forward,)),
                Rung(gradients, _DERIVED),
                Rung(
                    ("nan_and_infinity_come_through", "dtype_and_shape_are_kept"),
                    ("fused_layers_equal_those_they_replace",),
                ),
            )
            for forward, gradients in _DEFINITIONS.items()
        ),
        (
            Rung(("fuse_answers_with_a_count_and_a_layer",)),
            Rung((), ("fused_layers_equal_those_they_replace", "algorithm_is_a_line_of_text")),
        ),
    ),
    {
        "fuse": ("fuse_answers_with_a_count_and_a_layer", "fused_layers_equal_those_they_replace"),
        "limited": ("thread_limits_hold_and_end",),
        "best_threads": ("best_threads_are_processors",),
        "algorithm": ("algorithm_is_a_line_of_text",),
        "versions": ("versions_are_named",),
    },
    keep="use call.scratch for memory that is needed again",
)
SUITE = Suite(Kernels, KernelsCase, promises_in(__name__), _ORIGINS)
kernel_checks, check_kernels = SUITE.checks, SUITE.check


def _poolings(number: int) -> tuple[OperationCase, ...]:
    """One shape of the grid, for every kind of pooling."""
    return (MAX_POOLINGS[number], *AVG_POOLINGS[number :: len(MAX_POOLINGS)])


def _same_values(x: Array, dy: Array) -> list[Results]:
    """The same images and gradients in other memory: other orders, gaps, backwards, read-only."""
    apart, aparted = np.repeat(x, 2, axis=3)[..., ::2], np.repeat(dy, 2, axis=2)[:, :, ::2]
    last, images = (0, 2, 3, 1), (1, 2, 3, 0)
    read_only = x.copy()
    read_only.flags.writeable = False
    return [
        {"x": np.asfortranarray(x), "dy": np.asfortranarray(dy)},
        {"x": apart, "dy": aparted},
        {"x": _stored(x, last), "dy": dy},
        {"x": x, "dy": _stored(dy, last)},
        {"x": _stored(x, images), "dy": _stored(dy, images)},
        {"x": x[::-1, ::-1].copy()[::-1, ::-1], "dy": dy[..., ::-1].copy()[..., ::-1]},
        {"x": read_only, "dy": dy},
    ]


def _stored(values: Array, order: tuple[int, ...]) -> Array:
    """The same array, with its axes in another order in memory."""
    inverse = tuple(np.argsort(order))
    return np.ascontiguousarray(values.transpose(order)).transpose(inverse)


def _expect_not_finite(case: KernelsCase, p: OperationCase, name: str, value: float) -> None:
    """With `value` all over the first image and once in the last, as by definition."""
    array = {"x": p.x, "dy": p.dy}[name].copy()
    array[0] = array[-1, -1, array.shape[2] // 2, array.shape[3] // 2] = value
    with np.errstate(all="ignore"):
        expected = p.run(Definition(), np.float64, given={name: array})
        found = p.run(case.thing, np.float64, given={name: array})
    circumstance = f"{value} in {name}, {p}"
    for result, right in expected.items():
        if result == "dx" and name == "x":
            continue  # where several values are NaN, none is the largest
        compare.expect_not_finite(found[result], right, f"{circumstance}: {result}")
        if result in ("y", "dx"):
            _expect_close(
                {"y": found[result][1:-1]}, {"y": right[1:-1]}, f"{circumstance}, other images"
            )


def _expect_definition(case: KernelsCase, grid: Iterable[OperationCase], *names: str) -> None:
    """In both precisions, these results equal those by definition."""
    for p in grid:
        expected = {name: p.expected[name] for name in names}
        for dtype in DTYPES:
            _expect_close(p.run(case.thing, dtype), expected, f"{np.dtype(dtype)}, {p}")


def _expect_close(found: Results, expected: Results, circumstance: str, cause: str = "") -> None:
    """Equal within rounding in the dtype of `found`."""
    tolerance = compare.ROUNDING.get(found["y"].dtype, 1e-5)
    compare.expect_all_same(found, expected, circumstance, tolerance=tolerance, cause=cause)
