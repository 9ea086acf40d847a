"""Random distortions of training images: affine and elastic."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Shape
from lenetkit.data.transforms import Images, Transform, image_shape
from lenetkit.errors import OptionError
from lenetkit.options import option

Field = NDArray[np.float32]
_PIXELS = 1 << 14
"""Pixels distorted at a time: temporary arrays that fit into a core's cache and reuse memory, which
would take longer to get from the system than the arithmetic."""


class _Distortion(Transform):
    """Moves pixels: each pixel of the result is read from a position of its own."""

    training_only: ClassVar[bool] = True

    def output_shape(self, in_shape: Shape) -> Shape:
        return image_shape(in_shape, type(self).__name__)

    @abstractmethod
    def positions(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Field, Field]:
        """Where each pixel of a batch (N, C, H, W) is read: y and x, each (N, H, W), in pixels."""

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        result = np.empty(images.shape, np.float32)
        at_once = max(_PIXELS // math.prod(images.shape[2:]), 1)
        for first in range(0, len(images), at_once):
            some = images[first : first + at_once]
            y, x = self.positions(some.shape, rng)
            result[first : first + at_once] = bilinear(some, y, x)
        return result


@dataclass(frozen=True, kw_only=True)
class RandomAffine(_Distortion):
    """Random rotation, shift, scaling and shear of each image about its centre.

    The options are those of torchvision's RandomAffine, each drawn uniformly from its range.
    """

    degrees: float = option(0.0, minimum=0, maximum=180, doc="Rotation up to ± this many degrees.")
    translate: tuple[float, float] = option(
        (0.0, 0.0), minimum=0, maximum=1, doc="Shift up to ± this fraction of width and height."
    )
    scale: tuple[float, float] = option(
        (1.0, 1.0), minimum=0.01, maximum=100, doc="Smallest and largest factor."
    )
    shear: float = option(0.0, minimum=0, below=90, doc="Slant up to ± this many degrees.")

    def validate(self) -> None:
        if self.scale[0] > self.scale[1]:
            raise OptionError("scale", f"must be [smallest, largest], found {list(self.scale)}")

    def positions(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Field, Field]:
        N, _, H, W = shape
        draw = rng.uniform(-1, 1, (5, N, 1, 1))
        angle = draw[0] * math.radians(self.degrees)
        slant = np.tan(draw[1] * math.radians(self.shear))
        low, high = self.scale
        zoom = low + (high - low) * (draw[2] + 1) / 2
        cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
        a, b, c, d = cos, sin + slant * cos, -sin, cos - slant * sin
        down = np.arange(H).reshape(H, 1) - (H - 1) / 2 - draw[4] * self.translate[1] * H
        right = np.arange(W) - (W - 1) / 2 - draw[3] * self.translate[0] * W
        # A term for the row and a term for the column, added for every pixel.
        y = (d * down + (H - 1) / 2).astype(np.float32) + (c * right).astype(np.float32)
        x = (b * down).astype(np.float32) + (a * right + (W - 1) / 2).astype(np.float32)
        return y, x


@dataclass(frozen=True, kw_only=True)
class Elastic(_Distortion):
    """A smooth random displacement: alpha · (uniform noise, blurred by a Gaussian of sigma pixels).

    Simard, Steinkraus & Platt 2003, section 2; they use sigma 4 and alpha 34 for MNIST.
    """

    alpha: float = option(34.0, minimum=0, maximum=1e6, doc="Strength, in pixels before blurring.")
    sigma: float = option(
        4.0, minimum=0.01, maximum=1000, doc="Smoothness: the blur's standard deviation in pixels."
    )

    def positions(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Field, Field]:
        N, _, H, W = shape
        noise = rng.random((2, N, H, W), np.float32) * np.float32(2 * self.alpha)
        noise -= np.float32(self.alpha)
        moved = _blur(H, self.sigma) @ noise @ _blur(W, self.sigma)
        y, x = np.mgrid[:H, :W].astype(np.float32)
        return moved[0] + y, moved[1] + x


def _blur(size: int, sigma: float) -> Field:
    """A Gaussian blur along one axis as a symmetric matrix; pixels beyond the edge are 0."""
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    reach = np.arange(1, math.ceil(9 * sigma) + 1)
    total = 1 + 2 * np.exp(-0.5 * (reach / sigma) ** 2).sum()
    return (np.exp(-0.5 * (distance / sigma) ** 2) / total).astype(np.float32)


def bilinear(images: Images, y: Field, x: Field) -> Images:
    """Images (N, C, H, W) read at positions y and x (N, …) between pixels; 0 outside.

    The result is float32, (N, C, …).
    """
    N, C, H, W = images.shape
    padded = np.zeros((N, C, H + 3, W + 3), np.float32)  # one pixel before, two after
    padded[:, :, 1:-2, 1:-2] = images
    flat, sheet = padded.reshape(-1), (H + 3) * (W + 3)
    y, x = np.clip(y, -1, H) + np.float32(1), np.clip(x, -1, W) + np.float32(1)
    top, left = np.floor(y), np.floor(x)
    y -= top
    x -= left
    corner = top.astype(np.intp)
    corner *= W + 3
    corner += left.astype(np.intp)
    corner += (np.arange(N) * (C * sheet)).reshape(N, 1, 1)
    result = np.empty((N, C, *y.shape[1:]), np.float32)
    for c in range(C):
        upper, lower = (
            _between(row.take(corner), row[1:].take(corner), x)
            for row in (flat[c * sheet :], flat[c * sheet + W + 3 :])
        )
        result[:, c] = _between(upper, lower, y)
    return result


def _between(first: Field, second: Field, share: Field) -> Field:
    """first + share · (second − first), computed in `second`."""
    second -= first
    second *= share
    second += first
    return second
