"""What `lenetkit.data.transforms` promises of every transform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lenetkit.arrays import Shape
from lenetkit.conformance import compare
from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.report import NOTHING_EXPECTED, Check, CheckSkipped, Report
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.data.transforms import Images, Transform

BATCH, CLASSES = 4, 3
LABELS = np.array([0, 2, 1, 1])
DTYPES = (np.dtype(np.uint8), np.dtype(np.float32))


@dataclass(frozen=True)
class TransformCase:
    """A transform under test with the shape of its input images."""

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
    """The output has the shape that `output_shape` declares, for batches of 1 and 0 too."""
    declared = case.fitted.output_shape(case.in_shape)
    if case.thing.output_shape(case.in_shape) != declared:
        raise compare.fail("output_shape differs before and after fitting; a plan is made before")
    for batch in (BATCH, 1, 0):
        with compare.warnings_as_failures(f"batch of {batch}"):
            found = case.result(case.images(batch))
        cause = f"output_shape({case.in_shape}) declares {declared}"
        compare.expect_shape(found, (batch, *declared), f"a batch of {batch}", cause)


def no_float64_comes_out(case: TransformCase) -> None:
    """Bytes give bytes or float32, and float32 gives float32, so that a batch stays small."""
    for dtype in DTYPES:
        found, allowed = case.result(case.images(dtype=dtype)).dtype, {dtype, DTYPES[1]}
        if found not in allowed:
            raise compare.fail(
                f"from {dtype}: expected {' or '.join(sorted(map(str, allowed)))}, found {found}",
                "a float64 array or NumPy float64 number promotes the result; "
                "use np.float32(value)",
            )


def results_are_finite(case: TransformCase) -> None:
    """Every value of the output is finite, even if all training images are alike."""
    for dtype in DTYPES:
        compare.expect_finite(case.result(case.images(dtype=dtype)), f"result from {dtype}")
    same = np.full((BATCH, *case.in_shape), 51, np.uint8)
    found = case.thing.fitted(same).images(same, np.random.default_rng(0))
    compare.expect_finite(found, "result from equal images", "a division by a deviation of 0")


def input_is_not_written_to(case: TransformCase) -> None:
    """Images and labels stay as they are, because all epochs share the data set."""
    for dtype in DTYPES:
        images, labels = case.images(dtype=dtype), LABELS.copy()
        before = images.copy()
        case.fitted.images(images, np.random.default_rng(0))
        case.fitted.labels(labels, CLASSES)
        case.thing.fitted(images)
        compare.expect_untouched(images, before, "images", "a transform")
        compare.expect_untouched(labels, LABELS, "labels", "a transform")


def results_own_their_memory(case: TransformCase) -> None:
    """A result shares no memory with the images, unless it is the same array, unchanged."""
    for dtype in DTYPES:
        images = case.images(dtype=dtype)
        found = case.result(images)
        if found is not images and np.shares_memory(found, images):
            raise compare.fail(f"from {dtype}: the result is a view of the images", "copy it")


def memory_order_does_not_matter(case: TransformCase) -> None:
    """Images that are not contiguous give the same result."""
    images = case.images()
    expected = case.result(images)
    for same in (np.asfortranarray(images), np.repeat(images, 2, axis=3)[..., ::2]):
        compare.expect_same(case.result(same), expected, "images not contiguous", tolerance=1e-6)


def same_seed_gives_the_same_bits(case: TransformCase) -> None:
    """The same images and a generator in the same state give the same result, bit for bit."""
    images = case.images()
    first = case.result(images)
    case.result(case.images(seed=8), seed=9)
    cause = "random numbers that do not come from `rng`"
    compare.expect_same(case.result(images), first, "the same again", cause=cause)


def only_training_is_random(case: TransformCase) -> None:
    """A transform whose result depends on the generator has `training_only` True."""
    if case.thing.training_only:
        raise CheckSkipped("the transform is for training only, so it may be random")
    if case.is_random:
        raise compare.fail(
            "the result depends on the generator, but training_only is False",
            "predictions would be random: set training_only: ClassVar[bool] = True",
        )


def images_do_not_depend_on_their_batch(case: TransformCase) -> None:
    """Unless the transform is random, an image gives the same result alone and in a batch."""
    if case.is_random:
        raise CheckSkipped("the transform is random: what it draws for an image depends on others")
    images = case.images()
    together = case.result(images)
    for i in range(BATCH):
        cause = "a mean over the batch; learn it from the training images in `fitted`"
        alone = case.result(images[i : i + 1])[0]
        compare.expect_same(alone, together[i], f"image {i}, alone", tolerance=1e-6, cause=cause)


def fitting_is_final(case: TransformCase) -> None:
    """`fitted` keeps the class, and fitting again to other images changes nothing."""
    expected, found = type(case.thing).__name__, type(case.fitted).__name__
    if type(case.fitted) is not type(case.thing):
        raise compare.fail(f"fitted: expected an object of class {expected}, found {found}")
    again = case.fitted.fitted(case.images(9, seed=7))
    if again != case.fitted:
        raise compare.fail(
            f"fitted again: expected {case.fitted!r}, found {again!r}",
            "values already learned are measured again, so loading a model would change it",
        )


def one_label_per_sample(case: TransformCase) -> None:
    """Labels become class indices (N,) or finite rows (N, classes), one for each sample."""
    for labels in (LABELS, LABELS[:1], LABELS[:0]):
        found = np.asarray(case.fitted.labels(labels, CLASSES))
        allowed = (len(labels),), (len(labels), CLASSES)
        if found.shape not in allowed:
            expected = f"expected shape {allowed[0]} or {allowed[1]}"
            raise compare.fail(f"labels: {expected}, found {found.shape}")
        compare.expect_finite(found, "labels")


def transform_holds_no_state(case: TransformCase) -> None:
    """After use, the transform holds exactly what it held before."""
    unchanged, fitted = Unchanged(case.thing), case.fitted
    unchanged.expect("fitting")
    unchanged = Unchanged(fitted)
    case.result(case.images())
    unchanged.expect("a batch")


_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        (
            Rung(
                ("transform_holds_no_state", "input_is_not_written_to"),
                ("only_training_is_random", "results_own_their_memory", "fitting_is_final"),
            ),
            Rung(("output_has_the_declared_shape",)),
            Rung(
                ("same_seed_gives_the_same_bits",),
                ("memory_order_does_not_matter", "images_do_not_depend_on_their_batch"),
            ),
        ),
    ),
    {"images": ("output_has_the_declared_shape", "input_is_not_written_to")},
    keep="let `fitted` return a new object with it, by dataclasses.replace(self, …)",
)
SUITE = Suite(Transform, TransformCase, promises_in(__name__), _ORIGINS)


def transform_checks(
    transform: Transform, in_shape: Shape = (1, 12, 10), *, name: str | None = None
) -> list[Check]:
    """`Suite.checks` for a transform and the shape of one image, (C, H, W)."""
    return SUITE.checks(transform, tuple(in_shape), name=name)


def check_transform(
    transform: Transform,
    in_shape: Shape = (1, 12, 10),
    *,
    expected_failures: Mapping[str, str] = NOTHING_EXPECTED,
) -> Report:
    """`Suite.check` for a transform and the shape of one image, (C, H, W)."""
    return SUITE.check(transform, tuple(in_shape), expected_failures=expected_failures)
