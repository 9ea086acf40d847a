"""Whether a layer is right in one circumstance: a batch size, a shape, values, options.

Few passes decide it, so that many circumstances can be tried. Where a few passes find something,
central differences by single values have the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance.compare import (
    expect_dtype,
    expect_finite,
    expect_same,
    expect_shape,
)
from lenetkit.conformance.likely_term import likely_term
from lenetkit.conformance.numeric import (
    MAX_VALUES,
    disagreement,
    doubtful,
    expect_gradient,
    expect_squared_jacobian,
)
from lenetkit.conformance.passes import BATCH, LayerCase, VariedCase
from lenetkit.conformance.report import CheckFailed, is_announced
from lenetkit.layers.base import Params, SecondOrderLayer
from lenetkit.layers.call import Call

_SUSPECTS = 2
"""Images whose gradients are compared value by value, if a batch's is wrong."""


def expect_right(
    case: LayerCase, circumstance: str, batch: int = BATCH, modes: Sequence[bool] = (True, False)
) -> None:
    """Raises CheckFailed unless shapes, gradients and precision are right, in training or not."""
    declared = case.planned.output_shape(case.in_shape)
    for training in modes:
        with in_circumstance(circumstance):
            x = case.x(batch)
            found = case.results(x, call=case.call(training=training))
            expect_shape(found["y"], (batch, *declared), "y")
            if "dx" in found:
                expect_shape(found["dx"], x.shape, "dx")
            for name, values in found.items():
                expect_finite(values, name)
            expect_gradients(case, batch, found, training=training)
            expect_single_precision(case, batch, found, training=training)


def expect_gradients(
    case: LayerCase, batch: int, found: dict[str, Array], *, training: bool
) -> None:
    """Raises CheckFailed unless gradients agree with central differences.

    Those that are announced as wrong are left out.
    """
    x, params = case.x(batch), case.params()
    dy = case.dy(found["y"].shape)
    larger = case.x_factor**0.5 if isinstance(case, VariedCase) else 1.0

    def forward() -> Array:
        return case.output(x, training=training, params=params)

    explain = partial(likely_term, case, training=training)
    if not training and is_announced("inference_gradients_are_right"):
        return
    if "dx" in found and not is_announced("input_gradient_is_right"):
        _expect_images(found["dx"], forward, x, dy, larger, partial(explain, "dx"))
    if not is_announced("parameter_gradients_are_right"):
        for name, values in params.items():
            gradient, what = found[f"gradient of {name}"], f"gradient of {name}"
            if disagreement(gradient, forward, values, dy, larger=larger) > 1:
                places = doubtful(gradient, forward, values, dy, larger)
                cause = partial(explain, name)
                expect_gradient(gradient, forward, values, dy, what, batch, cause, larger, places)


def expect_single_precision(
    case: LayerCase, batch: int, double: dict[str, Array], *, training: bool
) -> None:
    """Raises CheckFailed unless float32 is kept, and agrees where its range suffices."""
    params, x = case.params(np.float32), case.x(batch, np.float32)
    call = case.call(training=training, dtype=np.float32)
    dy = case.dy(double["y"].shape).astype(np.float32)
    found = case.results(x, call=call, params=params, dy=dy)
    for name in ("y", "dx"):
        if name in found:
            expect_dtype(found[name], np.float32, f"{name} of float32")
    sizes = [float(np.abs(values).max(initial=1)) for values in params.values()]
    ordinary = 0.05 * float(np.abs(x).max(initial=0)) * max(sizes, default=1.0)
    # a gradient of a parameter can be what is left of others that are larger, as in attention
    others = [0.2 * float(np.abs(double[f"gradient of {n}"]).max(initial=0)) for n in params]
    beside = max(ordinary, *others, 0.0)
    for name, values in double.items():
        largest = float(np.abs(values).max(initial=1e-3))
        scale = ordinary if name in ("y", "dx") else beside
        if name in found and largest < _LARGE:
            expect_same(
                found[name],
                values,
                f"float32: {name}",
                tolerance=2e-3 * max(1.0, scale / largest),  # 1 − y² of tanh has few digits
                cause="float32 overflows or loses digits on the way to a result that it could hold",
            )


def expect_second_derivatives(case: LayerCase, most: int = MAX_VALUES) -> None:
    """Raises CheckFailed unless `second_backward`, if there is one, agrees with differences."""
    layer = case.planned
    if not isinstance(layer, SecondOrderLayer):
        return
    x, params = case.x(), case.params()
    d2y = np.abs(case.dy(case.output(x).shape)) + 0.1

    def forward() -> Array:
        return case.output(x, params=params)

    d2x, d2grads = second_derivatives(layer, case, params, x, d2y, case.call())
    expect_squared_jacobian(d2x, forward, x, d2y, "d2x", most)
    for name, found in d2grads.items():
        what = f"second derivative of {name}"
        expect_squared_jacobian(found, forward, params[name], d2y, what, most)


def second_derivatives(
    layer: SecondOrderLayer, case: LayerCase, params: Params, x: Array, d2y: Array, call: Call
) -> tuple[Array, Params]:
    """d²L/dx² of one pass, and the parameters' second derivatives by name."""
    d2grads = case.grads(x.dtype)
    _, saved = layer.forward(params, x, call)
    return layer.second_backward(params, saved, d2y.copy(), d2grads, call).copy(), d2grads


_LARGE = 1e30
"""Results that are larger may overflow in float32."""


@contextmanager
def in_circumstance(circumstance: str) -> Iterator[None]:
    """Begin the message of a failure inside the block with the circumstance."""
    try:
        yield
    except CheckFailed as failure:
        told = f"{circumstance}: {failure}" if circumstance else f"{failure}"
        raise CheckFailed(told) from failure.__cause__


def _expect_images(
    dx: Array,
    forward: Callable[[], Array],
    x: Array,
    dy: Array,
    larger: float,
    explain: Callable[[], str],
) -> None:
    """Raises CheckFailed if the gradient of the images that are the most suspect is wrong."""
    if disagreement(dx, forward, x, dy, larger=larger) <= 1:
        return
    far = [disagreement(dx[i], forward, x[i], dy, larger=larger) for i in range(len(x))]
    worst = sorted(range(len(x)), key=lambda i: -far[i])[:_SUSPECTS]
    for i in sorted(i for i in worst if far[i] > 1):
        places = doubtful(dx[i], forward, x[i], dy, larger)
        what = f"dx of image {i}"
        expect_gradient(dx[i], forward, x[i], dy, what, len(x), explain, larger, places)
