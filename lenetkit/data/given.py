"""Images and rows of features from a user's program: whether they are on the scale that a network
takes, and in a shape that can only mean one thing.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Shape, expect_unmasked, shape_text
from lenetkit.data.pipeline import Pipeline
from lenetkit.errors import ArrayError

_DARK = 0.01
"""Images whose values all lie below this part of the scale are on another scale, or blank."""
_BEYOND = 0.01
"""How far beyond a known scale rounding may take a value, as a part of the scale."""
_UNLIKE = (0.1, 0.5)
"""The same, below and above, for a scale that is known from the training images alone."""
_SEVERAL = 10
"""So many images hold a pixel that is darker than the mean of the training images."""
_DIM = 0.1
"""Training images that use less of their scale, all together, are on another."""


@dataclass(frozen=True)
class PixelRange:
    """The values that the images of a network may have; `ANY_SCALE` is that of features."""

    low: float = 0.0
    high: float = 255.0

    @classmethod
    def of(cls, images: NDArray[Any], pipeline: Pipeline, what: str) -> Self:
        """The range of training images: 0 … 255, 0 … 1, or as found.

        Images that are not on 0 … 255 must still reach the network on a scale of about 1, or
        standardized; transforms that expect 0 … 255 would make them nearly constant. Rows of
        features may be on any scale, unless a transform takes pixels. Raises ArrayError, in which
        the images are called `what`.
        """
        full = cls()
        if images.ndim == 2 and pipeline.takes_any_scale:
            full = cls(-math.inf, math.inf)
        low, high = _extremes(images, what, full)
        if full.is_any:
            return full
        if (low >= 0 and _DIM * full.high < high <= full.high * (1 + _BEYOND)) or low == high == 0:
            return full
        if (images.dtype == np.int8 and low < 0) or not _suits(_arriving(images, pipeline)):
            raise full._refusal(images, what, low, high)
        unit = low >= 0 and _DIM < high <= 1 + _BEYOND
        return cls(0.0, 1.0) if unit else cls(low, high)

    @property
    def is_any(self) -> bool:
        """Whether all real numbers are in it."""
        return math.isinf(self.high)

    @property
    def is_known(self) -> bool:
        """Whether it is a scale in common use, not what some images happened to span."""
        return self.low == 0 and self.high in (1, 255)

    def expect(self, images: NDArray[Any], what: str) -> None:
        """Raise ArrayError if images are on another scale. Blank ones, all 0, are on any.

        An array whose largest value is at most a hundredth of the scale's is refused, although it
        could hold nothing but nearly black images: far more likely it was divided by 255. So are
        several images without any negative value, if training images, standardized, had some.
        """
        low, high = _extremes(images, what, self)
        if self.is_any:
            return
        below, above = (_BEYOND, _BEYOND) if self.is_known else _UNLIKE
        span = self.high - self.low
        largest = max(abs(self.low), abs(self.high))
        dark = max(abs(low), abs(high)) <= _DARK * largest and (low, high) != (0, 0)
        negative = self.is_known and low < -_BEYOND * abs(high)
        several = len(images) >= _SEVERAL or images.dtype == bool
        positive = self.low < 0 <= low and high > 0 and several
        outside = low < self.low - below * span or high > self.high + above * span
        if dark or negative or positive or outside:
            raise self._refusal(images, what, low, high)

    def from_bytes(self, pictures: NDArray[np.uint8]) -> NDArray[Any]:
        """Pictures from 0 to 255 on this scale."""
        if self == PixelRange():
            return pictures
        return pictures * np.float32((self.high - self.low) / 255) + np.float32(self.low)

    def _refusal(self, images: NDArray[Any], what: str, low: float, high: float) -> ArrayError:
        found = f"{images.dtype} values from {low:.5g} to {high:.5g}, shape {images.shape}"
        fix = self._fix(images.dtype, low, high)
        if images.ndim == 2:
            fix += "; features that are no pixels need no transforms: set data.transforms to []"
        return ArrayError(f"{what}: expected {self}, found {found}; {fix}")

    def _fix(self, dtype: np.dtype[Any], low: float, high: float) -> str:
        if not self.is_known:
            return "prepare them as the training images were"
        times = f" and multiply by {self.high:g}" if self.high > 1 else ""
        if dtype == np.int8:
            return "pixels above 127 have wrapped: images.view('uint8')"
        if low < 0 and -low <= self.high / 4 and self.high / 2 <= high <= self.high * 1.25:
            return f"if they overshoot, images.clip(0, {self.high:g})"
        if low < 0 and max(-low, high) <= 0.5 + _BEYOND:
            return f"for -0.5 … 0.5: (images + 0.5){times.replace(' and multiply by', ' *')}"
        if low < 0 and max(-low, high) <= 1 + _BEYOND:
            return f"for -1 … 1: (images + 1) * {self.high / 2:g}"
        if low < 0:
            return f"if they were standardized, undo that (images * std + mean){times}"
        if high <= 1 + _BEYOND:
            return f"multiply by {self.high:g}"
        if high <= self.high:
            return f"multiply by {self.high / high:.6g}, if {high:g} is white"
        white = next((w for w in (255, 1023, 4095, 65535) if high <= w * (1 + _BEYOND)), high)
        return f"divide by {white / self.high:.6g}"

    def __str__(self) -> str:
        if self.is_any:
            return "real numbers"
        where = "stored" if self == PixelRange() else "in training"
        return f"pixels from {self.low:.5g} to {self.high:.5g}, as {where}"


ANY_SCALE = PixelRange(-math.inf, math.inf)
"""Of features, which are no pixels."""


def as_images(images: Any, shape: Shape) -> NDArray[Any]:
    """Images as (N, *shape), from any layout that can mean nothing else.

    For `shape` (C, H, W) that is (N, C, H, W) or (N, H, W, C), and for C = 1 also (N, H, W) or
    (N, H·W), in rows; for (F,) rows of features (N, F). Raises ArrayError for any other.
    """
    given = images
    expect_unmasked(given, "images")
    try:
        images = np.asarray(given)
    except ValueError:
        raise ArrayError(f"expected images of one size, {shape_text(shape)}") from None
    if images.dtype == object:
        with suppress(TypeError, ValueError):  # what pandas has of several types
            images = images.astype(float)
    if images.ndim and not images.size and (images.ndim == 1 or len(images) == 0):
        return np.zeros((0, *shape), np.uint8)
    if len(shape) == 1:
        if images.ndim == 2 and images.shape[1:] == shape:
            return images
        hint = "; for one row: row[None]" if images.shape == shape else ""
        hint = hint or ("; for one column: column[:, None]" if images.ndim == 1 else "")
        raise ArrayError(
            f"expected {_wanted(shape)}, an array (N, {shape[0]:,}), found "
            f"{_found(images, given)}{hint}"
        )
    C, H, W = shape
    grey = ((H, W), (H * W,)) if C == 1 else ()
    if images.shape[1:] in ((C, H, W), *grey):
        return images.reshape(-1, C, H, W)
    if images.shape[1:] == (H, W, C):
        return np.moveaxis(images, -1, 1)
    layout = f"(N, {H}, {W}) or (N, 1, {H}, {W})" if C == 1 else f"(N, {C}, {H}, {W})"
    one = images.shape in ((C, H, W), (H, W, C), *grey)
    raise ArrayError(
        f"expected {_wanted(shape)}, an array {layout}, found {_found(images, given)}"
        + ("; for one image: image[None]" if one else "")
    )


def _wanted(shape: Shape) -> str:
    if len(shape) == 1:
        return f"rows of {shape[0]:,} feature{'s' if shape[0] > 1 else ''}"
    return f"images of {shape_text(shape)}"


def _found(images: NDArray[Any], given: Any) -> str:
    is_array = images.ndim or images.dtype.kind in "buifc"
    sparse = "; a sparse array: .toarray()" if hasattr(given, "toarray") else ""  # SciPy's
    return f"shape {images.shape}" if is_array else f"{type(given).__name__}{sparse}"


def _extremes(images: NDArray[Any], what: str, expected: PixelRange) -> tuple[float, float]:
    """The smallest and the largest value. Raises ArrayError for what is not real and finite."""
    if images.dtype.kind not in "buif":
        found = f"dtype {images.dtype}, shape {images.shape}"
        raise ArrayError(f"{what}: expected {expected}, found {found}")
    if not images.size:
        return 0.0, 0.0
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        bad = np.count_nonzero(~np.isfinite(images))
        raise ArrayError(
            f"{what}: expected {expected}, found {images.dtype} of shape "
            f"{images.shape} with {bad:,} values that are nan or infinite"
        )
    return low, high


def _arriving(images: NDArray[Any], pipeline: Pipeline) -> NDArray[np.float64]:
    """What reaches the network of some of the images, the darkest and the brightest among them."""
    rows = [*range(0, len(images), max(len(images) // 500, 1))]
    pixels = images[0].size
    rows += [int(images.argmin()) // pixels, int(images.argmax()) // pixels]
    return pipeline.images(images[rows], np.float64)


def _suits(values: NDArray[np.float64]) -> bool:
    """Whether values span about 1, or are standardized."""
    spread = float(np.ptp(values))
    return _DIM <= spread <= 2.5 or (abs(values.mean()) <= 0.5 and 0.5 <= values.std() <= 2)
