"""Transforms and data sets with one mistake each.

The `WRONG_…` tables name the check that is meant to catch each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from lenetkit.arrays import Shape
from lenetkit.data.source import DataSource, Place, Samples, Split
from lenetkit.data.transforms import Images, Labels, OneHot, Pad, Scale, Standardize


class PadWithoutShape(Pad):
    def output_shape(self, in_shape: Shape) -> Shape:
        return in_shape


class DoubleScale(Scale):
    def images(self, images: Images, rng: np.random.Generator) -> Images:
        return super().images(images, rng).astype(np.float64)


class ScalesInPlace(Scale):
    def images(self, images: Images, rng: np.random.Generator) -> Images:
        if images.dtype == np.float32:
            images /= 255
        return super().images(images, rng)


class JitterAlways(Scale):
    def images(self, images: Images, rng: np.random.Generator) -> Images:
        return super().images(images, rng) + np.float32(rng.random())


class JitterUnseeded(Scale):
    training_only: ClassVar[bool] = True

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        return super().images(images, np.random.default_rng()) + np.float32(
            np.random.default_rng().random()
        )


class MeanOfTheBatch(Scale):
    def images(self, images: Images, rng: np.random.Generator) -> Images:
        scaled = super().images(images, rng)
        return scaled - scaled.mean(dtype=np.float32) if scaled.size else scaled


class MeasuresAgain(Standardize):
    def fitted(self, images: Images) -> Self:
        return replace(self, mean=float(images.mean() / 255), std=1.0)


class Flips(Scale):
    def images(self, images: Images, rng: np.random.Generator) -> Images:
        return images[..., ::-1]


class LabelsTwice(OneHot):
    def labels(self, labels: Labels, classes: int) -> Labels:
        return np.concatenate([labels, labels])


WRONG_TRANSFORMS = {
    PadWithoutShape(padding=1): "output_has_the_declared_shape",
    DoubleScale(): "no_float64_comes_out",
    ScalesInPlace(): "input_is_not_written_to",
    JitterAlways(): "only_training_is_random",
    JitterUnseeded(): "same_seed_gives_the_same_bits",
    MeanOfTheBatch(): "images_do_not_depend_on_their_batch",
    MeasuresAgain(): "fitting_is_final",
    Flips(): "results_own_their_memory",
    LabelsTwice(): "labels_keep_their_class",
}


@dataclass(frozen=True, kw_only=True)
class Stripes(DataSource):
    """A small correct data set, made in memory: the base of the wrong ones."""

    def load(self, split: Split, place: Place) -> Samples:
        count = 12 if split == "train" else 6
        labels = np.arange(count) % 3
        images = np.zeros((count, 1, 8, 8), np.uint8)
        images[:, 0, :, 1:3] = 60 * (1 + labels[:, None, None])
        return Samples(images, labels, "stripes", ("a", "b", "c"))


class WithoutChannels(Stripes):
    def load(self, split: Split, place: Place) -> Samples:
        samples = super().load(split, place)
        return replace(samples, images=samples.images[:, 0])


class LabelsFromOne(Stripes):
    def load(self, split: Split, place: Place) -> Samples:
        samples = super().load(split, place)
        return replace(samples, labels=samples.labels + 1)


class AlreadyScaled(Stripes):
    def load(self, split: Split, place: Place) -> Samples:
        samples = super().load(split, place)
        return replace(samples, images=samples.images.astype(np.float32) / 127.5 - 1)


class SplitIgnored(Stripes):
    def load(self, split: Split, place: Place) -> Samples:
        return super().load("train", place)


class AnyOrder(Stripes):
    def load(self, split: Split, place: Place) -> Samples:
        samples = super().load(split, place)
        noise = np.random.default_rng().integers(0, 9, samples.images.shape, np.uint8)
        return replace(samples, images=samples.images + noise)


class SameNames(Stripes):
    def load(self, split: Split, place: Place) -> Samples:
        return replace(super().load(split, place), classes=("a", "a", "b"))


class FileNotFound(Stripes):
    def load(self, split: Split, place: Place) -> Samples:
        if not place.folder.exists():
            (place.folder / "stripes.txt").read_text(encoding="utf-8")
        return super().load(split, place)


WRONG_DATASETS = {
    WithoutChannels(): "images_are_in_channels_rows_columns",
    LabelsFromOne(): "labels_are_classes",
    AlreadyScaled(): "pixels_are_stored_as_bytes_or_floats",
    SplitIgnored(): "splits_are_different",
    AnyOrder(): "loading_again_gives_the_same",
    SameNames(): "classes_have_names",
    FileNotFound(): "missing_files_raise_data_error",
}
