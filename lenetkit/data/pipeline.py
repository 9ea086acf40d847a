"""Preparing images and labels of a data set for the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.transforms import Transform

Draw = Callable[[], np.random.Generator]
_NO_RANDOMNESS = np.random.default_rng(0)


@dataclass(frozen=True)
class Pipeline:
    """The fitted transforms in order; those for training only are skipped in inference."""

    transforms: tuple[Transform, ...]
    classes: int

    def fitted(self, images: NDArray[Any]) -> Pipeline:
        """Each transform fitted to training images as those before it leave them."""
        found: list[Transform] = []
        for place, transform in enumerate(self.transforms, start=1):
            found.append(transform.fitted(images))
            is_measured = any(later.learns for later in self.transforms[place:])
            if is_measured and not transform.training_only:
                images = found[-1].images(images, _NO_RANDOMNESS)
        return Pipeline(tuple(found), self.classes)

    @property
    def takes_any_scale(self) -> bool:
        """Whether rows of features may be on any scale."""
        return all(transform.any_scale for transform in self.transforms)

    def output_shape(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape (C, H, W) that reaches the network. Transforms for training only keep it."""
        for transform in self.transforms:
            if not transform.training_only:
                in_shape = transform.output_shape(in_shape)
        return in_shape

    def input_shape(self, out_shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape of stored images that become `out_shape`, where one is found.

        It is right for transforms that add or take away as many pixels from images of any size.
        """
        grown = self.output_shape(out_shape)
        stored = tuple(2 * size - more for size, more in zip(out_shape, grown, strict=True))
        return stored if min(stored) > 0 and self.output_shape(stored) == out_shape else None

    def images(self, images: NDArray[Any], dtype: Any, draw: Draw | None = None) -> NDArray[Any]:
        """A batch ready for the network: for training if `draw` is given, else for inference.

        `draw` makes the generator. It takes as long as a layer, so it is called only when needed.
        """
        rng = None
        for transform in self.transforms:
            if not transform.training_only:
                images = transform.images(images, _NO_RANDOMNESS)
            elif draw is not None:
                rng = rng or draw()
                images = transform.images(images, rng)
        return images.astype(dtype, copy=False)

    def labels(self, labels: NDArray[Any]) -> NDArray[Any]:
        """The targets of a batch, the same in training and inference; real targets as they are."""
        if labels.ndim == 2:
            return labels
        for transform in self.transforms:
            labels = transform.labels(labels, self.classes)
        return labels
