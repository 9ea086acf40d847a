"""Transforms: how images and labels are prepared for the network.

A spec lists them in order. Those that change images at random (`distortions`) apply in training
only, and keep the images' shape and the scale of their values. Images arrive as the data set stores
them, usually uint8, and must leave as float.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Shape, shape_text
from lenetkit.errors import ShapeError
from lenetkit.operations.base import Pair, pair
from lenetkit.options import Configurable, option

Images = NDArray[Any]
Labels = NDArray[Any]


class Transform(Configurable):
    """Base of all transforms."""

    group: ClassVar[str] = "lenetkit.transforms"
    kind: ClassVar[str] = "transform"
    training_only: ClassVar[bool] = False
    """Whether evaluation leaves it out. It then keeps the images' shape and scale."""
    any_scale: ClassVar[bool] = False
    """Whether rows of features may be on any scale before it."""

    def output_shape(self, in_shape: Shape) -> Shape:
        """The shape (C, H, W) of the result."""
        return in_shape

    @property
    def learns(self) -> bool:
        """Whether `fitted` needs images; False saves making them where all is given."""
        return type(self).fitted is not Transform.fitted

    def fitted(self, images: Images) -> Self:
        """This transform fitted to the training images, as the transforms before it leave them."""
        return self

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        """A transformed batch (N, C, H, W), in a new array. Draws from `rng` for every image."""
        return images

    def labels(self, labels: Labels, classes: int) -> Labels:
        """The labels of a batch: class numbers, as they are, or rows, largest at the class."""
        return labels


@dataclass(frozen=True, kw_only=True)
class Scale(Transform):
    """0 … 255 to low … high: low + (high − low) · x / 255.

    Training images from 0 to 1 are scaled to the same values, by a larger `high`, which the model's
    spec then has.
    """

    low: float = option(0.0, doc="The value for 0.")
    high: float = option(1.0, doc="The value for 255.")

    def fitted(self, images: Images) -> Self:
        top = float(images.max(initial=0)) if images.dtype.kind in "buif" else 255.0
        span = self.high - self.low
        is_unit = 0 < top <= 1.01 and images.min() >= 0 and abs(span) * top / 255 < 0.1
        return replace(self, high=self.low + 255 * span) if is_unit else self

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        scaled: Images = np.multiply(images, np.float32((self.high - self.low) / 255))
        if self.low:
            scaled += np.float32(self.low)
        return scaled


@dataclass(frozen=True, kw_only=True)
class Standardize(Transform):
    """(x / 255 − mean) / std, with one mean and standard deviation for all pixels.

    If they are not given, they are measured on the training images and written into the model's
    spec.
    """

    mean: float | None = option(None, doc="Mean of x / 255; default: measured.")
    std: float | None = option(None, above=0, doc="Deviation of x / 255; default: measured.")

    @property
    def learns(self) -> bool:
        return self.mean is None or self.std is None

    def fitted(self, images: Images) -> Self:
        if not self.learns:
            return self
        mean, std = _moments(images)
        return replace(
            self,
            mean=mean if self.mean is None else self.mean,
            std=(std or 1.0) if self.std is None else self.std,
        )

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        if self.mean is None or self.std is None:
            raise RuntimeError("standardize has no mean and std: set them, or train, to measure")
        result: Images = np.multiply(images, np.float32(1 / (255 * self.std)))
        result -= np.float32(self.mean / self.std)
        return result


@dataclass(frozen=True, kw_only=True)
class Normalize(Transform):
    """(x − mean) / std, of each channel or feature by itself, as torchvision's Normalize.

    It takes the values as they come: `[scale, {type: normalize, mean: [0.1307], std: [0.3081]}]`.
    What is not given is measured on the training samples and written into the model's spec; the
    deviation of a constant is 1. `standardize` is for bytes, and has one mean for all pixels.
    """

    any_scale: ClassVar[bool] = True

    mean: tuple[float, ...] | None = option(
        None, doc="Mean of each channel, or one for all; default: measured."
    )
    std: tuple[float, ...] | None = option(
        None, above=0, doc="Deviation of each channel, or one for all; default: measured."
    )

    @classmethod
    def examples(cls) -> Sequence[Self]:
        return (cls(mean=(0.1307,), std=(0.3081,)),)

    def output_shape(self, in_shape: Shape) -> Shape:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) not in (1, in_shape[0]):
                each = "channel" if len(in_shape) == 3 else "feature"
                raise ShapeError(
                    f"normalize: expected one {name} per {each} of {shape_text(in_shape)}, or one "
                    f"for all, found {len(values)}"
                )
        return in_shape

    @property
    def learns(self) -> bool:
        return self.mean is None or self.std is None

    def fitted(self, images: Images) -> Self:
        if not self.learns or not images.size:
            return self
        each = [_moments_of(values) for values in np.moveaxis(images, 1, 0)]
        mean, std = zip(*each, strict=True)
        return replace(self, mean=self.mean or mean, std=self.std or std)

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        if self.mean is None or self.std is None:
            raise RuntimeError("normalize has no mean and std: set them, or train, to measure")
        is_exact = images.ndim == 2  # a feature may vary far less than its mean
        dtype = np.result_type(images, np.float32) if is_exact else np.dtype(np.float32)
        axes = (-1, *[1] * (images.ndim - 2))
        mean, std = (values.astype(dtype).reshape(axes) for values in self._arrays)
        result: Images = np.subtract(images, mean, dtype=dtype)
        result /= std
        return result

    @functools.cached_property
    def _arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array(self.mean, np.float64), np.array(self.std, np.float64)


@dataclass(frozen=True, kw_only=True)
class Pad(Transform):
    """Rows and columns of one value on each side, such as from 28×28 to LeNet-5's 32×32."""

    padding: int | Pair = option(minimum=0, doc="Pixels on each side: one number or [h, w].")
    value: float = option(0.0, doc="The value; before `scale`, 0 is the background.")

    def output_shape(self, in_shape: Shape) -> Shape:
        C, H, W = image_shape(in_shape, "pad")
        ph, pw = pair(self.padding)
        return C, H + 2 * ph, W + 2 * pw

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        return padded(images, *pair(self.padding), self.value)


@dataclass(frozen=True, kw_only=True)
class OneHot(Transform):
    """Labels as rows, 1 at the class and 0 elsewhere."""

    def labels(self, labels: Labels, classes: int) -> Labels:
        if labels.ndim == 2:  # already rows
            return labels
        rows = np.zeros((len(labels), classes), np.float32)
        rows[np.arange(len(labels)), labels] = 1
        return rows


def padded(images: Images, rows: int, columns: int, value: float) -> Images:
    """A copy with so many rows and columns of a value added on each side."""
    N, C, H, W = images.shape
    result = np.full((N, C, H + 2 * rows, W + 2 * columns), value, holding(images.dtype, value))
    result[:, :, rows : rows + H, columns : columns + W] = images
    return result


def holding(dtype: np.dtype[Any], value: float) -> np.dtype[Any]:
    """The type of images that hold a value exactly: their own, or float32."""
    return dtype if _can_hold(dtype, value) else np.dtype(np.float32)


def image_shape(shape: Shape, taker: str) -> Shape:
    """The shape (C, H, W) of what a transform takes. Raises ShapeError for features."""
    if len(shape) != 3:
        raise ShapeError(f"{taker} takes images, channels×height×width, not {shape[0]:,} features")
    return shape


def _can_hold(dtype: np.dtype[Any], value: float) -> bool:
    """Whether images of this type can hold a value exactly."""
    if dtype.kind not in "ui":
        return True
    limits = np.iinfo(dtype)
    return value.is_integer() and limits.min <= value <= limits.max


def _moments(images: Images) -> tuple[float, float]:
    """Mean and standard deviation of x / 255; for uint8 from a histogram, without a float copy."""
    if images.dtype == np.uint8:
        counts = np.zeros(256)
        for start in range(0, len(images), 1000):  # bincount takes 8 bytes a value
            counts += np.bincount(images[start : start + 1000].reshape(-1), minlength=256)
        values = np.arange(256) / 255
        mean = float(counts @ values / counts.sum())
        return mean, float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))
    return float(images.mean(dtype=np.float64) / 255), float(images.std(dtype=np.float64) / 255)


def _moments_of(values: Images) -> tuple[float, float]:
    """Mean and standard deviation, which is 1 of a constant."""
    parts = values.astype(np.float64).reshape(-1)
    size = float(np.abs(parts).max()) or 1.0
    parts /= size  # so that squares neither overflow nor vanish
    mean, std = float(parts.mean()), float(parts.std())
    is_constant = std <= 10 * np.finfo(np.float64).eps * abs(mean)
    return mean * size, (0.0 if is_constant else std * size) or 1.0
