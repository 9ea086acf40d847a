"""Checks beyond the ordinary: larger batches and inputs, far values, both signs, NaN, options."""

from __future__ import annotations

import contextlib
from functools import partial

import numpy as np

from lenetkit.arrays import Array, Shape, shape_text, slices
from lenetkit.conformance.compare import expect_all_same, expect_same, fail, where
from lenetkit.conformance.examination import (
    expect_gradients,
    expect_right,
    expect_second_derivatives,
    expect_single_precision,
    in_circumstance,
)
from lenetkit.conformance.other_options import variants
from lenetkit.conformance.passes import BATCH, NEAR, LayerCase, VariedCase
from lenetkit.conformance.report import CheckSkipped, is_announced
from lenetkit.errors import ShapeError
from lenetkit.layers.base import with_inferred

SIZES = (2, *range(5, 14), 15, 16, 17, 20, 24, 31, 32, 33, 50, 64, 65, 100, 128)
"""Batches; those of 0, 1, 3 and 4 are in other checks."""
IMAGES: tuple[Shape, ...] = ((9, 11, 10), (34, 6, 5), (2, 5, 36), (1, 35, 9))
ROWS: tuple[Shape, ...] = ((35,), (130,))
FAR = (4.0, 40.0, 400.0, 3334.0)
"""Factors for inputs in (−3, 3): up to about ±1e4."""
NAN_PLACES = 40


def batches_of_every_size_are_right(case: LayerCase) -> None:
    """In batches of 2 to 128 images, every image's gradient and the parameters' are right."""
    for batch in SIZES:
        modes = (True, False) if batch in (2, 9, 17, 64) else (True,)
        expect_right(case, f"batch of {batch}", batch, modes)
    for batch in (9, 17, 65):
        with in_circumstance(f"batch of {batch}"):
            _expect_same_images(case, batch)


def larger_inputs_are_right(case: LayerCase) -> None:
    """With more channels, higher, wider or longer inputs, results and gradients are right too."""
    tried = [shape for shape in (IMAGES, ROWS)[len(case.in_shape) == 1] if _takes(case, shape)]
    if len(case.in_shape) not in (1, 3) or not tried:
        raise CheckSkipped("the layer takes no larger input of those that are tried")
    for shape in tried:
        _expect_right_twice(LayerCase(case.thing, shape), f"input {shape_text(shape)}")


def far_inputs_are_right(case: LayerCase) -> None:
    """For inputs up to ±1e4 gradients are right, nothing is NaN, and nothing overflows on the way.

    An infinite output needs an infinite gradient, as that of exp(x) has.
    """
    for factor in FAR:
        far = VariedCase(case.thing, case.in_shape, x_factor=factor)
        for training in (True, False):
            what = f"inputs up to ±{3 * factor:,.0f}"
            with in_circumstance(what), np.errstate(all="ignore"):
                found = far.results(far.x(), call=far.call(training=training))
                if _is_in_range(found):
                    expect_gradients(far, BATCH, found, training=training)
                    expect_single_precision(far, BATCH, found, training=training)


def parameters_of_either_sign_are_right(case: LayerCase) -> None:
    """With parameters below 0, small and large ones, results and gradients are right too."""
    names = [*case.specs, *case.state_specs]
    if not names:
        raise CheckSkipped("the layer has neither parameters nor state")
    vary = partial(VariedCase, case.thing, case.in_shape)
    tried = {f"{name} of either sign": vary(mixed=frozenset([name])) for name in names}
    tried |= {f"parameters times {factor:g}": vary(factor=factor) for factor in (0.02, 8.0)}
    for circumstance, varied in tried.items():
        with np.errstate(all="ignore"):  # a variance below 0 has no root
            takes = np.isfinite(varied.output(varied.x(), training=False)).all()
        if takes:
            _expect_right_twice(varied, circumstance)


def other_options_are_right(case: LayerCase) -> None:
    """With other values of each option, results and gradients are right too."""
    tried = 0
    for variant in variants(case.thing, case.thing.inferred(case.in_shape), each=3):
        other = LayerCase(variant.thing, case.in_shape)
        if _takes(other, case.in_shape):
            expect_right(other, f"with {variant}")
            tried += 1
    if not tried:
        raise CheckSkipped("the layer has no option to vary")


def nan_is_passed_on(case: LayerCase) -> None:
    """NaN in x, dL/dy or a parameter shows in the results that depend on it, and in no other image.

    A layer that hides NaN lets a network that has diverged train on.
    """
    for training in (True, False):
        mode = "in training" if training else "in inference"
        with np.errstate(all="ignore"):
            _expect_nan_from_x(case, training, mode)
            _expect_nan_from_dy(case, training, mode)
            _expect_nan_from_params(case, training, mode)


_HIDES = "a comparison with NaN is False: np.where(x > 0, x, 0), np.fmax or np.nan… make a number"


def _expect_nan_from_x(case: LayerCase, training: bool, mode: str) -> None:
    """One image for each of some places, with NaN there, and a last one without."""
    base = case.x(1)[0].reshape(-1)
    count = min(NAN_PLACES, base.size)
    places = np.sort(np.random.default_rng(0).permutation(base.size)[:count])
    images = np.arange(count)

    def output(values: object) -> Array:
        x = np.tile(base, (count + 1, 1))
        x[images, places] = values
        y = case.output(x.reshape(-1, *case.in_shape), training=training)
        return y.reshape(count + 1, -1)

    pairs = [(v, v + 0.5) for v in (-1e4, -1.0, 0.25, 1e4)] + [(base[places], base[places] + 1e-3)]
    moved = np.array([output(one) != output(other) for one, other in pairs])
    nan = np.isnan(output(np.nan))
    for i in range(count):
        if nan[i].any() or not moved[:, i].any():
            continue
        at = where(np.unravel_index(int(places[i]), case.in_shape))
        raise fail(f"NaN in x{at}: expected NaN in y {mode}, found none", _HIDES)
    if nan[-1].any() and not training:
        raise fail("NaN in one image makes NaN of another image's output", "images are mixed")


def _expect_nan_from_dy(case: LayerCase, training: bool, mode: str) -> None:
    x = case.x()
    shape = case.output(x, training=training).shape
    size = int(np.prod(shape))
    for place in np.random.default_rng(1).permutation(size)[:8]:

        def backward(value: float, place: int = int(place)) -> dict[str, Array]:
            dy = case.dy(shape)
            dy.reshape(-1)[place] = value
            return case.results(x, dy=dy, call=case.call(training=training))

        one, other, nan = backward(1.0), backward(2.0), backward(np.nan)
        for name in one:
            if (one[name] != other[name]).any() and not np.isnan(nan[name]).any():
                at = where(np.unravel_index(int(place), shape))
                raise fail(f"NaN in dL/dy{at}: expected NaN in {name} {mode}, found none", _HIDES)


def _expect_nan_from_params(case: LayerCase, training: bool, mode: str) -> None:
    for name in case.specs:
        x, params = case.x(), case.params()
        before = case.output(x, training=training, params=params)
        value = params[name].reshape(-1)
        value[-1] *= 1.5
        moved = (case.output(x, training=training, params=params) != before).any()
        value[-1] = np.nan
        if moved and not np.isnan(case.output(x, training=training, params=params)).any():
            raise fail(f"NaN in {name}: expected NaN in y {mode}, found none", _HIDES)


def _expect_right_twice(case: LayerCase, circumstance: str) -> None:
    """`expect_right`, and second derivatives at some values. An option may approximate them."""
    expect_right(case, circumstance)
    if not is_announced("second_backward_is_right"):
        with in_circumstance(circumstance):
            expect_second_derivatives(case, most=12)


def _expect_same_images(case: LayerCase, batch: int) -> None:
    """In inference, images are as in batches of 3; in training too, if nothing tells them apart."""
    x = case.x(batch)
    dy = case.dy(case.output(x, training=False).shape)

    def results(images: slice, training: bool) -> dict[str, Array]:
        found = case.results(x[images], dy=dy[images], call=case.call(training=training))
        return {name: values for name, values in found.items() if name in ("y", "dx")}

    whole = results(slice(None), False)
    parts = [results(images, False) for images in slices(batch, BATCH)]
    for name, values in whole.items():
        alone = np.concatenate([part[name] for part in parts])
        cause = "what an image gives depends on its place in the batch, or on the batch's size"
        expect_same(values, alone, f"{name} in inference", tolerance=NEAR, cause=cause)
    if not case.is_random and not case.state_specs:
        cause = "what an image gives in training depends on its place in the batch"
        expect_all_same(
            results(slice(None), True), whole, "in training", tolerance=NEAR, cause=cause
        )


def _is_in_range(found: dict[str, Array]) -> bool:
    """Whether all results are finite. Raises CheckFailed for NaN, and for overflows on the way."""
    for name, values in found.items():
        if np.isnan(values).any():
            index = np.unravel_index(int(np.isnan(values).argmax()), values.shape)
            raise fail(
                f"{name}{where(index)}: expected a number, found nan",
                "∞ − ∞, ∞ / ∞ or 0 · ∞: an exponential overflows on the way",
            )
    finite = {name: bool(np.isfinite(values).all()) for name, values in found.items()}
    if all(finite.values()):
        return True
    if finite.get("dx", False) != finite["y"]:
        name, other = ("y", "dx") if finite.get("dx", False) else ("dx", "y")
        raise fail(
            f"{name} is infinite, {other} is not",
            "an exponential overflows on the way: rewrite it, as np.logaddexp(0, x) does",
        )
    return False


def _takes(case: LayerCase, shape: Shape) -> bool:
    """Whether the layer takes inputs of this shape."""
    with contextlib.suppress(ShapeError):
        layer, wrong = with_inferred(case.thing, shape)
        layer.output_shape(shape)
        return not wrong
    return False
