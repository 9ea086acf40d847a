"""Transforms and data sets with one mistake each, beyond small batches and defaults.

The `BLIND_…` tables name the check that is meant to catch each; the `…_TWINS` are right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from lenetkit.authoring import (
    DataError,
    DataSource,
    OneHot,
    Place,
    Samples,
    Scale,
    ShapeError,
    Transform,
    option,
)
from lenetkit.data.transforms import Images, Labels, Standardize
from tests.support.wrong_data import Stripes

Rng = np.random.Generator


class Augmentation(Transform):
    """For training only."""

    training_only: ClassVar[bool] = True


# --- right ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Flip(Augmentation):
    """Mirrors some of the images."""

    share: float = option(0.5, minimum=0, maximum=1, doc="How many.")

    def images(self, images: Images, rng: Rng) -> Images:
        turned = rng.random(len(images)) < self.share
        return np.where(turned[:, None, None, None], images[..., ::-1], images)


@dataclass(frozen=True, kw_only=True)
class Noise(Augmentation):
    """Normal noise."""

    size: float = option(0.05, minimum=0, doc="Its deviation, as a part of each image's range.")

    def images(self, images: Images, rng: Rng) -> Images:
        spans = np.ptp(images, axis=(1, 2, 3), keepdims=True) if images.size else 0
        noise = rng.standard_normal(images.shape, np.float32) * np.float32(self.size)
        return (images + noise * np.asarray(spans, np.float32)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Brightness(Augmentation):
    """Each image times a factor of its own."""

    def images(self, images: Images, rng: Rng) -> Images:
        factors = rng.uniform(0.8, 1.2, (len(images), 1, 1, 1)).astype(np.float32)
        return images * factors


@dataclass(frozen=True, kw_only=True)
class Erase(Augmentation):
    """A square of zeros in each image."""

    def images(self, images: Images, rng: Rng) -> Images:
        erased = images.copy()
        _, _, H, W = images.shape
        for image in erased:
            top, left = rng.integers(0, H), rng.integers(0, W)
            image[:, top : top + 4, left : left + 4] = 0
        return erased


@dataclass(frozen=True, kw_only=True)
class PadAndCrop(Augmentation):
    """A window of the padded image, of the image's size."""

    padding: int = option(2, minimum=0, doc="Pixels on each side.")

    def images(self, images: Images, rng: Rng) -> Images:
        N, _, H, W = images.shape
        p = self.padding
        padded = np.pad(images, ((0, 0), (0, 0), (p, p), (p, p)))
        result = np.empty_like(images)
        for n, (top, left) in enumerate(rng.integers(0, 2 * p + 1, (N, 2))):
            result[n] = padded[n, :, top : top + H, left : left + W]
        return result


@dataclass(frozen=True, kw_only=True)
class ByteNoise(Augmentation):
    """Noise in units of bytes: for pixels 0 … 255."""

    size: float = option(10.0, minimum=0, doc="Its deviation.")

    def images(self, images: Images, rng: Rng) -> Images:
        noise = rng.standard_normal(images.shape, np.float32) * np.float32(self.size)
        return np.clip(images + noise, 0, 255).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class UnitNoise(Augmentation):
    """Noise for pixels 0 … 1."""

    def images(self, images: Images, rng: Rng) -> Images:
        noise = rng.standard_normal(images.shape, np.float32) * np.float32(0.1)
        return np.clip(images + noise, 0, 1).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Invert(Transform):
    """255 − x."""

    def images(self, images: Images, rng: Rng) -> Images:
        return np.subtract(images.dtype.type(255), images)


@dataclass(frozen=True, kw_only=True)
class Binarize(Transform):
    """1 above a threshold, else 0."""

    above: float = option(127.0, minimum=0, maximum=255, doc="The threshold.")

    def images(self, images: Images, rng: Rng) -> Images:
        return (images > self.above).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Crop(Transform):
    """The middle, without a frame."""

    frame: int = option(1, minimum=0, doc="Pixels left out on each side.")

    def output_shape(self, in_shape: Any) -> Any:
        C, H, W = in_shape
        if min(H, W) <= 2 * self.frame:
            raise ShapeError("nothing would be left")
        return C, H - 2 * self.frame, W - 2 * self.frame

    def images(self, images: Images, rng: Rng) -> Images:
        f, (H, W) = self.frame, images.shape[2:]
        return images[:, :, f : H - f, f : W - f].copy()


@dataclass(frozen=True, kw_only=True)
class Grey(Transform):
    """The mean of all channels."""

    def output_shape(self, in_shape: Any) -> Any:
        return 1, *in_shape[1:]

    def images(self, images: Images, rng: Rng) -> Images:
        return images.mean(axis=1, keepdims=True, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Centered(Transform):
    """Each image minus its own mean."""

    def images(self, images: Images, rng: Rng) -> Images:
        return (images - images.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float32)).astype(
            np.float32
        )


@dataclass(frozen=True, kw_only=True)
class Smoothed(Transform):
    """Labels as rows that leave a share to the other classes."""

    share: float = option(0.1, minimum=0, maximum=0.3, doc="The share.")

    def labels(self, labels: Labels, classes: int) -> Labels:
        rows: Labels = OneHot().labels(labels, classes)
        return rows * np.float32(1 - self.share) + np.float32(self.share / classes)


@dataclass(frozen=True, kw_only=True)
class Luminance(Transform):
    """One channel out of three; one that is grey already stays as it is."""

    weights: tuple[float, float, float] = option((0.3, 0.6, 0.1), minimum=0, doc="Of each colour.")

    def output_shape(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        if in_shape[0] not in (1, 3):
            raise ShapeError("expected 1 or 3 channels")
        return (1, *in_shape[1:])

    def images(self, images: Images, rng: Rng) -> Images:
        if images.shape[1] == 1:
            return images
        weights = np.asarray(self.weights, np.float32).reshape(3, 1, 1)
        return (images * weights).sum(axis=1, keepdims=True, dtype=np.float32)


TRANSFORM_TWINS = (
    Flip(share=0.02),
    Flip(),
    Flip(share=0.2),
    Noise(),
    ByteNoise(),
    UnitNoise(),
    Brightness(),
    Erase(),
    PadAndCrop(),
    Invert(),
    Binarize(),
    Crop(),
    Grey(),
    Centered(),
    Smoothed(),
    Luminance(),
)


# --- wrong ---------------------------------------------------------------------------------------


class CutsARow(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        return super().images(images, rng)[:, :, :-1].copy()


class SaysItCuts(CutsARow):
    def output_shape(self, in_shape: Any) -> Any:
        return in_shape[0], in_shape[1] - 1, in_shape[2]


class To255(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        return super().images(images, rng) * np.float32(255)


class To1(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        return super().images(images, rng) * np.float32(1 / 255)


class ToOneOrTwo(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        return super().images(images, rng).astype(np.float32) + np.float32(300)


class ScalesBytesAlone(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        flipped = super().images(images, rng)
        return flipped * np.float32(1 / 255) if images.dtype == np.uint8 else flipped


class Negated(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        return -super().images(images, rng).astype(np.float32)


class Blanked(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        return super().images(images, rng) * images.dtype.type(0)


class SquareOnly(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        flipped = super().images(images, rng)
        return flipped if images.shape[2] > images.shape[3] else flipped.transpose(0, 1, 3, 2)


class SeedAlone(Flip):
    """Draws from the first word of the seed: every step the same."""

    def images(self, images: Images, rng: Rng) -> Images:
        entropy: Any = rng.bit_generator.seed_seq.entropy  # type: ignore[attr-defined]
        seed = entropy[0] if isinstance(entropy, list) else entropy
        return super().images(images, np.random.default_rng(seed))


class OneForAll(Augmentation):
    def images(self, images: Images, rng: Rng) -> Images:
        return images[..., ::-1].copy() if rng.random() < 0.5 else images.copy()


class FirstImagesAlone(Noise):
    def images(self, images: Images, rng: Rng) -> Images:
        noisy = super().images(images, rng)
        noisy[9:] = images[9:]
        return noisy


class InPlace(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        images[rng.random(len(images)) < self.share] = images[0] if len(images) else 0
        return images


class InPlaceFromNine(Scale):
    def images(self, images: Images, rng: Rng) -> Images:
        if len(images) > 8:
            images[8:] = images[8:] // 2
        return super().images(images, rng)


class SortsLabels(OneHot):
    def labels(self, labels: Labels, classes: int) -> Labels:
        labels.sort()
        return super().labels(labels, classes)


class MixesImages(Augmentation):
    def images(self, images: Images, rng: Rng) -> Images:
        share = rng.uniform(0.3, 0.5, (len(images), 1, 1, 1)).astype(np.float32)
        return (images * (1 - share) + images[::-1] * share).astype(np.float32)


class MeanOfNine(Scale):
    def images(self, images: Images, rng: Rng) -> Images:
        scaled = super().images(images, rng)
        return scaled if len(images) < 9 else scaled - scaled.mean(axis=0, dtype=np.float32)


class WrongFromSeventeen(Scale):
    def images(self, images: Images, rng: Rng) -> Images:
        scaled = super().images(images, rng)
        scaled[17:] = 0
        return scaled


class FailsForTwo(Scale):
    def images(self, images: Images, rng: Rng) -> Images:
        return super().images(images[:1] if len(images) == 2 else images, rng)


class LowInFloat64(Scale):
    """float64 only where an option is changed."""

    def images(self, images: Images, rng: Rng) -> Images:
        scaled = super().images(images, rng)
        return scaled + np.float64(self.low) * np.ones(1) if self.low else scaled


class RandomIfLow(Scale):
    def images(self, images: Images, rng: Rng) -> Images:
        scaled = super().images(images, rng)
        return scaled + np.float32(rng.random()) if self.low else scaled


_BUFFERS: dict[Any, Images] = {}


class SameMemory(Scale):
    def images(self, images: Images, rng: Rng) -> Images:
        key = images.shape
        result = _BUFFERS.setdefault(key, np.empty(images.shape, np.float32))
        result[...] = super().images(images, rng)
        return result


class MaskedResult(Scale):
    def images(self, images: Images, rng: Rng) -> Images:
        return np.ma.masked_invalid(super().images(images, rng))


class FlatMeans(Standardize):
    def images(self, images: Images, rng: Rng) -> Images:
        with np.errstate(all="ignore"):
            return super().images(images, rng) / np.float32(
                max(images.std(), 1) if images.size else 1
            )


@dataclass(frozen=True, kw_only=True)
class LearnsNumpy(Scale):
    """Learns a number that no spec can hold."""

    top: float = option(0.0, doc="Learnt.")

    def fitted(self, images: Images) -> Self:
        learnt = replace(self, top=self.top or 1.0)
        object.__setattr__(learnt, "top", np.float32(self.top or 255))
        return learnt

    def images(self, images: Images, rng: Rng) -> Images:
        return super().images(np.minimum(images, np.float32(self.top)), rng)


@dataclass(frozen=True, kw_only=True)
class IgnoredOption(Scale):
    gamma: float = option(1.0, minimum=0, doc="Power, which nothing takes.")


class NextClass(OneHot):
    def labels(self, labels: Labels, classes: int) -> Labels:
        return super().labels((labels + 1) % classes, classes)


class TenClasses(OneHot):
    def labels(self, labels: Labels, classes: int) -> Labels:
        return super().labels(np.minimum(labels, 9), classes)


class WordsForLabels(Transform):
    def labels(self, labels: Labels, classes: int) -> Labels:
        return labels.astype(str)


class FlipsPairs(Augmentation):
    def images(self, images: Images, rng: Rng) -> Images:
        pairs = rng.random(len(images) // 2 + 1) < 0.5
        turned = np.repeat(pairs, 2)[: len(images), None, None, None]
        return np.where(turned, images[..., ::-1], images)


class First32Alone(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        return np.concatenate([super().images(images[:32], rng), images[32:]])


class LastHalfAlone(Flip):
    def images(self, images: Images, rng: Rng) -> Images:
        half = len(images) // 2
        return np.concatenate([images[:half], super().images(images[half:], rng)])


class SeedsEverything(Augmentation):
    def images(self, images: Images, rng: Rng) -> Images:
        np.random.seed(int(rng.integers(2**31)))  # noqa: NPY002
        turned = np.random.random((len(images), 1, 1, 1)) < 0.5  # noqa: NPY002
        return np.where(turned, images[..., ::-1], images)


class BytesWrap(Transform):
    def images(self, images: Images, rng: Rng) -> Images:
        return images * images.dtype.type(2)


@dataclass(frozen=True, kw_only=True)
class SquaresOfBytes(Transform):
    size: float | None = option(None, above=0, doc="Mean square; default: measured.")

    def fitted(self, images: Images) -> Self:
        return self if self.size else replace(self, size=1 + float((images * images).mean()))

    def images(self, images: Images, rng: Rng) -> Images:
        return images * np.float32(1 / (self.size or 1))


SHAPE = "output_has_the_declared_shape"
SIZE = "training_changes_neither_size_nor_scale"
ANEW = "every_step_and_image_is_drawn_anew"
OTHERS = "images_do_not_depend_on_their_batch"
LABELS = "labels_keep_their_class"
BLIND_TRANSFORMS: dict[Transform, str] = {
    CutsARow(): SHAPE,
    SaysItCuts(): SIZE,
    To255(): SIZE,
    To1(): SIZE,
    ToOneOrTwo(): SIZE,
    ScalesBytesAlone(): SIZE,
    Negated(): SIZE,
    Blanked(): SIZE,
    SquareOnly(): SHAPE,
    SeedAlone(): ANEW,
    OneForAll(): ANEW,
    FirstImagesAlone(): ANEW,
    InPlace(): "input_is_not_written_to",
    InPlaceFromNine(): "input_is_not_written_to",
    SortsLabels(): "input_is_not_written_to",
    MixesImages(): OTHERS,
    MeanOfNine(): OTHERS,
    WrongFromSeventeen(): OTHERS,
    FailsForTwo(): SHAPE,
    LowInFloat64(): "no_float64_comes_out",
    RandomIfLow(): "only_training_is_random",
    SameMemory(): "results_own_their_memory",
    MaskedResult(): SHAPE,
    FlatMeans(): OTHERS,
    LearnsNumpy(): "fitted_options_can_be_written",
    IgnoredOption(): "every_option_has_an_effect",
    NextClass(): LABELS,
    TenClasses(): LABELS,
    WordsForLabels(): LABELS,
    FlipsPairs(): ANEW,
    First32Alone(): ANEW,
    LastHalfAlone(): ANEW,
    SeedsEverything(): "global_randomness_is_left_alone",
    BytesWrap(): "bytes_and_floats_are_alike",
    SquaresOfBytes(): "bytes_and_floats_are_alike",
}


# --- data sets -----------------------------------------------------------------------------------


class OtherName(Stripes):
    def load(self, split: Any, place: Place) -> Samples:
        return replace(super().load(split, place), dataset=f"stripes {split}")


class LacksAClass(Stripes):
    def load(self, split: Any, place: Place) -> Samples:
        samples = super().load(split, place)
        return samples.take(np.flatnonzero(samples.labels < 2)) if split == "train" else samples


_LOADED: dict[Any, Samples] = {}


class KeepsItsLabels(Stripes):
    """Images are new, labels the same array."""

    def load(self, split: Any, place: Place) -> Samples:
        kept = _LOADED.setdefault(split, super().load(split, place))
        return replace(kept, images=kept.images.copy())


class ChangesIfWritten(Stripes):
    """Gives views of what it keeps: writing to one load changes the next."""

    def load(self, split: Any, place: Place) -> Samples:
        kept = _LOADED.setdefault(("all", split), super().load(split, place))
        return replace(kept, images=kept.images[:], labels=kept.labels.copy())


class TestLoadedFirst(Stripes):
    """What is loaded depends on what was loaded before."""

    def load(self, split: Any, place: Place) -> Samples:
        samples = super().load(split, place)
        if split == "train":
            _LOADED["trained"] = samples
            return samples
        darker = samples.images if _LOADED.pop("trained", None) else samples.images // 2
        return replace(samples, images=darker)


class MaskedImages(Stripes):
    def load(self, split: Any, place: Place) -> Samples:
        samples = super().load(split, place)
        return replace(samples, images=np.ma.masked_equal(samples.images, 0))


class SaysItReadsNothing(Stripes):
    reads_files: ClassVar[bool] = False

    def load(self, split: Any, place: Place) -> Samples:
        if place.folder.name == "such":
            raise DataError("no files")
        return super().load(split, place)


class PathsAsFiles(Stripes):
    def load(self, split: Any, place: Place) -> Samples:
        return replace(super().load(split, place), files=(place.folder,))  # type: ignore[arg-type]


class ColumnOfLabels(Stripes):
    def load(self, split: Any, place: Place) -> Samples:
        samples = super().load(split, place)
        return replace(samples, labels=samples.labels[:, None])


class Speckles(Stripes):
    """Right as it stands: no two images are alike."""

    def load(self, split: Any, place: Place) -> Samples:
        samples = super().load(split, place)
        noise = np.random.default_rng(len(samples)).integers(0, 9, samples.images.shape, np.uint8)
        return replace(samples, images=samples.images + noise)


class TestsOnTraining(Speckles):
    def load(self, split: Any, place: Place) -> Samples:
        samples = super().load("train", place)
        return samples if split == "train" else samples.take(np.arange(4))


class ShuffledByHash(Speckles):
    def load(self, split: Any, place: Place) -> Samples:
        samples = super().load(split, place)
        order = np.random.default_rng(abs(hash(split))).permutation(len(samples))
        return samples.take(order)


class InTheSystemsOrder(Speckles):
    """Takes its samples in the order in which files are listed."""

    def load(self, split: Any, place: Place) -> Samples:
        samples = super().load(split, place)
        names = [path.name for path in Path(__file__).parent.glob("*.py")]
        return samples.take(np.argsort(np.argsort(names[: len(samples)])))


BLIND_DATASETS: dict[DataSource, str] = {
    OtherName(): "classes_have_names",
    LacksAClass(): "every_class_has_training_samples",
    KeepsItsLabels(): "splits_share_no_memory",
    ChangesIfWritten(): "splits_share_no_memory",
    TestLoadedFirst(): "loading_again_gives_the_same",
    MaskedImages(): "images_are_in_channels_rows_columns",
    SaysItReadsNothing(): "missing_files_raise_data_error",
    PathsAsFiles(): "classes_have_names",
    ColumnOfLabels(): "labels_are_classes",
    TestsOnTraining(): "splits_are_different",
    ShuffledByHash(): "a_new_process_gives_the_same",
    InTheSystemsOrder(): "a_new_process_gives_the_same",
}


@dataclass(frozen=True, kw_only=True)
class Floats(Stripes):
    """Pixels from 0 to 1, in float32, 3 channels, not square."""

    def load(self, split: Any, place: Place) -> Samples:
        samples = super().load(split, place)
        images = np.repeat(samples.images[:, :, :7], 3, axis=1).astype(np.float32) / 255
        return replace(samples, images=images)


@dataclass(frozen=True, kw_only=True)
class ReadOnly(Stripes):
    """Kept arrays, which nobody can write to."""

    def load(self, split: Any, place: Place) -> Samples:
        kept = _LOADED.setdefault(("kept", split), super().load(split, place))
        kept.images.flags.writeable = kept.labels.flags.writeable = False
        return kept


DATASET_TWINS = (Floats(), ReadOnly(), Speckles())
