"""What `lenetkit.data.transforms` promises of every transform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lenetkit.arrays import Shape
from lenetkit.data.transforms import Images, Transform
from lenetkit.testing.common import COMMON, Unchanged
from lenetkit.testing.compare import (
    expect_finite,
    expect_same,
    expect_shape,
    expect_untouched,
    fail,
    warnings_as_failures,
)
from lenetkit.testing.report import (
    NOTHING_EXPECTED,
    Check,
    CheckSkipped,
    Report,
    collect,
    expect_kind,
    require,
    subject_of,
)

BATCH, CLASSES = 4, 3
LABELS = np.array([0, 2, 1, 1])
DTYPES = (np.uint8, np.float32)


@dataclass(frozen=True)
class TransformCase:
    """A transform under test with the shape of the images that come in."""

    thing: Transform
    in_shape: Shape

    @cached_property
    def fitted(self) -> Transform:
        """The transform with what it learns from training images filled in."""
        return self.thing.fitted(self.images(20, seed=1))

    def images(self, batch: int = BATCH, dtype: Any = np.uint8, seed: int = 0) -> Images:
        """Images of random pixels, 0 … 255."""
        rng = np.random.default_rng(seed)
        return rng.integers(0, 256, (batch, *self.in_shape)).astype(dtype)

    def result(self, images: Images, seed: int = 3) -> Images:
        """The images transformed."""
        return self.fitted.images(images, np.random.default_rng(seed))

    @property
    def is_random(self) -> bool:
        """Whether the result depends on the generator."""
        images = self.images(dtype=np.float32)
        return any(not np.array_equal(self.result(images, s), self.result(images)) for s in (4, 5))


def output_has_the_declared_shape(case: TransformCase) -> None:
    """What comes out has the shape that `output_shape` declares, for batches of 1 and 0 too."""
    declared = case.fitted.output_shape(case.in_shape)
    if case.thing.output_shape(case.in_shape) != declared:
        raise fail("output_shape differs before and after fitting; a plan is made before")
    for batch in (BATCH, 1, 0):
        with warnings_as_failures(f"batch of {batch}"):
            found = case.result(case.images(batch))
        cause = f"output_shape({case.in_shape}) declares {declared}"
        expect_shape(found, (batch, *declared), f"a batch of {batch}", cause)


def no_float64_comes_out(case: TransformCase) -> None:
    """From bytes come bytes or float32, from float32 comes float32: a batch stays small."""
    for dtype in DTYPES:
        found = case.result(case.images(dtype=dtype)).dtype
        allowed = (np.dtype(np.uint8), np.dtype(np.float32)) if dtype == np.uint8 else (np.float32,)
        if found not in allowed:
            raise fail(
                f"from {np.dtype(dtype)}: found {found}, expected "
                f"{' or '.join(str(np.dtype(a)) for a in allowed)}",
                "a float64 array, or a NumPy float64 number, promotes; use np.float32(value)",
            )


def results_are_finite(case: TransformCase) -> None:
    """Every value that comes out is finite; images that are all alike are no exception."""
    for dtype in DTYPES:
        expect_finite(case.result(case.images(dtype=dtype)), f"result from {np.dtype(dtype)}")
    flat = TransformCase(case.thing, case.in_shape)
    same = np.full((BATCH, *case.in_shape), 51, np.uint8)
    fitted = flat.thing.fitted(same)
    found = fitted.images(same, np.random.default_rng(0))
    expect_finite(found, "result from images all alike", "a division by a deviation that is 0")


def input_is_not_written_to(case: TransformCase) -> None:
    """Images and labels stay as they are: the data set is shared by all epochs."""
    for dtype in DTYPES:
        images, labels = case.images(dtype=dtype), LABELS.copy()
        before = images.copy()
        case.fitted.images(images, np.random.default_rng(0))
        case.fitted.labels(labels, CLASSES)
        case.thing.fitted(images)
        expect_untouched(images, before, "images", "a transform")
        expect_untouched(labels, LABELS, "labels", "a transform")


def result_is_an_array_of_its_own(case: TransformCase) -> None:
    """A result shares no memory with the images, unless it is the images themselves, unchanged."""
    for dtype in DTYPES:
        images = case.images(dtype=dtype)
        found = case.result(images)
        if found is not images and np.shares_memory(found, images):
            raise fail(f"from {np.dtype(dtype)}: the result is a view of the images", "copy it")


def memory_order_does_not_matter(case: TransformCase) -> None:
    """Images that are not contiguous give the same result."""
    images = case.images()
    expected = case.result(images)
    for same in (np.asfortranarray(images), np.repeat(images, 2, axis=3)[..., ::2]):
        expect_same(case.result(same), expected, "images not contiguous", tolerance=1e-6)


def same_seed_gives_the_same_bits(case: TransformCase) -> None:
    """The same images and a generator in the same state give the same result, bit for bit."""
    images = case.images()
    first = case.result(images)
    case.result(case.images(seed=8), seed=9)
    cause = "randomness that does not come from the generator handed in"
    expect_same(case.result(images), first, "the same again", cause=cause)


def only_training_is_random(case: TransformCase) -> None:
    """A transform whose result depends on the generator has `training_only` True."""
    if case.thing.training_only:
        raise CheckSkipped("the transform works in training only, and may be random")
    if case.is_random:
        raise fail(
            "another generator gives another result, but training_only is False",
            "predictions would be random: set training_only: ClassVar[bool] = True",
        )


def images_do_not_depend_on_their_batch(case: TransformCase) -> None:
    """Where nothing is random, each image's result is the one it has alone."""
    if case.is_random:
        raise CheckSkipped("the transform is random; which draw an image gets depends on its place")
    images = case.images()
    together = case.result(images)
    for i in range(BATCH):
        cause = "a mean over the batch; learn it in `fitted`, from the training images"
        alone = case.result(images[i : i + 1])[0]
        expect_same(alone, together[i], f"image {i}, alone", tolerance=1e-6, cause=cause)


def fitting_is_final(case: TransformCase) -> None:
    """`fitted` gives an object of the same class; fitted again, to other images, it stays."""
    if type(case.fitted) is not type(case.thing):
        found = type(case.fitted).__name__
        raise fail(f"fitted: expected a {type(case.thing).__name__}, found {found}")
    again = case.fitted.fitted(case.images(9, seed=7))
    if again != case.fitted:
        raise fail(
            f"fitted again: expected {case.fitted!r}, found {again!r}",
            "what was learned is measured again, so that a model would change when it is loaded",
        )


def labels_stay_one_a_sample(case: TransformCase) -> None:
    """Labels come out as class indices (N,) or as finite rows (N, classes), one for each sample."""
    for labels in (LABELS, LABELS[:1], LABELS[:0]):
        found = np.asarray(case.fitted.labels(labels, CLASSES))
        if found.shape not in ((len(labels),), (len(labels), CLASSES)):
            raise fail(
                f"labels: expected shape ({len(labels)},) or ({len(labels)}, {CLASSES}), "
                f"found {found.shape}"
            )
        expect_finite(found, "labels")


def transform_holds_no_state(case: TransformCase) -> None:
    """After use the transform holds exactly what it held before."""
    unchanged, fitted = Unchanged(case.thing), case.fitted
    unchanged.expect("fitting")
    unchanged = Unchanged(fitted)
    case.result(case.images())
    unchanged.expect("a batch")


TRANSFORM_CHECKS = (
    output_has_the_declared_shape,
    no_float64_comes_out,
    results_are_finite,
    input_is_not_written_to,
    result_is_an_array_of_its_own,
    memory_order_does_not_matter,
    same_seed_gives_the_same_bits,
    only_training_is_random,
    images_do_not_depend_on_their_batch,
    fitting_is_final,
    labels_stay_one_a_sample,
    transform_holds_no_state,
    *COMMON,
)


def transform_checks(
    transform: Transform, in_shape: Shape = (1, 12, 10), *, name: str | None = None
) -> list[Check]:
    """The checks of one transform. Raises TypeError for anything but a transform."""
    expect_kind(transform, Transform)
    case = TransformCase(transform, tuple(in_shape))
    return collect(TRANSFORM_CHECKS, case, name or subject_of(transform))


def check_transform(
    transform: Transform,
    in_shape: Shape = (1, 12, 10),
    *,
    expected_failures: Mapping[str, str] = NOTHING_EXPECTED,
) -> Report:
    """Hold a transform to what it promises. Raises CheckFailed, with the report, if it fails."""
    return require(transform_checks(transform, in_shape), expected_failures=expected_failures)
