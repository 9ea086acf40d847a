"""Random changes of training images that move or cover whole pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lenetkit.data.transforms import Images, Transform, holding, padded
from lenetkit.operations.base import Pair, pair
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class Flip(Transform):
    """Some images mirrored: left to right, or upside down. Not for digits, whose class changes.

    As torchvision's RandomHorizontalFlip and RandomVerticalFlip.
    """

    training_only: ClassVar[bool] = True

    horizontal: float = option(
        0.5, minimum=0, maximum=1, doc="Probability that an image is mirrored left to right."
    )
    vertical: float = option(
        0.0, minimum=0, maximum=1, doc="Probability that an image is turned upside down."
    )

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        result = images.copy()
        across, down = rng.random((2, len(images)))
        for chosen, axis in ((across < self.horizontal, 3), (down < self.vertical, 2)):
            result[chosen] = np.flip(result[chosen], axis)
        return result


@dataclass(frozen=True, kw_only=True)
class Crop(Transform):
    """A random part of each image after padding, of the image's own size: a shift by whole pixels.

    As torchvision's RandomCrop with the image's size and this padding.
    """

    training_only: ClassVar[bool] = True

    padding: int | Pair = option(4, minimum=0, doc="Pixels on each side: one number or [h, w].")
    value: float = option(0.0, doc="The value; before `scale`, 0 is the background.")

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        (N, _, H, W), (rows, columns) = images.shape, pair(self.padding)
        wide = padded(images, rows, columns, self.value)
        windows = np.lib.stride_tricks.sliding_window_view(wide, (H, W), axis=(2, 3))
        top, left = (rng.integers(0, 2 * p + 1, N) for p in (rows, columns))
        return windows[np.arange(N), :, top, left]


@dataclass(frozen=True, kw_only=True)
class Cutout(Transform):
    """A square of each image covered; its centre is anywhere, so that part may lie outside.

    DeVries & Taylor 2017, section 3.
    """

    training_only: ClassVar[bool] = True

    size: int = option(minimum=1, doc="Side of the square in pixels.")
    value: float = option(0.0, doc="The value; before `scale`, 0 is the background.")

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        N, _, H, W = images.shape
        result = images.astype(holding(images.dtype, self.value))
        inside = []
        for length in (H, W):
            first = rng.integers(0, length, (N, 1)) - self.size // 2
            inside.append((first <= np.arange(length)) & (np.arange(length) < first + self.size))
        square = inside[0][:, :, None] & inside[1][:, None, :]
        np.copyto(result, np.asarray(self.value, result.dtype), where=square[:, None])
        return result
