"""Transforms: their values, and what all of them promise."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lenetkit.data.augmentations import Crop, Cutout, Flip
from lenetkit.data.distortions import Elastic, RandomAffine
from lenetkit.data.transforms import Normalize, OneHot, Pad, Scale, Standardize, Transform
from lenetkit.errors import OptionError, ShapeError
from lenetkit.registry.catalog import installed

EXAMPLES: dict[str, list[Transform]] = {
    "scale": [Scale(), Scale(low=-1, high=1), Scale(low=0.5, high=-2)],
    "standardize": [Standardize(mean=0.13, std=0.31), Standardize(mean=0.0, std=2.0)],
    "pad": [
        Pad(padding=2),
        Pad(padding=(0, 3), value=255),
        Pad(padding=(2, 1), value=-0.5),
        Pad(padding=0),
    ],
    "normalize": [Normalize(mean=(0.13,), std=(0.31,)), Normalize(mean=(5.0,), std=(2.0,))],
    "one_hot": [OneHot()],
    "flip": [Flip(), Flip(horizontal=1), Flip(horizontal=0, vertical=0.5)],
    "crop": [Crop(), Crop(padding=(1, 0), value=0.5), Crop(padding=0)],
    "cutout": [Cutout(size=3), Cutout(size=40, value=255), Cutout(size=1, value=-1)],
    "random_affine": [
        RandomAffine(),
        RandomAffine(degrees=20, translate=(0.2, 0.1), scale=(0.7, 1.4), shear=15),
    ],
    "elastic": [Elastic(), Elastic(alpha=0), Elastic(alpha=8, sigma=0.5)],
}
ALL = [pytest.param(t, id=f"{name}{i}") for name, ts in EXAMPLES.items() for i, t in enumerate(ts)]
SHAPES = [(5, 1, 28, 28), (3, 3, 7, 10), (2, 2, 1, 1), (1, 1, 1, 9), (0, 1, 4, 4)]


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def random_images(shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
    return rng().integers(0, 256, shape).astype(dtype)


def test_every_transform_of_ours_has_examples() -> None:
    ours = [e for e in installed().registry(Transform).entries() if e.target[:9] == "lenetkit."]
    assert {entry.name for entry in ours} == set(EXAMPLES)
    for entry in ours:
        for example in EXAMPLES[entry.name]:
            assert type(example) is installed().registry(Transform).get(entry.name)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("transform", ALL)
def test_output_shape_is_the_shape_that_comes_out(
    transform: Transform, shape: tuple[int, ...]
) -> None:
    result = transform.images(random_images(shape), rng())
    assert result.shape == (shape[0], *transform.output_shape(shape[1:]))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("transform", ALL)
def test_nothing_becomes_float64(transform: Transform, dtype: str) -> None:
    result = transform.images(random_images((3, 1, 6, 6), dtype), rng())
    allowed = {"uint8": ["uint8", "float32"], "float32": ["float32"]}
    assert result.dtype in allowed.get(dtype, ["float32", "float64"])
    assert result.dtype.isnative


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("transform", ALL)
def test_input_is_never_written_to(transform: Transform, dtype: str) -> None:
    images, labels = random_images((3, 2, 6, 6), dtype), np.array([0, 2, 1])
    images_before, labels_before = images.copy(), labels.copy()
    images.flags.writeable = labels.flags.writeable = False
    result = transform.images(images, rng())
    transform.labels(labels, 3)
    np.testing.assert_array_equal(images, images_before)
    np.testing.assert_array_equal(labels, labels_before)
    assert result is images or not np.shares_memory(result, images)


@pytest.mark.parametrize("transform", ALL)
def test_layout_in_memory_does_not_matter(transform: Transform) -> None:
    images = random_images((4, 2, 6, 8))
    expected = transform.images(images, rng())
    for same in (np.asfortranarray(images), np.repeat(images, 2, 3)[..., ::2]):
        np.testing.assert_array_equal(transform.images(same, rng()), expected)


@pytest.mark.parametrize("transform", ALL)
def test_labels_are_left_alone_by_all_but_one_hot(transform: Transform) -> None:
    labels = np.array([0, 2, 1])
    changed = transform.labels(labels, 3)
    assert (changed is not labels) == isinstance(transform, OneHot)


@pytest.mark.parametrize("transform", ALL)
def test_what_needs_no_fitting_stays_as_it_is(transform: Transform) -> None:
    assert transform.fitted(random_images((5, 1, 4, 4))) == transform


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0), (0.0, 255.0)])
def test_scale_by_its_formula(low: float, high: float) -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    result = Scale(low=low, high=high).images(every, rng())
    expected = low + (high - low) * np.arange(256.0) / 255
    np.testing.assert_allclose(result.reshape(-1), expected, rtol=1e-6, atol=1e-6)
    assert result.dtype == np.float32


def test_standardize_by_its_formula() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    result = Standardize(mean=0.1307, std=0.3081).images(every, rng())
    expected = (np.arange(256.0) / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(result.reshape(-1), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_standardize_measures_what_numpy_does(dtype: str) -> None:
    images = random_images((200, 1, 28, 28), dtype)
    images[:150] = 0  # mostly background, as in MNIST
    fitted = Standardize().fitted(images)
    exact = images.astype(np.float64) / 255
    assert fitted.mean == pytest.approx(exact.mean(), rel=1e-12)
    assert fitted.std == pytest.approx(exact.std(), rel=1e-12)
    result = fitted.images(images, rng()).astype(np.float64)
    assert result.mean() == pytest.approx(0, abs=1e-6)
    assert result.std() == pytest.approx(1, abs=1e-6)


def test_standardize_measures_large_values_exactly() -> None:
    images = np.full((400, 1, 50, 50), 255, np.float32)
    images[::2] = 254
    fitted = Standardize().fitted(images)
    assert fitted.mean == pytest.approx(254.5 / 255, rel=1e-12)
    assert fitted.std == pytest.approx(0.5 / 255, rel=1e-9)


def test_standardize_measures_bytes_without_a_copy_of_them() -> None:
    images = random_images((5000, 1, 28, 28))
    tracemalloc.start()
    try:
        Standardize().fitted(images)
        assert tracemalloc.get_traced_memory()[1] < 2 * images.nbytes
    finally:
        tracemalloc.stop()


def test_standardize_keeps_what_is_given() -> None:
    images = random_images((10, 1, 8, 8))
    measured = Standardize().fitted(images)
    assert Standardize(mean=0.25).fitted(images) == replace(measured, mean=0.25)
    assert Standardize(std=2.0).fitted(images) == replace(measured, std=2.0)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_standardize_of_equal_images_is_zero_and_not_nan(dtype: str) -> None:
    images = np.full((4, 1, 3, 3), 51, dtype)
    fitted = Standardize().fitted(images)
    assert fitted.mean == pytest.approx(0.2)
    np.testing.assert_allclose(fitted.images(images, rng()), 0, atol=1e-6)


def test_standardize_unfitted_is_a_programming_error() -> None:
    with pytest.raises(RuntimeError, match="standardize has no mean and std"):
        Standardize().images(random_images((1, 1, 2, 2)), rng())


def test_pad_surrounds_the_image() -> None:
    images = random_images((2, 3, 4, 5))
    result = Pad(padding=(1, 2), value=7).images(images, rng())
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result[:, :, 1:-1, 2:-2], images)
    result[:, :, 1:-1, 2:-2] = 7
    assert (result == 7).all()


@pytest.mark.parametrize("value", [-1.0, 0.5, 300.0, 255.5])
def test_pad_value_that_bytes_cannot_hold_makes_floats(value: float) -> None:
    images = random_images((2, 1, 4, 4))
    result = Pad(padding=1, value=value).images(images, rng())
    assert result.dtype == np.float32
    assert (result[:, :, 0] == np.float32(value)).all()
    np.testing.assert_array_equal(result[:, :, 1:-1, 1:-1], images)


def test_one_hot_rows() -> None:
    rows = OneHot().labels(np.array([2, 0, 1, 2]), 4)
    np.testing.assert_array_equal(rows, [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    assert rows.dtype == np.float32


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (Pad, {"padding": -1}),
        (Pad, {"padding": [1, -1]}),
        (Pad, {"padding": [1, 2, 3]}),
        (Pad, {"padding": 1.5}),
        (Standardize, {"std": 0}),
        (Standardize, {"mean": float("nan")}),
        (Scale, {"low": "0"}),
        (RandomAffine, {"degrees": -1}),
        (RandomAffine, {"degrees": 181}),
        (RandomAffine, {"translate": [0, 1.1]}),
        (RandomAffine, {"scale": [0, 1]}),
        (RandomAffine, {"scale": [1.2, 0.8]}),
        (RandomAffine, {"shear": 90}),
        (Elastic, {"sigma": 0}),
        (Elastic, {"alpha": -1}),
    ],
)
def test_wrong_options_are_refused(make: type[Transform], options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        make(**options)


def test_normalize_is_torchvisions() -> None:
    images = random_images((2, 3, 4, 5), np.float32)
    found = Normalize(mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0)).images(images, rng())
    for c in range(3):
        np.testing.assert_allclose(found[:, c], (images[:, c] - (c + 1)) / 2 ** (c + 1))


def test_normalize_refuses_another_number_of_channels() -> None:
    with pytest.raises(ShapeError, match="expected one std per channel of 3×4×4, or one for all"):
        Normalize(mean=(0.5,), std=(1.0, 2.0)).output_shape((3, 4, 4))


@pytest.mark.parametrize("factor", [1.0, 1e-300, 1e300])
def test_normalize_measures_each_feature(factor: float) -> None:
    rows = rng().normal(size=(50, 3)) * [1, 100, 0.01] + [0, 5, 1e6]
    found = Normalize().fitted(rows * factor)
    result = found.images(rows * factor, rng())
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, (rows - rows.mean(0)) / rows.std(0), atol=1e-5)


def test_normalize_measures_each_channel_and_what_is_not_given() -> None:
    images = random_images((20, 2, 4, 5))
    found = Normalize(std=(2.0,)).fitted(images)
    assert found.mean == pytest.approx(images.mean(axis=(0, 2, 3)))
    assert found.std == (2.0,)
    result = Normalize().fitted(images).images(images, rng())
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.std(axis=(0, 2, 3)), [1, 1], rtol=1e-5)
    with pytest.raises(RuntimeError, match="normalize has no mean and std"):
        Normalize().images(images, rng())


@pytest.mark.parametrize("value", [0.0, 0.1, -1e12, 1e300, 255])
def test_constants_are_normalized_to_zero(value: float) -> None:
    rows = np.full((30, 1), value)
    found = Normalize().fitted(rows)
    assert found.std == (1.0,)
    assert abs(found.images(rows, rng())).max() <= 1e-15 * abs(value)


def test_normalize_refuses_another_number_of_features() -> None:
    with pytest.raises(ShapeError, match="expected one mean per feature of 4, or one for all"):
        Normalize(mean=(0.5, 1.0)).output_shape((4,))


def test_flips_mirror_whole_images() -> None:
    images = random_images((200, 1, 3, 4))
    both = Flip(horizontal=1, vertical=1).images(images, rng())
    np.testing.assert_array_equal(both, images[:, :, ::-1, ::-1])
    found = Flip(horizontal=0.25).images(images, rng())
    flipped = (found == images[..., ::-1]).all(axis=(1, 2, 3))
    assert (flipped | (found == images).all(axis=(1, 2, 3))).all()
    assert 25 < flipped.sum() < 80


def test_crops_are_shifts_by_up_to_the_padding() -> None:
    images = np.zeros((500, 1, 9, 9), np.uint8)
    images[:, :, 4, 4] = 255
    _, _, rows, columns = Crop(padding=(2, 1)).images(images, rng()).nonzero()
    assert set(rows.tolist()) == {2, 3, 4, 5, 6}
    assert set(columns.tolist()) == {3, 4, 5}


def test_cutout_covers_a_square_that_may_reach_beyond_the_edge() -> None:
    images = np.full((300, 2, 8, 9), 7, np.uint8)
    covered = Cutout(size=4, value=1).images(images, rng()) == 1
    np.testing.assert_array_equal(covered[:, 0], covered[:, 1])
    heights = covered[:, 0].any(axis=2).sum(axis=1)
    widths = covered[:, 0].any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(covered[:, 0].sum(axis=(1, 2)), heights * widths)
    assert set(heights.tolist()) == set(widths.tolist()) == {2, 3, 4}


def test_values_that_differ_by_rounding_are_constant() -> None:
    assert Normalize().fitted(np.array([[0.3], [0.1 + 0.2]])).std == (1.0,)
