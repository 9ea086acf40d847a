"""Arrays from a user's program are read where they can only mean one thing, else refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.data.given import ANY_SCALE, PixelRange, as_images
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.transforms import Scale, Standardize, Transform
from lenetkit.errors import ArrayError, DataError

Array = NDArray[Any]
RNG = np.random.default_rng(0)
X: Array = RNG.integers(0, 256, (20, 1, 6, 5), np.uint8)
X[:, :, 0, 0], X[0, 0, 1, 1] = 0, 255
FOUND = r"images: expected pixels from 0 to 255, as stored, found "

ON_ANOTHER_SCALE = {
    "bool": (X > 127, r"bool values from 0 to 1, shape \(20, 1, 6, 5\); multiply by 255"),
    "uint8 0/1": ((X > 127).astype(np.uint8), "uint8 values from 0 to 1, .* multiply by 255"),
    "int64 0/1": ((X > 127).astype(int), "int64 values from 0 to 1, .* multiply by 255"),
    "floats to 1": (X / 255, "float64 values from 0 to 1, .* multiply by 255"),
    "rounded": (X / 255 * 1.0001, r"float64 values from 0 to 1\.0001, .* multiply by 255"),
    "float16": ((X / 255).astype("f2"), "float16 values from 0 to 1, .* multiply by 255"),
    "to 2": (X / 127.5, r"float64 values from 0 to 2, .* multiply by 127\.5, if 2 is white"),
    "standardized": (
        (X / 255 - 0.1307) / 0.3081,
        r"float64 values from -0\.42421 to 2\.8215, .*undo",
    ),
    "-1 to 1": (
        X / 127.5 - 1,
        r"float64 values from -1 to 1, .* for -1 … 1: \(images \+ 1\) \* 127\.5",
    ),
    "int8": (X.astype(np.int8), r"int8 values from -\d+ to \d+, .*: images\.view\('uint8'\)"),
    "overshoot": (X * 1.02 - 2, r".* to 258\.1, .*if they overshoot, images\.clip\(0, "),
    "-0.5 to 0.5": (X / 255 - 0.5, r".* for -0\.5 … 0\.5: \(images \+ 0\.5\) \* 255"),
    "negative": (X.astype(float) - 128, "float64 values from -128 to 127, "),
    "16 bits": (X.astype(np.uint16) * 257, "uint16 values from 0 to 65535, .* divide by 257"),
    "12 bits": (X / 255 * 4095, r"float64 values from 0 to 4095, .* divide by 16\.0588"),
    "nan": (np.where(X > 200, np.nan, X), r"float64 of shape \(20, 1, 6, 5\) with \d+ values that"),
    "infinite": (np.where(X > 254, np.inf, X), "float64 of shape .* nan or infinite"),
    "complex": (X + 0j, r"dtype complex128, shape \(20, 1, 6, 5\)$"),
    "objects": (X.astype(object), "dtype object, shape"),
    "strings": (X.astype(str), "dtype <U3, shape"),
    "dates": (X.astype("M8[D]"), r"dtype datetime64\[D\], shape"),
}
KINDS = ["u1", "u2", "i2", "i4", "i8", "f2", "f4", "f8", ">u2", ">f4"]


@pytest.mark.parametrize("name", ON_ANOTHER_SCALE)
def test_images_on_another_scale_are_refused_with_the_fix(name: str) -> None:
    images, said = ON_ANOTHER_SCALE[name]
    with pytest.raises(ArrayError, match=FOUND + said) as caught:
        PixelRange().expect(images, "images")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, DataError)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_of_any_type_are_taken(kind: str) -> None:
    PixelRange().expect(X.astype(kind), "images")
    PixelRange().expect(X[:1].astype(kind), "images")


@pytest.mark.parametrize("kind", [*KINDS, "?", "i1"])
def test_blank_images_are_on_any_scale(kind: str) -> None:
    for taken in (PixelRange(), PixelRange(0, 1), PixelRange(-0.4, 2.8)):
        taken.expect(np.zeros((1, 1, 6, 5), kind), "images")
    PixelRange().expect(np.full((2, 1, 6, 5), 255, np.uint8), "images")
    PixelRange().expect(np.zeros((0, 1, 6, 5), kind), "images")


def test_standardized_images_have_some_below_zero() -> None:
    taken = PixelRange(-0.4, 2.8)
    taken.expect(X / 255 * 3.2 - 0.4, "images")
    taken.expect(X[:1] / 255 + 0.5, "images")  # one bright image
    for other in (X / 255, X > 127, (X > 127).astype(int), X / 127.5 - 1):
        with pytest.raises(ArrayError, match="prepare them as the training images were"):
            taken.expect(other, "images")


def test_rounding_may_exceed_the_scale_a_little() -> None:
    PixelRange().expect(X * 1.0001, "images")
    PixelRange().expect(X - 1e-5, "images")
    PixelRange(0, 1).expect(X / 255 * 1.0001, "images")
    with pytest.raises(ArrayError, match=r"values from 0 to 280\.5"):
        PixelRange().expect(X * 1.1, "images")


@given(st.floats(0.02, 1.0), st.sampled_from(["f4", "f8"]))
def test_what_is_refused_for_one_scale_is_taken_by_the_other(share: float, kind: str) -> None:
    images = (X * share).astype(kind)
    PixelRange().expect(images, "images")
    PixelRange(0, 1).expect(images / 255, "images")
    with pytest.raises(ArrayError):
        PixelRange().expect(images / 255, "images")
    with pytest.raises(ArrayError, match=r"from 0 to 1, as in training, .*divide by 255$"):
        PixelRange(0, 1).expect(images, "images")


def learned(images: Array, *transforms: Transform) -> PixelRange:
    """The range of training images, with transforms fitted to them."""
    pipeline = Pipeline(tuple(t.fitted(images) for t in transforms), 2)
    return PixelRange.of(images, pipeline, "images")


STANDARDIZED = (X - X.mean()) / X.std()


@pytest.mark.parametrize(
    ("images", "transforms", "expected"),
    [
        (X, [Scale()], PixelRange()),
        (X, [], PixelRange()),
        (X.astype(np.float32), [Standardize()], PixelRange()),
        (X // 2, [Scale()], PixelRange()),
        (X / 255, [Scale()], PixelRange(0, 1)),
        (X > 127, [Scale(low=-1.0)], PixelRange(0, 1)),
        ((X > 127).astype(np.uint8), [Scale()], PixelRange(0, 1)),
        (X / 255, [], PixelRange(0, 1)),
        (X / 255, [Scale(high=255.0)], PixelRange(0, 1)),
        (X / 255, [Standardize()], PixelRange(0, 1)),
        (X // 16, [Scale(high=17.0)], PixelRange(0, 15)),
        (X.astype(np.int16) - 128, [Scale()], PixelRange(-128, 127)),
        (STANDARDIZED, [], PixelRange(STANDARDIZED.min(), STANDARDIZED.max())),
        (np.zeros_like(X), [Scale()], PixelRange()),
    ],
)
def test_the_range_of_training_images(
    images: Array, transforms: list[Transform], expected: PixelRange
) -> None:
    found = learned(images, *transforms)
    assert found == expected
    found.expect(images, "images")


@pytest.mark.parametrize(
    ("images", "transforms"),
    [
        (STANDARDIZED, [Scale()]),
        (X / 127.5 - 1, [Scale()]),
        (X // 16, [Scale()]),
        (X / 255, [Standardize(mean=0.13, std=0.3)]),
        (X.astype(np.uint16) * 257, [Scale()]),
        (X.astype(np.uint16) * 16, [Scale()]),
        (X.astype(np.uint16) * 16, []),
        (X.astype(np.int8), [Scale()]),
        (X.astype(np.int8), [Standardize()]),
        (np.where(X > 200, np.nan, X), [Scale()]),
        (X + 0j, [Scale()]),
        (X.astype(object), [Scale()]),
    ],
)
def test_training_images_that_the_transforms_do_not_suit_are_refused(
    images: Array, transforms: list[Transform]
) -> None:
    with pytest.raises(
        ArrayError, match=r"^images: expected pixels from 0 to 255, as stored, found"
    ):
        PixelRange.of(images, Pipeline(tuple(transforms), 2), "images")


@given(low=st.floats(-2, 1), span=st.floats(0.5, 3))
def test_scale_makes_the_same_of_0_to_1_as_of_0_to_255(low: float, span: float) -> None:
    scale = Scale(low=low, high=low + span)
    expected = scale.fitted(X).images(X, RNG)
    for images in (X / 255, (X / 255).astype(np.float32)):
        np.testing.assert_allclose(scale.fitted(images).images(images, RNG), expected, atol=1e-5)
    assert scale.fitted(X) == scale
    once = scale.fitted(X / 255)
    assert once.fitted(X / 255) == once


def test_pictures_come_to_the_scale_of_training() -> None:
    pictures = X.astype(np.uint8)
    assert PixelRange().from_bytes(pictures) is pictures
    np.testing.assert_allclose(PixelRange(0, 1).from_bytes(pictures), X / 255, atol=1e-6)
    np.testing.assert_allclose(PixelRange(-1, 1).from_bytes(pictures), X / 127.5 - 1, atol=1e-6)


GREY, COLOUR = X, RNG.integers(0, 256, (4, 3, 6, 5), np.uint8)


@pytest.mark.parametrize(
    "images",
    [GREY, GREY[:, 0], GREY.transpose(0, 2, 3, 1), GREY.reshape(20, 30), GREY.tolist(), list(GREY)],
    ids=["NCHW", "NHW", "NHWC", "rows", "lists", "a list of arrays"],
)
def test_layouts_that_mean_one_thing(images: Any) -> None:
    np.testing.assert_array_equal(as_images(images, (1, 6, 5)), GREY)


def test_layouts_of_colour() -> None:
    for images in (COLOUR, COLOUR.transpose(0, 2, 3, 1)):
        np.testing.assert_array_equal(as_images(images, (3, 6, 5)), COLOUR)


@pytest.mark.parametrize("images", [[], np.zeros((0, 6, 5)), np.zeros((0, 1, 6, 5)), np.zeros(0)])
def test_no_images(images: Any) -> None:
    assert as_images(images, (1, 6, 5)).shape == (0, 1, 6, 5)


ONE = "; for one image: image[None]"


@pytest.mark.parametrize(
    ("images", "shape", "hint"),
    [
        (GREY[0, 0], (1, 6, 5), ONE),
        (GREY[0, 0].ravel(), (1, 6, 5), ONE),
        (COLOUR[0], (3, 6, 5), ONE),
        (COLOUR[0].transpose(1, 2, 0), (3, 6, 5), ONE),
        (COLOUR[0, 0], (3, 6, 5), ""),
        (COLOUR[:, 0], (3, 6, 5), ""),
        (COLOUR.reshape(4, 90), (3, 6, 5), ""),
        (COLOUR, (1, 6, 5), ""),
        (GREY.transpose(0, 1, 3, 2), (1, 6, 5), ""),
        (GREY[..., None], (1, 6, 5), ""),
        (np.uint8(3), (1, 6, 5), ""),
    ],
)
def test_other_shapes_are_refused(images: Array, shape: tuple[int, ...], hint: str) -> None:
    layout = r"(N, 6, 5) or (N, 1, 6, 5)" if shape[0] == 1 else "(N, 3, 6, 5)"
    said = f"of {shape[0]}×6×5, an array {layout}, found shape {images.shape}{hint}"
    with pytest.raises(ArrayError, match=f"^expected images {re.escape(said)}$"):
        as_images(images, shape)


def test_images_of_different_sizes_are_refused() -> None:
    with pytest.raises(ArrayError, match=r"^expected images of one size, 1×6×5$"):
        as_images([np.zeros((6, 5)), np.zeros((5, 6))], (1, 6, 5))


FEATURES = np.random.default_rng(0).normal(0, 1e4, (5, 3))


def test_rows_of_features_are_taken_on_any_scale() -> None:
    as_they_are = Pipeline((), 2)
    assert PixelRange.of(FEATURES, as_they_are, "x") == ANY_SCALE
    for scaled in (FEATURES / 1e9, FEATURES * 0, FEATURES > 0, FEATURES.astype(np.int64)):
        assert PixelRange.of(scaled, as_they_are, "x").is_any
        ANY_SCALE.expect(scaled, "x")
    for wrong in (np.nan, np.inf):
        with pytest.raises(ArrayError, match=r"^x: expected real numbers, found float64 of shape"):
            ANY_SCALE.expect(np.full((2, 3), wrong), "x")


def test_features_that_are_scaled_as_pixels_are_named() -> None:
    with pytest.raises(ArrayError, match=r"need no transforms: set data\.transforms to \[\]$"):
        PixelRange.of(FEATURES, Pipeline((Scale(),), 2), "x")
    assert PixelRange.of(np.full((2, 3), 200.0), Pipeline((Scale(),), 2), "x") == PixelRange()


@pytest.mark.parametrize("given", [FEATURES, FEATURES.tolist(), FEATURES.astype(object)])
def test_features(given: Any) -> None:
    found = as_images(given, (3,))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, FEATURES)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (FEATURES[0], r"found shape \(3,\); for one row: row\[None\]$"),
        (FEATURES[:, 0], r"found shape \(5,\); for one column: column\[:, None\]$"),
        (FEATURES[:, :2], r"found shape \(5, 2\)$"),
        (FEATURES[None], r"found shape \(1, 5, 3\)$"),
        ("abc", r"found str$"),
    ],
)
def test_other_features_are_refused(given: Any, said: str) -> None:
    with pytest.raises(
        ArrayError, match=r"^expected rows of 3 features, an array \(N, 3\), " + said
    ):
        as_images(given, (3,))
