"""A network with its classes, transforms and metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import shape_text, slices
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Preparation, Samples
from lenetkit.errors import ModelFileError
from lenetkit.files import tensorfile
from lenetkit.files.opening import user_path
from lenetkit.kernels.base import Kernels
from lenetkit.model import file
from lenetkit.model.metadata import image_problems, provenance, untrained
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan
from lenetkit.registry.catalog import installed
from lenetkit.spec.merge import Override
from lenetkit.training.data import TrainingData
from lenetkit.training.evaluation import BATCH, Evaluation, evaluate


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

    def learns_from(self, data: TrainingData) -> None:
        """Note the data set, its classes and its images, for `predict` and for the model file."""
        self.metadata = provenance(data)

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

    def probabilities(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Class probabilities (N, K) for images (N, H, W) or (N, C, H, W), as stored: 0 … 255.

        Raises ValueError for images of a shape that the model was not trained on, and for
        floats from 0 to 1: the model scales pixels itself.
        """
        images = self._checked(images)
        result = np.empty((len(images), self.plan.classes), np.float32)
        workspace = self.workspace(training=False)
        for rows in slices(len(images), BATCH):
            outputs = self.forward(self.pipeline.images(images[rows], self.dtype), workspace)
            result[rows] = self.plan.spec.loss.probabilities(outputs)
        return result

    def predict(self, images: NDArray[Any]) -> NDArray[np.intp]:
        """The predicted class (N,) of each image; see `probabilities` for what they may be."""
        return self.probabilities(images).argmax(axis=1)

    def evaluate(self, images: NDArray[Any], labels: NDArray[Any]) -> Evaluation:
        """Loss, accuracy and confusion on images (see `probabilities`) with their labels (N,)."""
        images, labels = self._checked(images), np.asarray(labels)
        if labels.shape != (len(images),) or labels.dtype.kind not in "ui":
            raise ValueError(
                f"expected {len(images):,} labels, whole numbers, found {labels.dtype} of shape "
                f"{labels.shape}"
            )
        samples = Samples(images, labels.astype(np.int64), "arrays", self.classes)
        return evaluate(self, samples, self.pipeline)

    def save(self, path: str | Path) -> None:
        """Write a model file: weights, spec and provenance."""
        file.save(user_path(path), self, self.metadata)

    def _checked(self, images: NDArray[Any]) -> NDArray[Any]:
        """Images as (N, C, H, W)."""
        images = np.asarray(images)
        if images.ndim == 3:
            images = images[:, None]
        if images.shape[1:] != self.image_shape:
            raise ValueError(
                f"expected images of {shape_text(self.image_shape)}, an array (N, H, W) or "
                f"(N, C, H, W), found shape {images.shape}; for one image: image[None]"
            )
        if images.dtype.kind == "f" and images.size and images.max() <= 1:
            raise ValueError(
                f"expected pixels from 0 to 255, as stored, found {images.dtype} values up to "
                f"{images.max():g}; multiply by 255"
            )
        return images


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
