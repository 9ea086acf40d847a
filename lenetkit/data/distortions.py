"""Random distortions of training images: affine and elastic."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.transforms import Images, Transform
from lenetkit.errors import OptionError
from lenetkit.options import option

Field = NDArray[np.float32]


class _Distortion(Transform):
    """Moves pixels: each pixel of the result is read at a place of its own."""

    training_only: ClassVar[bool] = True

    @abstractmethod
    def places(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Field, Field]:
        """Where each pixel of a batch (N, C, H, W) is read: y and x, each (N, H, W), in pixels."""

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        y, x = self.places(images.shape, rng)
        return bilinear(images, y, x)


@dataclass(frozen=True, kw_only=True)
class RandomAffine(_Distortion):
    """Rotation, shift, scaling and shear about the centre, drawn anew for each image.

    Options as torchvision's RandomAffine, each uniform in its range.
    """

    degrees: float = option(0.0, minimum=0, maximum=180, doc="Rotation up to ± this many degrees.")
    translate: tuple[float, float] = option(
        (0.0, 0.0), minimum=0, maximum=1, doc="Shift up to ± this share of width and height."
    )
    scale: tuple[float, float] = option((1.0, 1.0), above=0, doc="Smallest and largest factor.")
    shear: float = option(0.0, minimum=0, below=90, doc="Slant up to ± this many degrees.")

    def validate(self) -> None:
        if self.scale[0] > self.scale[1]:
            raise OptionError("scale", f"must rise, found {list(self.scale)}")

    def places(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Field, Field]:
        N, _, H, W = shape
        draw = rng.uniform(-1, 1, (5, N, 1, 1))
        angle = draw[0] * math.radians(self.degrees)
        slant = np.tan(draw[1] * math.radians(self.shear))
        low, high = self.scale
        zoom = low + (high - low) * (draw[2] + 1) / 2
        cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
        y, x = np.mgrid[:H, :W].astype(np.float32)
        y = y - np.float32((H - 1) / 2) - (draw[4] * self.translate[1] * H).astype(np.float32)
        x = x - np.float32((W - 1) / 2) - (draw[3] * self.translate[0] * W).astype(np.float32)
        a, b = cos.astype(np.float32), (sin + slant * cos).astype(np.float32)
        c, d = (-sin).astype(np.float32), (cos - slant * sin).astype(np.float32)
        return c * x + d * y + np.float32((H - 1) / 2), a * x + b * y + np.float32((W - 1) / 2)


@dataclass(frozen=True, kw_only=True)
class Elastic(_Distortion):
    """A smooth random displacement: alpha · (uniform noise, blurred by a Gaussian of sigma pixels).

    Simard, Steinkraus & Platt 2003, section 2; they use sigma 4 and alpha 34 for MNIST.
    """

    alpha: float = option(34.0, minimum=0, doc="Strength, in pixels before blurring.")
    sigma: float = option(4.0, above=0, doc="Smoothness: the blur's deviation in pixels.")

    def places(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Field, Field]:
        N, _, H, W = shape
        noise = rng.random((2, N, H, W), np.float32) * np.float32(2 * self.alpha)
        noise -= np.float32(self.alpha)
        moved = _blur(H, self.sigma) @ noise @ _blur(W, self.sigma)
        y, x = np.mgrid[:H, :W].astype(np.float32)
        return moved[0] + y, moved[1] + x


def _blur(size: int, sigma: float) -> Field:
    """A Gaussian blur along one axis as a symmetric matrix; beyond the edge there is nothing."""
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    reach = np.arange(1, math.ceil(9 * sigma) + 1)
    total = 1 + 2 * np.exp(-0.5 * (reach / sigma) ** 2).sum()
    return (np.exp(-0.5 * (distance / sigma) ** 2) / total).astype(np.float32)


def bilinear(images: Images, y: Field, x: Field) -> Images:
    """Each image (C, H, W) read at the places (y, x) between pixels; outside it is 0.

    The result is float32, (N, C, *y.shape[1:]).
    """
    N, C, H, W = images.shape
    padded = np.zeros((N, C, H + 2, W + 2), np.float32)
    padded[:, :, 1:-1, 1:-1] = images
    y = np.clip(y, -1, H) + np.float32(1)
    x = np.clip(x, -1, W) + np.float32(1)
    top = np.minimum(y.astype(np.intp), H)
    left = np.minimum(x.astype(np.intp), W)
    dy = (y - top.astype(np.float32))[:, None]
    dx = (x - left.astype(np.float32))[:, None]
    starts = (np.arange(N * C) * ((H + 2) * (W + 2))).reshape(N, C, 1, 1)
    corner = starts + (top * (W + 2) + left)[:, None]
    flat: NDArray[Any] = padded.reshape(-1)
    upper = flat[corner] * (1 - dx) + flat[corner + 1] * dx
    lower = flat[corner + W + 2] * (1 - dx) + flat[corner + W + 3] * dx
    return upper * (1 - dy) + lower * dy
