"""The way of a batch from the data set to the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from lenetkit.arrays import slices
from lenetkit.data.distortions import Elastic, RandomAffine
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.transforms import Normalize, OneHot, Pad, Scale, Standardize, Transform
from lenetkit.options import option

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 1, 10, 10)).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Add(Transform):
    """Adds a number: shows order and use."""

    amount: float = option(1.0, doc="What is added.")

    def images(self, images: Any, rng: np.random.Generator) -> Any:
        return images + np.float32(self.amount)


@dataclass(frozen=True, kw_only=True)
class AddInTraining(Add):
    training_only: ClassVar[bool] = True


def test_transforms_are_applied_in_order() -> None:
    add_first = Pipeline((Add(amount=255), Scale()), 10).images(IMAGES, np.float32)
    scale_first = Pipeline((Scale(), Add(amount=255)), 10).images(IMAGES, np.float32)
    np.testing.assert_allclose(add_first, IMAGES / 255 + 1, rtol=1e-6)
    np.testing.assert_allclose(scale_first, IMAGES / 255 + 255, rtol=1e-6)


def drawing(seed: int) -> Callable[[], np.random.Generator]:
    return lambda: np.random.default_rng(seed)


def test_training_only_transforms_are_left_out_elsewhere() -> None:
    pipeline = Pipeline((AddInTraining(amount=5), Scale()), 10)
    without = pipeline.images(IMAGES, np.float32)
    np.testing.assert_array_equal(without, Pipeline((Scale(),), 10).images(IMAGES, np.float32))
    with_rng = pipeline.images(IMAGES, np.float32, drawing(0))
    np.testing.assert_allclose(with_rng, (IMAGES + 5.0) / 255, rtol=1e-6)


@pytest.mark.parametrize("distortion", [RandomAffine(degrees=20), Elastic()])
def test_distortions_work_in_training_and_only_there(distortion: Transform) -> None:
    pipeline, plain = Pipeline((distortion, Scale()), 10), Pipeline((Scale(),), 10)
    expected = plain.images(IMAGES, np.float32)
    np.testing.assert_array_equal(pipeline.images(IMAGES, np.float32), expected)
    trained = pipeline.images(IMAGES, np.float32, drawing(1))
    assert np.abs(trained - expected).max() > 0.1
    again = pipeline.images(IMAGES, np.float32, drawing(1))
    np.testing.assert_array_equal(again, trained)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "transforms", [(), (Scale(),), (Elastic(), Pad(padding=2), Standardize(mean=0.1, std=0.3))]
)
def test_network_gets_its_own_dtype(transforms: tuple[Transform, ...], dtype: Any) -> None:
    pipeline = Pipeline(transforms, 10)
    for draw in (None, drawing(0)):
        result = pipeline.images(IMAGES, dtype, draw)
        assert result.dtype == dtype
        assert result.shape[1:] == pipeline.output_shape((1, 10, 10))


def test_a_generator_is_made_only_for_a_distortion_and_once_a_batch() -> None:
    made = []

    def draw() -> np.random.Generator:
        made.append(1)
        return np.random.default_rng(0)

    Pipeline((Pad(padding=1), Scale()), 10).images(IMAGES, np.float32, draw)
    assert not made
    Pipeline((RandomAffine(degrees=9), Elastic()), 10).images(IMAGES, np.float32, draw)
    assert len(made) == 1


def test_stored_images_are_never_written_to() -> None:
    stored = IMAGES.copy()
    stored.flags.writeable = False
    transforms = (RandomAffine(degrees=9), Elastic(), Pad(padding=1), Scale(low=-1))
    Pipeline(transforms, 10).images(stored, np.float32, drawing(0))
    np.testing.assert_array_equal(stored, IMAGES)


def test_output_shape_follows_all_transforms() -> None:
    pipeline = Pipeline((Pad(padding=2), Scale(), Pad(padding=(1, 3))), 10)
    assert pipeline.output_shape((3, 28, 20)) == (3, 34, 30)


def test_labels_are_numbers_or_rows() -> None:
    labels = np.array([2, 0])
    np.testing.assert_array_equal(Pipeline((Scale(),), 3).labels(labels), labels)
    rows = Pipeline((Scale(), OneHot()), 3).labels(labels)
    np.testing.assert_array_equal(rows, [[0, 0, 1], [1, 0, 0]])


def test_slices_cover_everything_once() -> None:
    for count in range(12):
        for size in range(1, 13):
            parts = list(slices(count, size))
            assert [i for part in parts for i in range(count)[part]] == list(range(count))
            assert all(part.stop - part.start == size for part in parts[:-1])
            assert all(part.start < part.stop <= count for part in parts)


@pytest.mark.parametrize("before", [(), (Scale(),), (Pad(padding=1), Scale(low=-1)), (Add(),)])
def test_what_is_measured_is_what_the_transforms_before_leave(
    before: tuple[Transform, ...],
) -> None:
    fitted = Pipeline((*before, Normalize()), 10).fitted(IMAGES)
    found = fitted.images(IMAGES, np.float64)
    np.testing.assert_allclose((found.mean(), found.std()), (0, 1), atol=1e-5)


def test_augmentation_is_not_measured() -> None:
    turned = Pipeline((RandomAffine(degrees=90), Normalize()), 10).fitted(IMAGES)
    assert turned.transforms[1] == Normalize().fitted(IMAGES)


def test_a_transform_is_fitted_to_what_fitted_ones_leave() -> None:
    _, measured = Pipeline((Standardize(), Normalize()), 10).fitted(IMAGES).transforms
    assert isinstance(measured, Normalize)
    assert measured.mean == pytest.approx((0,), abs=1e-6)
    assert measured.std == pytest.approx((1,))


def test_images_are_not_transformed_for_what_is_given() -> None:
    class Watched(Add):
        def images(self, images: Any, rng: np.random.Generator) -> Any:
            raise AssertionError("transformed for nothing")

    given = (Normalize(mean=(1.0,), std=(2.0,)), Standardize(mean=0.1, std=0.2))
    assert Pipeline((Watched(), *given), 10).fitted(IMAGES).transforms[1:] == given
