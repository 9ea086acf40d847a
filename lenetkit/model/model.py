"""A network with its classes, transforms and metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.given import PixelRange, as_images, as_labels
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Preparation, Samples
from lenetkit.errors import ArrayError, ModelFileError
from lenetkit.files import tensorfile
from lenetkit.files.opening import user_path
from lenetkit.kernels.base import Kernels
from lenetkit.model import file
from lenetkit.model.metadata import image_problems, provenance, untrained
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan
from lenetkit.registry.catalog import installed
from lenetkit.spec.merge import Override
from lenetkit.training import loop
from lenetkit.training.calls import with_settings
from lenetkit.training.data import (
    TrainingData,
    divided,
    expect_countable,
    load_training_data,
    with_fitted_transforms,
)
from lenetkit.training.evaluation import Evaluation, evaluate, probabilities


class Model(Network):
    """A network that knows its transforms and the names of its classes."""

    def __init__(
        self,
        plan: Plan,
        *,
        seed: int = 0,
        dtype: Any = np.float32,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(plan, seed=seed, dtype=dtype)
        self.metadata = dict(metadata or untrained(plan))
        """What its file records besides the weights; see `model.metadata`."""
        self.history: list[dict[str, float]] = []
        """A row for each epoch of `fit`, with the columns of a run's `metrics.csv`."""

    def learns_from(self, data: TrainingData) -> None:
        """Note the data set, its classes, its images and what the transforms learned of them.

        `predict` and the model file need them. Raises ArrayError for images on another scale than
        those that it learned from before.
        """
        if "pixels" in self.metadata:
            self.pixels.expect(data.train.images, f"{data.train.called}: training images")
        self.metadata = provenance(data)
        self.plan = with_fitted_transforms(self.plan, data.pipeline)

    def fit(
        self,
        images: Any = None,
        labels: Any = None,
        *,
        test: tuple[Any, Any] | None = None,
        data_dir: str | Path | None = None,
        **settings: Any,
    ) -> Self:
        """Train to the end, from the weights as they are; returns the network.

        The network learns from `images` (see `probabilities` for their form) and their class
        numbers `labels`, and is evaluated on those of `test`, if given, after each epoch. Without
        images it learns from the spec's own data set, looked for in `data_dir` if given. Both are
        divided as the spec's `limit`, `validation` and `test_share` in `data` say. Each epoch
        adds a row to `history`. `settings` override the spec's `train` section: `epochs`,
        `batch_size`, `seed`, `shuffle`, `optimizer`, `schedule`.

        Raises ArrayError, a ValueError, for arrays that do not fit the network, and TypeError for
        any other setting.
        """
        how = with_settings(self.plan, "fit", settings)
        expect_countable(self.plan)
        if images is not None:
            data = self._own_data(images, labels, test)
        elif labels is not None or test is not None:
            raise TypeError("fit() expected images with these labels, found none")
        else:
            data = load_training_data(self.plan, data_dir)
        self.learns_from(data)
        for event in loop.train(self, data, how, loop.start(self, how)):
            if isinstance(event, loop.EpochDone):
                self.history.append({**event.figures(), "epoch": len(self.history) + 1})
        return self

    def _own_data(self, images: Any, labels: Any, test: tuple[Any, Any] | None) -> TrainingData:
        """Arrays as training data; without `test` and `data.test_share`, the test set is empty."""
        if test is not None and not (isinstance(test, tuple | list) and len(test) == 2):
            raise TypeError(f"fit() expected test=(images, labels), found {type(test).__name__}")
        given, shared = self._samples(images, labels), self.plan.spec.data.options.test_share
        if not len(given):
            raise ArrayError("fit() expected at least one image, found none")
        if test and shared:
            raise ArrayError(f"fit() expected no `test` beside data.test_share: {shared}")
        tests = None if shared else self._samples(*(test or ([], [])))
        train, tested, held_out = divided(self.plan, given, tests)
        fitted = tuple(t.fitted(train.images) for t in self.pipeline.transforms)
        pipeline = Pipeline(fitted, self.plan.classes)
        return TrainingData(train, tested, held_out, pipeline, self.preparation)

    def _samples(self, images: Any, labels: Any) -> Samples:
        images = as_images(images, self.image_shape)
        numbers = as_labels(labels, len(images), self.plan.classes)
        return Samples(images, numbers, "arrays", self.classes)

    @property
    def pipeline(self) -> Pipeline:
        """The transforms that the network was trained with."""
        return Pipeline(self.plan.spec.data.options.transforms, self.plan.classes)

    @property
    def dataset(self) -> str:
        """The data set that the network was trained on, in words."""
        return self.metadata.get("dataset", "unknown")

    @property
    def classes(self) -> tuple[str, ...]:
        """A name for each output, in order; outputs without a name get their number."""
        names = json.loads(self.metadata.get("classes", "[]"))[: self.plan.classes]
        return (*names, *map(str, range(len(names), self.plan.classes)))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images as the data set stores them, before the transforms."""
        C, H, W = json.loads(self.metadata["image_shape"])
        return C, H, W

    @property
    def preparation(self) -> Preparation:
        """How an image file becomes such an image."""
        return cast(Preparation, self.metadata["preparation"])

    @property
    def pixels(self) -> PixelRange:
        """The scale of the images that the network takes: that of its training images."""
        return PixelRange(*json.loads(self.metadata.get("pixels", "[0, 255]")))

    def probabilities(self, images: Any) -> NDArray[np.float32]:
        """Class probabilities (N, K) for images (N, H, W) or (N, C, H, W).

        Their values are on the scale of the training images, `pixels`: 0 … 255, unless the network
        was trained on another. Images may also be (N, H, W, C) or, if grey, rows (N, H·W). Raises
        ArrayError, a ValueError, for images of another size or on another scale.
        """
        return probabilities(self, self._judged(images), self.pipeline)

    def predict(self, images: Any) -> NDArray[np.intp]:
        """The most probable class (N,) of each image, the first of equally probable ones.

        See `probabilities` for what images may be.
        """
        return self.probabilities(images).argmax(axis=1)

    def read(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class probabilities (N, K) for prepared picture files (N, C, H, W), from 0 to 255."""
        return probabilities(self, self.pixels.from_bytes(pictures), self.pipeline)

    def evaluate(self, images: Any, labels: Any) -> Evaluation:
        """Loss, accuracy and confusion on images (see `probabilities`) with their labels (N,).

        Raises ArrayError, a ValueError, for labels that are not one class number per image.
        """
        return evaluate(self, self._samples(self._judged(images), labels), self.pipeline)

    def _judged(self, images: Any) -> NDArray[Any]:
        """Images as (N, C, H, W)."""
        batch = as_images(images, self.image_shape)
        self.pixels.expect(np.asarray(images), "images")
        return batch

    def save(self, path: str | Path) -> None:
        """Write a model file: weights, spec and provenance."""
        file.save(user_path(path), self, self.metadata)


def load(path: str | Path, *, kernels: str | None = None) -> Model:
    """The model in a file, or in a run folder. Runs no code from it.

    `kernels` replaces the kernel set that it was trained with. Raises ModelFileError if the file
    is missing, damaged, of another format, or does not fit the spec inside it, and PluginError if
    there is no such kernel set.
    """
    overrides = []
    if kernels is not None:
        installed().registry(Kernels).get(kernels)
        overrides.append(Override.from_option("--kernels", "kernels", kernels))
    path = file.in_run_folder(user_path(path))
    tensors, metadata = tensorfile.read(path)
    if "progress" in metadata:
        meant = path.with_name("model.safetensors")
        raise ModelFileError(f"{path}: is the checkpoint of a run; expected its model, {meant}")
    plan = file.read_plan(path, metadata, overrides)
    wrong = file.mismatches(plan, np.dtype(np.float32), tensors) + image_problems(metadata, plan)
    file.expect_none(wrong, f"{path}: does not fit the spec inside it")
    model = Model(plan, metadata=metadata)  # only now: specs may claim any size
    file.fill(model, tensors, path)
    return model
