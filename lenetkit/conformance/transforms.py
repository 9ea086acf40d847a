"""What `lenetkit.data.transforms` promises of every transform."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lenetkit.arrays import Shape
from lenetkit.conformance import compare
from lenetkit.conformance.common import COMMON_LADDERS, Unchanged, options_round_trip
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.other_options import expect_effects, variants
from lenetkit.conformance.report import NOTHING_EXPECTED, Check, CheckSkipped, Report
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.data.agreement import difference
from lenetkit.data.transforms import Images, Labels, Transform
from lenetkit.errors import ShapeError

BATCH, CLASSES = 4, 3
BATCHES = (BATCH, 1, 0, 2, 9, 18, 33)
DTYPES = (np.dtype(np.uint8), np.dtype(np.float32))
OTHER_SHAPES: tuple[Shape, ...] = ((1, 28, 28), (3, 13, 11), (2, 12, 15))
ALIKE = 70
"""Equal images of a batch."""
SEEDS = 24
"""Draws in which a random transform does what it does rarely, such as flipping one image in two."""


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

    def drawn(self, images: Images, *key: int) -> Images:
        """The images transformed with the generator that training seeds with `key`."""
        return self.fitted.images(images, np.random.default_rng([*key]))

    @cached_property
    def is_random(self) -> bool:
        """Whether the result depends on the generator."""
        images = self.images(18, dtype=np.float32)
        first = self.result(images)
        return any(not np.array_equal(self.result(images, s), first) for s in range(4, SEEDS))

    @property
    def varied(self) -> list[TransformCase]:
        """The same transform with other options, besides itself."""
        others = (variant.thing for variant in variants(self.thing, each=2))
        return [self, *_taken((other, self.in_shape) for other in others)]

    @property
    def chosen(self) -> list[TransformCase]:
        """The same with other choices, besides itself; all numbers are its own."""
        others = (
            variant.thing
            for variant in variants(self.thing)
            if all(type(value) in (bool, str) for value in variant.changes.values())
        )
        return [self, *_taken((other, self.in_shape) for other in others)]

    @property
    def shaped(self) -> list[TransformCase]:
        """The same with other shapes that it takes, besides its own."""
        return [self, *_taken((self.thing, shape) for shape in OTHER_SHAPES)]


def _taken(pairs: Iterable[tuple[Transform, Shape]]) -> Iterator[TransformCase]:
    """A case for each pair, if the transform takes images of the shape."""
    for thing, shape in pairs:
        with contextlib.suppress(ShapeError):
            thing.output_shape(shape)
            yield TransformCase(thing, shape)


def output_has_the_declared_shape(case: TransformCase) -> None:
    """The output has the shape that `output_shape` declares, for batches of 0 to 33 images.

    Images of other sizes are refused by a ShapeError from `output_shape`, or transformed as well.
    """
    for other in (*case.varied, *case.shaped[1:]):
        declared = other.fitted.output_shape(other.in_shape)
        if other.thing.output_shape(other.in_shape) != declared:
            raise compare.fail(
                f"{other.thing!r}: output_shape differs before and after fitting",
                "a plan is made before",
            )
        for batch in BATCHES:
            with compare.warnings_as_failures(f"batch of {batch}"):
                found = other.result(other.images(batch))
            cause = f"output_shape({other.in_shape}) declares {declared}"
            what = f"a batch of {batch} images {other.in_shape}"
            compare.expect_shape(found, (batch, *declared), what, cause)
            if type(found) is not np.ndarray:
                raise compare.fail(f"{what}: expected a plain array, found {type(found).__name__}")


def training_changes_neither_size_nor_scale(case: TransformCase) -> None:
    """A transform for training only keeps the shape of images and the scale of their values.

    Evaluation leaves it out, so the network would be trained on other images than it sees. Pixels
    are 0 … 255, bytes or floats alike, or 0 … 1 for a transform that is made for those.
    """
    if not case.thing.training_only:
        raise CheckSkipped("the transform does the same in training and in evaluation")
    for other in (*case.varied, *case.shaped[1:]):
        if (declared := other.fitted.output_shape(other.in_shape)) != other.in_shape:
            cause = "training_only: cut and pad in a transform that evaluation has too"
            raise compare.fail(f"output_shape: expected {other.in_shape}, found {declared}", cause)
    for other in (*case.chosen, *case.shaped[1:]):  # noise can be made as large as one wants
        stored, pixels = other.images(40), other.images(40, np.float32)
        of_bytes, of_floats, of_unit = (
            difference(other.result(images), images)
            for images in (stored, pixels, pixels / np.float32(255))
        )
        if (of_bytes and of_unit) or bool(of_bytes) != bool(of_floats):
            raise compare.fail(
                f"{other.thing!r}, pixels 0 … 255: {of_bytes or of_floats}",
                "training_only: scale in a transform that evaluation has too",
            )


def no_float64_comes_out(case: TransformCase) -> None:
    """Bytes give bytes or float32, and float32 gives float32, so that a batch stays small."""
    for other in case.varied:
        for dtype in DTYPES:
            found, allowed = other.result(other.images(dtype=dtype)).dtype, {dtype, DTYPES[1]}
            if found not in allowed:
                raise compare.fail(
                    f"from {dtype}: expected {' or '.join(sorted(map(str, allowed)))}, "
                    f"found {found}",
                    "a float64 array or NumPy float64 number promotes the result; "
                    "use np.float32(value)",
                )


def results_are_finite(case: TransformCase) -> None:
    """Every value of the output is finite, even if all training images are alike."""
    for other in case.varied:
        for dtype in DTYPES:
            found = other.result(other.images(18, dtype=dtype))
            compare.expect_finite(found, f"result from {dtype}")
    for value in (0, 51, 255):
        same = np.full((BATCH, *case.in_shape), value, np.uint8)
        found = case.thing.fitted(same).images(same, np.random.default_rng(0))
        cause = "a division by a deviation of 0"
        compare.expect_finite(found, f"result from images that are {value} all over", cause)


def input_is_not_written_to(case: TransformCase) -> None:
    """Images and labels stay as they are, because all epochs share the data set."""
    for other in (*case.varied, *case.shaped[1:]):
        for dtype in DTYPES:
            for batch in BATCHES:
                images, labels = other.images(batch, dtype=dtype), _labels(batch)
                before = images.copy()
                other.fitted.images(images, np.random.default_rng(0))
                other.fitted.labels(labels, CLASSES)
                if batch:
                    other.thing.fitted(images)
                compare.expect_untouched(images, before, "images", "a transform")
                compare.expect_untouched(labels, _labels(batch), "labels", "a transform")


def results_own_their_memory(case: TransformCase) -> None:
    """A result shares no memory with the images, unless it is the same array, nor with others."""
    for other in (*case.varied, *case.shaped[1:]):
        for dtype in DTYPES:
            images = other.images(dtype=dtype)
            found = other.result(images)
            if found is not images and np.shares_memory(found, images):
                raise compare.fail(f"from {dtype}: the result is a view of the images", "copy it")
            if np.shares_memory(found, other.result(other.images(dtype=dtype, seed=5))):
                cause = "memory that is used again; make a new array"
                raise compare.fail(f"from {dtype}: two results share memory", cause)


def memory_order_does_not_matter(case: TransformCase) -> None:
    """Images that are not contiguous give the same result."""
    for dtype in DTYPES:
        images = case.images(18, dtype)
        expected = case.result(images)
        for same in (
            np.asfortranarray(images),
            np.repeat(images, 2, axis=3)[..., ::2],
            images[::-1].copy()[::-1],
        ):
            found = case.result(same)
            compare.expect_same(found, expected, "images not contiguous", tolerance=1e-6)


def same_seed_gives_the_same_bits(case: TransformCase) -> None:
    """The same images and a generator in the same state give the same result, bit for bit."""
    images = case.images()
    first = case.result(images)
    case.result(case.images(seed=8), seed=9)
    cause = "random numbers that do not come from `rng`"
    compare.expect_same(case.result(images), first, "the same again", cause=cause)


def global_randomness_is_left_alone(case: TransformCase) -> None:
    """NumPy's global generator is neither used nor seeded."""
    before = repr(np.random.get_state())  # noqa: NPY002
    case.result(case.images(18))
    if repr(np.random.get_state()) != before:  # noqa: NPY002
        raise compare.fail("the state of NumPy's global generator changed", "draw from `rng`")


def bytes_and_floats_are_alike(case: TransformCase) -> None:
    """Fitted to bytes or to floats of the same values, a transform is the same.

    Bytes that come out do not wrap around below 0 or above 255.
    """
    stored, pixels = case.images(20), case.images(20, np.float32)
    by_bytes, by_floats = (
        case.thing.fitted(images).images(pixels, np.random.default_rng(0))
        for images in (stored, pixels)
    )
    what, cause = "fitted to bytes instead of floats", "sums of bytes wrap around; use float64"
    compare.expect_same(by_bytes, by_floats, what, tolerance=1e-3, cause=cause)
    for other in case.varied:
        found = other.result(stored)
        expected = other.result(pixels)
        if found.dtype != np.uint8 or found.shape != expected.shape or not found.size:
            continue
        apart = np.abs(found - np.clip(expected.astype(np.float64), 0, 255))
        if apart.max() > 200:
            at = np.unravel_index(apart.argmax(), apart.shape)
            raise compare.fail(
                f"{other.thing!r}: a pixel becomes {found[at]} as a byte and {expected[at]:.4g} as "
                "a float",
                "bytes wrap around at 256; compute in np.float32, then clip",
            )


def only_training_is_random(case: TransformCase) -> None:
    """A transform whose result depends on the generator has `training_only` True."""
    if case.thing.training_only:
        raise CheckSkipped("the transform is for training only, so it may be random")
    for other in case.varied:
        if other.is_random:
            raise compare.fail(
                f"{other.thing!r}: the result depends on the generator, but training_only is False",
                "predictions would be random: set training_only: ClassVar[bool] = True",
            )


def every_step_and_image_is_drawn_anew(case: TransformCase) -> None:
    """A random transform draws for every step of a training, and for every image of a batch.

    The generator of a step is seeded by the run's seed, a purpose and the step.
    """
    random = [other for other in case.varied if other.is_random]
    if not random:
        raise CheckSkipped("the transform is not random")
    for other in random:
        images = np.repeat(other.images(1, np.float32), ALIKE, axis=0)
        steps = np.stack([other.drawn(images, 3, 2, step) for step in range(SEEDS)])
        if (steps == steps[0]).all():
            raise compare.fail(
                f"{other.thing!r}: all steps give the same",
                "only the first word of the seed is used; draw from `rng`",
            )
        if (steps == steps[:, :1]).all():
            raise compare.fail(
                f"{other.thing!r}: equal images of a batch are all changed alike",
                "draw a value for every image: rng.random(len(images))",
            )
        moved = (steps != np.median(steps, axis=(0, 1))).any(axis=(0, 2, 3, 4))
        half = ALIKE // 2
        if not (moved[:half].any() and moved[half:].any()):
            first, last = np.flatnonzero(moved)[[0, -1]]
            raise compare.fail(
                f"{other.thing!r}: only images {first} to {last} of {ALIKE} are changed"
            )
        histories = np.unique(steps[:, moved].swapaxes(0, 1).reshape(moved.sum(), -1), axis=0)
        if len(histories) <= moved.sum() / 2 and moved.sum() > 8:
            raise compare.fail(
                f"{other.thing!r}: of {moved.sum()} equal images of a batch, at every step only "
                f"{len(histories)} are changed in ways of their own",
                "draw a value for every image: rng.random(len(images))",
            )


def images_do_not_depend_on_their_batch(case: TransformCase) -> None:
    """An image gives the same result whatever the other images show; if not random, alone too."""
    for other in (*case.varied, *case.shaped[1:]):
        images = other.images(33, np.float32)
        together, others = other.result(images), other.images(33, np.float32, seed=6)
        cause = "a mean over the batch; learn it from the training images in `fitted`"
        for i in (0, 1, 8, 17, 32):
            among = others.copy()
            among[i] = images[i]
            among[i - 1] = np.nan
            found = other.result(among)[i]
            what = f"image {i} of 33, among other images"
            compare.expect_same(found, together[i], what, tolerance=1e-6, cause=cause)
            if not other.is_random:
                alone, what = other.result(images[i : i + 1])[0], f"image {i} of 33, alone"
                compare.expect_same(alone, together[i], what, tolerance=1e-6, cause=cause)


def every_option_has_an_effect(case: TransformCase) -> None:
    """Each option changes what comes of images or labels, beside some values of the others."""

    def results(thing: Transform) -> bytes:
        """What comes of some images, of one channel and of more, and of labels."""
        thing.output_shape(case.in_shape)
        found: list[Images] = []
        for other in TransformCase(thing, case.in_shape).shaped:
            found += [other.result(other.images(60)), other.fitted.labels(_labels(9), CLASSES)]
        return b"".join(np.asarray(values).tobytes() for values in found)

    expect_effects(case.thing, results)


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


def fitted_options_can_be_written(case: TransformCase) -> None:
    """What `fitted` learns can be written into the model's spec, and read back as the same."""
    for other in (case, TransformCase(case.thing, (1, 28, 28))):
        with contextlib.suppress(ShapeError):
            other.thing.output_shape(other.in_shape)
            options_round_trip(replace(other, thing=other.fitted))


def labels_keep_their_class(case: TransformCase) -> None:
    """Labels become class indices (N,), as they were, or rows (N, classes), largest at the class.

    There is one for each sample, for any number of classes and any batch.
    """
    for classes in (CLASSES, 1, 2, 10, 37):
        for batch in BATCHES:
            labels = _labels(batch, classes)
            found = np.asarray(case.fitted.labels(labels.copy(), classes))
            allowed = (batch,), (batch, classes)
            if found.shape not in allowed:
                expected = f"expected shape {allowed[0]} or {allowed[1]}"
                raise compare.fail(f"labels: {expected}, found {found.shape}")
            if found.dtype.kind not in "iuf":
                raise compare.fail(f"labels: expected numbers, found {found.dtype}")
            compare.expect_finite(found, "labels")
            kept = found.argmax(axis=1) if found.ndim == 2 else found
            what = f"the classes of {batch} labels, {classes} classes"
            compare.expect_same(kept, labels, what, cause="accuracy counts the data set's labels")


def transform_holds_no_state(case: TransformCase) -> None:
    """After use, the transform holds exactly what it held before."""
    unchanged, fitted = Unchanged(case.thing), case.fitted
    unchanged.expect("fitting")
    unchanged = Unchanged(fitted)
    case.result(case.images())
    fitted.labels(_labels(BATCH), CLASSES)
    unchanged.expect("a batch")


def _labels(batch: int, classes: int = CLASSES) -> Labels:
    """Labels of all classes, in no order."""
    return (np.arange(batch) * 7 + 2) % classes


_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        (
            Rung(
                ("transform_holds_no_state", "input_is_not_written_to"),
                (
                    "only_training_is_random",
                    "results_own_their_memory",
                    "fitting_is_final",
                    "labels_keep_their_class",
                ),
            ),
            Rung(("output_has_the_declared_shape",), ("training_changes_neither_size_nor_scale",)),
            Rung(
                ("same_seed_gives_the_same_bits",),
                (
                    "memory_order_does_not_matter",
                    "only_training_is_random",
                    "results_are_finite",
                    "images_do_not_depend_on_their_batch",
                    "every_step_and_image_is_drawn_anew",
                    "bytes_and_floats_are_alike",
                ),
            ),
            Rung(
                ("training_changes_neither_size_nor_scale", "only_training_is_random"),
                ("every_step_and_image_is_drawn_anew", "every_option_has_an_effect"),
            ),
            Rung(("results_own_their_memory", "fitting_is_final"), ("every_option_has_an_effect",)),
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
