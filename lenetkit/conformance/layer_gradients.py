"""Checks of a layer's gradients, against central differences in float64 and against one another."""

from __future__ import annotations

from functools import partial

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance.compare import (
    expect_all_same,
    expect_dtype,
    expect_finite,
    expect_same,
    expect_shape,
    fail,
)
from lenetkit.conformance.examination import expect_second_derivatives, second_derivatives
from lenetkit.conformance.likely_term import likely_term
from lenetkit.conformance.numeric import expect_gradient
from lenetkit.conformance.passes import BATCH, NEAR, LayerCase
from lenetkit.conformance.report import CheckSkipped
from lenetkit.layers.base import SecondOrderLayer


def input_gradient_is_right(case: LayerCase) -> None:
    """In training, dL/dx agrees with central differences."""
    _expect_input_gradient(case, training=True)


def parameter_gradients_are_right(case: LayerCase) -> None:
    """In training, the gradient of every trainable parameter agrees with central differences."""
    _expect_parameter_gradients(case, training=True)


def inference_gradients_are_right(case: LayerCase) -> None:
    """In inference mode too, all gradients agree with central differences."""
    _expect_input_gradient(case, training=False)
    if case.grads():
        _expect_parameter_gradients(case, training=False)


def gradients_are_written(case: LayerCase) -> None:
    """Gradients replace what was in `grads`; they are not added to it."""
    _skip_without_trainables(case)
    x = case.x()
    from_nan = case.results(x)
    from_seven = case.results(x, grads=case.grads(fill=7.0))
    for name in case.grads():
        found, other = from_nan[f"gradient of {name}"], from_seven[f"gradient of {name}"]
        cause = f"grads['{name}'] += … adds to the last batch's; write grads['{name}'][...] = …"
        expect_same(found, other, f"gradient of {name}, where NaN and where 7 was", cause=cause)


def gradients_are_those_without_input_gradient(case: LayerCase) -> None:
    """With `needs_input_grad` False the parameters' gradients are the same."""
    _skip_without_trainables(case)
    call = case.call()
    call.needs_input_grad = False
    found = case.results(case.x(), call=call)
    expected = case.results(case.x())
    expect_all_same(
        found,
        {name: expected[name] for name in expected if name != "dx"},
        "without needs_input_grad",
        tolerance=NEAR,
        cause="backward returns before it has written all gradients",
    )


def backward_is_linear(case: LayerCase) -> None:
    """Gradients are linear in dL/dy: those of 2a − b are 2 times a's less b's; of 0 they are 0."""
    x = case.x()
    shape = case.output(x).shape
    a, b = case.dy(shape, seed=1), case.dy(shape, seed=2)
    of_a, of_b = case.results(x, dy=a), case.results(x, dy=b)
    both, zero = case.results(x, dy=2 * a - b), case.results(x, dy=np.zeros(shape))
    cause = "backward clips, rounds or normalizes, or adds something that is not part of dL/dy"
    for name in [name for name in both if name != "y"]:
        expected = 2 * of_a[name] - of_b[name]
        expect_same(both[name], expected, f"{name} for 2a − b", tolerance=NEAR, cause=cause)
        nothing = np.zeros_like(expected)
        expect_same(zero[name], nothing, f"{name} for dL/dy = 0", tolerance=NEAR, cause=cause)


def gradients_add_up_over_the_batch(case: LayerCase) -> None:
    """In inference mode a batch's parameter gradients are the sum of its images'."""
    _skip_without_trainables(case)
    x = case.x()
    dy = case.dy(case.output(x, training=False).shape)

    def of(images: slice) -> dict[str, Array]:
        return case.results(x[images], dy=dy[images], call=case.call(training=False))

    together, alone = of(slice(None)), [of(slice(i, i + 1)) for i in range(BATCH)]
    for name in [f"gradient of {name}" for name in case.grads()]:
        expected = np.sum([one[name] for one in alone], axis=0)
        cause = "a mean over the batch; sum over it, because the loss takes the mean"
        expect_same(together[name], expected, name, tolerance=NEAR, cause=cause)


def second_backward_is_right(case: LayerCase) -> None:
    """`second_backward`, if there is one, agrees with the squares of a numeric Jacobian."""
    if not isinstance(case.planned, SecondOrderLayer):
        raise CheckSkipped("the layer is not a SecondOrderLayer")
    expect_second_derivatives(case)


def second_backward_keeps_shape_and_dtype(case: LayerCase) -> None:
    """`second_backward`, if there is one, keeps shapes and float32, whatever scratch holds."""
    if not isinstance(case.planned, SecondOrderLayer):
        raise CheckSkipped("the layer is not a SecondOrderLayer")
    for batch in (0, 1, BATCH):
        x, params = case.x(batch, np.float32), case.params(np.float32)
        d2y = np.abs(case.dy(case.output(x, params=params).shape, np.float32))
        call = case.call(dtype=np.float32, fill=np.nan)
        d2x, d2grads = second_derivatives(case.planned, case, params, x, d2y, call)
        expect_shape(d2x, x.shape, f"d2x of a batch of {batch}")
        expect_dtype(d2x, np.float32, "d2x")
        cause = "a part that is never written, or scratch memory that is not filled first"
        for name, found in {"d2x": d2x, **d2grads}.items():
            expect_finite(found, f"second derivative, {name}, batch of {batch}", cause)


def _skip_without_trainables(case: LayerCase) -> None:
    if not case.grads():
        raise CheckSkipped("the layer has no trainable parameters")


def _expect_input_gradient(case: LayerCase, *, training: bool) -> None:
    x, params = case.x(), case.params()
    found = case.results(x, call=case.call(training=training))
    if "dx" not in found:
        raise fail("backward: expected dL/dx, found None although call.needs_input_grad is True")

    def forward() -> Array:
        return case.output(x, training=training, params=params)

    what = "dx" if training else "dx in inference"
    dy, explain = case.dy(found["y"].shape), partial(likely_term, case, "dx", training=training)
    expect_gradient(found["dx"], forward, x, dy, what, BATCH, explain)


def _expect_parameter_gradients(case: LayerCase, *, training: bool) -> None:
    _skip_without_trainables(case)
    x, params = case.x(), case.params()
    found = case.results(x, call=case.call(training=training))

    def forward() -> Array:
        return case.output(x, training=training, params=params)

    for name in case.grads():
        what = f"gradient of {name}" + ("" if training else " in inference")
        gradient, dy = found[f"gradient of {name}"], case.dy(found["y"].shape)
        explain = partial(likely_term, case, name, training=training)
        expect_gradient(gradient, forward, params[name], dy, what, BATCH, explain)
