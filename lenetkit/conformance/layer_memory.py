"""Checks of a layer's precision and its use of memory: its own, its caller's, scratch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance.common import Unchanged
from lenetkit.conformance.compare import (
    expect_all_same,
    expect_dtype,
    expect_finite,
    expect_own_memory,
    expect_untouched,
    warnings_as_failures,
)
from lenetkit.conformance.passes import BATCH, NEAR, LayerCase
from lenetkit.conformance.report import CheckFailed, CheckSkipped


def float32_is_kept(case: LayerCase) -> None:
    """float32 in, float32 out: output and input gradient, in both modes."""
    _expect_dtype_kept(
        case,
        np.float32,
        "a float64 array, or a NumPy float64 number, promotes; Python numbers do not: "
        "use x.dtype.type(value), or float(value)",
    )


def float64_is_kept(case: LayerCase) -> None:
    """float64 in, float64 out: output and input gradient, in both modes."""
    _expect_dtype_kept(
        case, np.float64, "an array is made with a fixed dtype; make it with x.dtype"
    )


def both_precisions_agree(case: LayerCase) -> None:
    """Results in float32 are those in float64, to about four digits."""
    x = case.x(dtype=np.float32)
    params = case.params(np.float32)
    wide: dict[str, Array] = {name: values.astype(np.float64) for name, values in params.items()}
    dy = case.dy(case.output(x).shape, np.float32)
    single = case.results(x, dy=dy, params=params)
    double = case.results(x.astype(np.float64), dy=dy.astype(np.float64), params=wide)
    cause = "a difference of nearly equal numbers, or a branch that depends on the dtype"
    expect_all_same(single, double, "float32", tolerance=1e-4, cause=cause)


def results_are_finite(case: LayerCase) -> None:
    """Output and gradients of ordinary values are finite, and no warning is given."""
    with warnings_as_failures("a pass", "an overflow, or a division by 0"):
        found = case.results(case.x())
    for name, values in found.items():
        expect_finite(values, name)


def input_is_not_written_to(case: LayerCase) -> None:
    """Neither forward nor backward changes a value of `x`, in either mode."""
    for training in (True, False):
        x = case.x()
        before, params, call = x.copy(), case.params(), case.call(training=training)
        y, saved = case.forward(params, x, call)
        with _naming_the_writer(case, training):
            expect_untouched(x, before, "x", "forward")
        case.backward(params, saved, case.dy(y.shape), case.grads(), call)
        with _naming_the_writer(case, training):
            expect_untouched(x, before, "x", "backward")


def read_only_input_is_accepted(case: LayerCase) -> None:
    """An input that cannot be written to, such as a memory-mapped one, gives the same results."""
    x = case.x()
    expected = case.results(x)
    x.flags.writeable = False
    expect_all_same(case.results(x), expected, "read-only x", tolerance=NEAR)


def parameters_are_not_written_to(case: LayerCase) -> None:
    """Parameters are not changed; only state may change, and only in training."""
    if not case.specs and not case.state_specs:
        raise CheckSkipped("the layer has neither parameters nor state")
    for training in (True, False):
        params, call = case.params(), case.call(training=training)
        kept = dict(params) if training else {**params, **call.state}
        before = {name: values.copy() for name, values in kept.items()}
        y, saved = case.forward(params, case.x(), call)
        case.backward(params, saved, case.dy(y.shape), case.grads(), call)
        mode = "a pass in training" if training else "a pass in inference"
        for name, values in kept.items():
            expect_untouched(values, before[name], name, mode)


def scratch_contents_do_not_matter(case: LayerCase) -> None:
    """Scratch memory full of NaN gives the same results as scratch memory full of 0."""
    for dtype, training in itertools.product((np.float64, np.float32), (True, False)):
        x = case.x(dtype=dtype)
        clean = case.results(x, call=case.call(training=training, dtype=dtype, fill=0.0))
        poisoned = case.results(x, call=case.call(training=training, dtype=dtype, fill=np.nan))
        cause = "call.scratch hands out uninitialized memory; fill it before adding to it"
        expect_all_same(poisoned, clean, "poisoned scratch", tolerance=NEAR, cause=cause)


def used_call_gives_the_results_of_a_fresh_one(case: LayerCase) -> None:
    """One call serves batch after batch, of other sizes too, as at the end of an epoch."""
    for training in (True, False):
        call = case.call(training=training)
        for turn, batch in enumerate((BATCH, 1, BATCH + 1)):
            x = case.x(batch, seed=turn)
            fresh = case.results(x, call=case.call(training=training))
            call.state = case.state()
            found = case.results(x, call=call)
            cause = "something from an earlier batch is kept, perhaps a buffer of its size"
            expect_all_same(found, fresh, f"batch {turn} of a call", tolerance=NEAR, cause=cause)


def memory_order_does_not_matter(case: LayerCase) -> None:
    """Inputs and gradients that are not contiguous give the same results."""
    x = case.x()
    wide = np.repeat(x, 2, axis=-1)
    backwards = x[::-1, ..., ::-1].copy()
    orders = {
        "in Fortran order": np.asfortranarray(x),
        "of every other value": wide[..., ::2],
        "reversed in memory": backwards[::-1, ..., ::-1],
    }
    for training in (True, False):
        dy = case.dy(case.output(x, training=training).shape)
        expected = case.results(x, dy=dy, call=case.call(training=training))
        for order, same in orders.items():
            call = case.call(training=training)
            found = case.results(same, dy=np.asfortranarray(dy), call=call)
            cause = "ravel, .data, or reshape read memory in another order than the indices"
            expect_all_same(found, expected, f"x {order}", tolerance=NEAR, cause=cause)


def interleaved_passes_do_not_mix(case: LayerCase) -> None:
    """Two forwards, then their two backwards: each as if run alone. The layer keeps nothing."""
    calls = case.call(), case.call()
    params = case.params(seed=1), case.params(seed=2)
    x = case.x(BATCH, seed=1), case.x(BATCH + 1, seed=2)
    forwards = [case.forward(params[i], x[i], calls[i]) for i in range(2)]
    outputs = [y.copy() for y, _ in forwards]
    for i in range(2):
        grads, dy = case.grads(), case.dy(outputs[i].shape, seed=i)
        dx = case.backward(params[i], forwards[i][1], dy.copy(), grads, calls[i])
        found = {"y": outputs[i]} | {f"gradient of {n}": g for n, g in grads.items()}
        if dx is not None:
            found["dx"] = dx
        expected = case.results(x[i], dy=dy, params=case.params(seed=i + 1))
        cause = "the second forward overwrote what the first one's backward needs (self.x = x?)"
        circumstance = f"pass {i + 1} of two interleaved"
        expect_all_same(found, expected, circumstance, tolerance=NEAR, cause=cause)


def evaluation_may_come_between(case: LayerCase) -> None:
    """A pass in inference mode between forward and backward of training changes no gradient."""
    x, params, call, grads = case.x(), case.params(), case.call(), case.grads()
    y, saved = case.forward(params, x, call)
    dy = case.dy(y.shape)
    found = {"y": y.copy()}
    case.output(case.x(BATCH + 1, seed=5), training=False)
    dx = case.backward(params, saved, dy.copy(), grads, call)
    found |= {f"gradient of {n}": g for n, g in grads.items()}
    if dx is not None:
        found["dx"] = dx
    expected = case.results(x, dy=dy)
    cause = "what backward needs is kept in the layer instead of being returned by forward"
    expect_all_same(found, expected, "evaluated in between", tolerance=NEAR, cause=cause)


def layer_holds_no_state(case: LayerCase) -> None:
    """After passes in both modes the layer and its class hold exactly what they held before."""
    layer = case.planned
    unchanged = Unchanged(layer)
    for training in (True, False):
        mode = "training" if training else "inference"
        call, params = case.call(training=training), case.params()
        y, saved = case.forward(params, case.x(), call)
        unchanged.expect(f"forward in {mode}")
        case.backward(params, saved, case.dy(y.shape), case.grads(), call)
        unchanged.expect(f"backward in {mode}")


def results_are_arrays_of_their_own(case: LayerCase) -> None:
    """What `forward` and `backward` return are plain arrays, of memory that is nobody else's.

    A pass may return what it was given, or a view of it. What it returns can be written to, holds
    every value once, and is not memory of parameters, gradients or state; what `backward` returns
    is not memory of input or output either.
    """
    for training in (True, False):
        x, params, grads = case.x(), case.params(), case.grads()
        call = case.call(training=training)
        kept = {f"the parameter {name}": values for name, values in params.items()}
        kept |= {f"the gradient of {name}": values for name, values in grads.items()}
        kept |= {f"the state {name}": values for name, values in call.state.items()}
        y, saved = case.forward(params, x, call)
        expect_own_memory(y, "what forward returns", kept, given=x)
        dy = case.dy(y.shape)
        dx = case.backward(params, saved, dy, grads, call)
        if dx is not None:
            others = {"the input, x": x, "the output, y": y, **kept}
            expect_own_memory(dx, "what backward returns", others, given=dy)


def output_is_not_written_to(case: LayerCase) -> None:
    """`backward` leaves the output as it is: the next layer and the loss have seen it."""
    for training in (True, False):
        params, call = case.params(), case.call(training=training)
        y, saved = case.forward(params, case.x(), call)
        before = y.copy()
        case.backward(params, saved, case.dy(y.shape), case.grads(), call)
        expect_untouched(y, before, "y", "backward")


@contextmanager
def _naming_the_writer(case: LayerCase, training: bool) -> Iterator[None]:
    """Let a failure come from the line that writes to x: it raises where x is read-only."""
    try:
        yield
    except CheckFailed as failure:
        x = case.x()
        x.flags.writeable = False
        try:
            case.results(x, call=case.call(training=training))
        except Exception as error:
            raise failure from error
        raise


def _expect_dtype_kept(case: LayerCase, dtype: Any, cause: str) -> None:
    for training in (True, False):
        mode = "training" if training else "inference"
        call = case.call(training=training, dtype=dtype)
        found = case.results(case.x(dtype=dtype), call=call)
        for name in ("y", "dx"):
            if name in found:
                expect_dtype(found[name], dtype, f"{name} in {mode}", cause)
