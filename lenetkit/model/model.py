"""A network with its classes, transforms and metadata."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Shape, slices
from lenetkit.data.given import ANY_SCALE, PixelRange, as_images
from lenetkit.data.labels import Label, Labels
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Preparation, Samples
from lenetkit.data.targets import Targets, are_real
from lenetkit.errors import ArrayError, ModelFileError, warn
from lenetkit.files import foreign, tensorfile
from lenetkit.files.opening import user_path
from lenetkit.kernels.base import Kernels
from lenetkit.model import file, matching
from lenetkit.model.metadata import image_problems, measured, provenance, untrained
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, load_plan
from lenetkit.registry.catalog import installed
from lenetkit.registry.given import Plugins, use
from lenetkit.spec.merge import Override, Spec
from lenetkit.spec.sections import TrainSpec
from lenetkit.text import number, percent
from lenetkit.training import loop
from lenetkit.training.best import Best
from lenetkit.training.calls import with_settings, with_validation
from lenetkit.training.data import (
    TrainingData,
    divided,
    expect_countable,
    load_training_data,
    output_layer,
    preparation_for,
    with_fitted_transforms,
)
from lenetkit.training.evaluation import BATCH, Evaluation, evaluate, outputs, probabilities
from lenetkit.training.history import History
from lenetkit.training.watching import watching

if TYPE_CHECKING:
    from lenetkit.plots import Figure

ARRAYS = "arrays"
"""The data set's name where a network was trained on arrays from Python."""


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
        self.history = History()
        """A row for each epoch of `fit`, with the columns of a run's `metrics.csv`."""

    def _facts(self) -> list[str]:
        if not self._is_trained:
            return [*super()._facts(), "No training recorded."]
        done = self.history[-1] if self.history else measured(self.metadata)
        said = [f"after epoch {done['epoch']:.0f}"] if "epoch" in done else []
        for name, value in done.items():
            if name.endswith("_accuracy"):
                said.append(f"{name.replace('_', ' ')} {percent(value)}")
            elif name.endswith("_rmse"):
                said.append(f"{name.replace('_rmse', ' RMSE')} {number(value, '.4g')}")
        found = ", ".join(said).replace("validation", "held out")
        return [*super()._facts(), f"Trained on {self.dataset}{': ' if said else ''}{found}."]

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw `history`, loss and accuracy by epoch; saved to `path` (.png, .svg, .pdf) if given.

        In regression, RMSE in the place of accuracy.
        """
        from lenetkit import plots  # Matplotlib takes a while to import

        figure = plots.history_figure(
            self.history.columns,
            title=self.plan.spec.name,
            dataset=self.dataset if self.history else "",
        )
        if path is not None:
            plots.save_figure(figure, user_path(path))
        return figure

    def learns_from(self, data: TrainingData) -> None:
        """Note the data set, its classes, its images and what the transforms learned of them.

        `predict` and the model file need them. Raises ArrayError for images on another scale than
        those that it learned from before.
        """
        if self._is_trained:
            self.pixels.expect(data.train.images, f"{data.train.called}: training images")
        self.metadata = provenance(data)
        self.plan = with_fitted_transforms(self.plan, data.pipeline)
        if data.target_axes:
            spec = replace(self.plan.spec, task="regression")
            self.plan = replace(self.plan, spec=spec)

    @property
    def is_regression(self) -> bool:
        """Whether the network gives real numbers instead of classes."""
        return self.plan.spec.task == "regression"

    def fit(
        self,
        images: Any = None,
        labels: Any = None,
        *,
        test: tuple[Any, Any] | None = None,
        validation: float | None = None,
        classes: Any = None,
        data_dir: str | Path | None = None,
        progress: bool | None = None,
        **settings: Any,
    ) -> Self:
        """Train to the end, from the weights as they are; returns the network.

        The network learns from `images` (see `probabilities` for their form) with their `labels`,
        and is evaluated on those of `test`, if given, after each epoch. Without images it learns
        from the spec's own data set, looked for in `data_dir` if given. Both are divided as the
        spec's `limit`, `validation` and `test_share` in `data` say; `validation` is a number of
        samples or a share to hold out instead, and the weights are then those of the epoch that was
        best on them. Each epoch adds a row to `history`. `settings` override the spec's `train`
        section: `epochs`, `batch_size`, `optimizer`, `patience`, …. `progress` shows a bar and the
        epochs: below the cell of a notebook, on standard error elsewhere; None shows them in
        notebooks only.

        Labels are whole numbers, strings or booleans (N,), or one-hot rows (N, K). Whole numbers
        from 0 to K - 1 are class numbers; of any others, the distinct values in order are the
        classes. `classes` says them instead, in the order of the outputs: all labels that there
        will be, also those without samples here, or names for the columns of one-hot rows. What
        they are in the first training is what they are from then on.

        Raises ArrayError, a ValueError, for arrays that do not fit the network, and TypeError for
        any other setting.
        """
        how = with_settings(self.plan, "fit", settings)
        plan = with_validation(self.plan, "fit", validation)
        plan = replace(plan, spec=replace(plan.spec, train=how))
        if images is not None:
            data = self._own_data(plan, images, labels, test, classes)
        elif labels is not None or test is not None:
            raise TypeError("fit() expected images with these labels, found none")
        elif classes is not None:
            raise TypeError("fit() expected images with these classes: a data set has its own")
        else:
            data = load_training_data(plan, data_dir)
        state = loop.start(self, how)
        with watching(progress, plan.spec.name, data, how, state) as show:
            for event in self.learn(data, how, state):
                show(event)
        return self

    def learn(
        self,
        data: TrainingData,
        how: TrainSpec,
        progress: loop.Progress,
        *,
        sparing: bool = False,
    ) -> Generator[loop.Event]:
        """The events of `fit`, of `loop.train`, after which the weights are the best epoch's."""
        self.learns_from(data)
        best = Best(self)
        for event in loop.train(self, data, how, progress, sparing=sparing):
            if isinstance(event, loop.EpochDone):
                self.note(event)
                with progress.averaged(self):
                    better = best.see(event)
                if better:
                    figures = {"epoch": len(self.history), **event.results()}
                    self.metadata["metrics"] = json.dumps(figures)
            yield event
        best.restore()

    def note(self, event: loop.EpochDone) -> None:
        """Add an epoch to `history`."""
        self.history.append({**event.figures(), "epoch": len(self.history) + 1})

    def training_data(
        self,
        images: Any,
        labels: Any,
        *,
        test: tuple[Any, Any] | None = None,
        validation: float | None = None,
        classes: Any = None,
    ) -> TrainingData:
        """Arrays as `fit` takes them, as the data of a training.

        Without `test` and `data.test_share`, the test set is empty.
        """
        plan = with_validation(self.plan, "training_data", validation)
        return self._own_data(plan, images, labels, test, classes)

    def _own_data(
        self, plan: Plan, images: Any, labels: Any, test: tuple[Any, Any] | None, classes: Any
    ) -> TrainingData:
        """Arrays, divided as the plan's spec says."""
        if test is not None and not (isinstance(test, tuple | list) and len(test) == 2):
            raise TypeError(f"fit() expected test=(images, labels), found {type(test).__name__}")
        shared = plan.spec.data.options.test_share
        if test and shared:
            raise ArrayError(f"fit() expected no `test` beside data.test_share: {shared}")
        batch = as_images(images, self.image_shape)
        if not len(batch):
            raise ArrayError("fit() expected at least one image, found none")
        if labels is None:
            raise TypeError("fit() expected labels with these images, found none")
        called = self._decided(labels, len(batch), classes)
        given = self._samples(batch, labels, called)
        tests = None if shared else self._tests(test or ([], []), called)
        train, tested, held_out = divided(plan, given, tests)
        shape = self.image_shape
        for transform in self.pipeline.transforms:  # those for training only may refuse features
            shape = transform.output_shape(shape)
        pipeline = Pipeline(self.pipeline.transforms, plan.classes).fitted(train.images)
        said = plan.spec.data.options.preparation
        ready = self.preparation if self._is_trained else preparation_for(said, train)
        return TrainingData(train, tested, held_out, pipeline, ready, called.values, called.axes)

    def _decided(self, labels: Any, samples: int, classes: Any) -> Labels | Targets:
        """What labels are: as the spec, an earlier training or `classes` say, else as these are."""
        spec, called = self.plan.spec, self._called
        if isinstance(called, Targets):
            if classes is not None:
                raise ArrayError("classes: expected none, because the network learns real numbers")
            return replace(called, axes=min(np.ndim(labels), 2))
        undecided = not spec.task and not self._is_trained and classes is None
        if undecided and spec.loss.takes_real_targets and are_real(labels, called.count):
            return Targets(called.count, min(np.ndim(labels), 2), called.last)
        expect_countable(self.plan)
        if classes is not None:
            return (called if self._is_trained else replace(called, names=())).named(classes)
        return called if self._is_trained else called.decided_by(labels, samples)

    @property
    def _is_trained(self) -> bool:
        """Whether it knows what it was trained on."""
        return "pixels" in self.metadata

    def _samples(self, images: Any, labels: Any, called: Labels | Targets) -> Samples:
        images = as_images(images, self.image_shape)
        return Samples(images, called.read(labels, len(images)), ARRAYS, called.titles)

    def _tests(self, test: Sequence[Any], called: Labels | Targets) -> Samples:
        images, labels = test
        try:
            return self._samples(images, labels, called)
        except ArrayError as error:
            raise ArrayError(f"test: {error}") from None

    @property
    def labels(self) -> tuple[Label, ...]:
        """What `predict` answers for each class, in order; empty if it answers class numbers."""
        return tuple(json.loads(self.metadata.get("labels", "[]")))

    @property
    def _called(self) -> Labels | Targets:
        """How labels are read, and answers given."""
        count, last = self.plan.classes, output_layer(self.plan)
        if self.is_regression:
            axes = self.metadata.get("target_axes", "1" if count == 1 else "2")
            return Targets(count, int(axes), last)
        return Labels(count, self.labels, self.classes, last)

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
        """A name for each output, in order; outputs without a name get their number.

        None in regression.
        """
        if self.is_regression:
            return ()
        names = json.loads(self.metadata.get("classes", "[]"))[: self.plan.classes]
        return (*names, *map(str, range(len(names), self.plan.classes)))

    @property
    def image_shape(self) -> Shape:
        """(C, H, W) of the images as the data set stores them, before the transforms.

        (F,) where the network's input is rows of features.
        """
        return tuple(json.loads(self.metadata["image_shape"]))

    @property
    def preparation(self) -> Preparation:
        """How an image file becomes such an image."""
        return cast(Preparation, self.metadata["preparation"])

    @property
    def pixels(self) -> PixelRange:
        """The scale of the images that the network takes: that of its training images."""
        found = json.loads(self.metadata.get("pixels", self._untrained_pixels))
        return ANY_SCALE if found is None else PixelRange(*found)

    @property
    def _untrained_pixels(self) -> str:
        features = len(self.plan.spec.input) == 1 and self.pipeline.takes_any_scale
        return "null" if features else "[0, 255]"

    def probabilities(self, images: Any) -> NDArray[np.float32]:
        """Class probabilities (N, K) for images (N, H, W) or (N, C, H, W).

        Their values are on the scale of the training images, `pixels`: 0 … 255, unless the network
        was trained on another. Images may also be (N, H, W, C) or, if grey, rows (N, H·W). A
        network whose input is [F] takes rows of features (N, F), on any scale. Raises ArrayError, a
        ValueError, for images of another size or on another scale, and in regression.
        """
        if self.is_regression:
            raise ArrayError("the network gives real numbers, not probabilities; call predict()")
        return probabilities(self, self._judged(images), self.pipeline)

    def predict(self, images: Any) -> NDArray[Any]:
        """The most probable class (N,) of each image, the first of equally probable ones.

        It is called as in training; see `probabilities` for what images may be.
        Class numbers, unless the network was trained on other labels: strings, or numbers from 1.
        In regression, real numbers (N,) or (N, K), as the targets were.
        """
        if self.is_regression:
            return self._called.of(outputs(self, self._judged(images), self.pipeline))
        return self._called.of(self.probabilities(images).argmax(axis=1))

    def activations(self, images: Any) -> dict[str, NDArray[Any]]:
        """LAYER → its outputs (N, …) for images, of every layer; see `probabilities`."""
        batch = self._judged(images)
        made = {p.name: np.empty((len(batch), *p.out_shape), self.dtype) for p in self.plan.layers}
        workspace = self.workspace(training=False, fused=False)
        for rows in slices(len(batch), BATCH):
            x = self.pipeline.images(batch[rows], self.dtype)
            with self.limited():
                for stage in workspace.stages:
                    x = stage.forward(x)
                    made[stage.name][rows] = x
        return made

    def saliency(self, images: Any, output: int | None = None) -> NDArray[Any]:
        """How much each value that enters the network changes its answer: (N, *input).

        The gradient ∂y_k / ∂x of an output (before any softmax) by the input, after the
        transforms, in inference mode. k is the class that is answered, or `output`, counted from 0;
        in regression 0 unless given. Images are as for `probabilities`. Raises ArrayError for an
        output that does not exist. Simonyan et al. 2013, section 3.
        """
        batch, K = self._judged(images), self.plan.classes
        is_number = isinstance(output, int | np.integer) and not isinstance(output, bool)
        if output is not None and not (is_number and 0 <= output < K):
            raise ArrayError(f"saliency() expected an output from 0 to {K - 1}, found {output!r}")
        result = np.empty((len(batch), *self.plan.spec.input), self.dtype)
        workspace = self.workspace(training=False, fused=False, input_gradient=True)
        for rows in slices(len(batch), BATCH):
            with self.limited():
                y = self.forward(self.pipeline.images(batch[rows], self.dtype), workspace)
                dy = np.zeros_like(y)
                dy[np.arange(len(y)), self._answers(y) if output is None else output] = 1
                result[rows] = self.input_gradient(dy, workspace)
        return result

    def _answers(self, y: NDArray[Any]) -> Any:
        """The output that is the answer to each image."""
        return 0 if self.is_regression else self.plan.spec.loss.probabilities(y).argmax(axis=1)

    def read(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class probabilities (N, K) for prepared picture files (N, C, H, W), from 0 to 255."""
        return probabilities(self, self.pixels.from_bytes(pictures), self.pipeline)

    def evaluate(self, images: Any, labels: Any) -> Evaluation:
        """Loss, accuracy and confusion on images (see `probabilities`) with their labels (N,).

        RMSE and R² in regression. Labels are as in training; of a network that was trained on
        files, class numbers or names. Raises ArrayError, a ValueError, for any that are no class.
        """
        samples = self._samples(self._judged(images), labels, self._called)
        return evaluate(self, samples, self.pipeline)

    def _judged(self, images: Any) -> NDArray[Any]:
        """Images as (N, C, H, W)."""
        batch = as_images(images, self.image_shape)
        self.pixels.expect(np.asarray(images), "images")
        return batch

    def save(self, path: str | Path) -> None:
        """Write a model file: weights, spec and provenance."""
        file.save(user_path(path), self, self.metadata)


def load(
    path: str | Path,
    *,
    spec: Spec | None = None,
    kernels: str | None = None,
    plugins: Plugins = (),
) -> Model:
    """The model in a file, or in a run folder. Runs no code from it.

    Weights that PyTorch or Keras made, in safetensors or a NumPy archive, come without a spec:
    `spec` says which network they are for, as for `build`. A warning says which array went where,
    unless all are named and stored as here. The model takes images from 0 to 255.

    `plugins` are files and classes whose types it names, as for `build`. `kernels` replaces the
    kernel set that it was trained with. Raises ModelFileError if the file is missing, damaged, of
    another format, or does not fit the spec, SpecError for a wrong spec, and PluginError if there
    is no such plugin or kernel set.
    """
    use(plugins)
    overrides = []
    if kernels is not None:
        installed().registry(Kernels).get(kernels)
        overrides.append(Override.from_option("--kernels", "kernels", kernels))
    path = file.in_run_folder(user_path(path))
    tensors, metadata = foreign.read(path)
    if "progress" in metadata:
        meant = path.with_name("model.safetensors")
        raise ModelFileError(f"{path}: is the checkpoint of a run; expected its model, {meant}")
    if not tensorfile.is_own(metadata):
        if spec is None:
            raise ModelFileError(
                f"{path}: holds weights without a spec ({matching.listing(tensors)}); expected a "
                f'model file, or the spec: lenetkit.load("{path}", spec="lenet5") in Python, '
                "whose save() makes a model file"
            )
        model = Model(load_plan(spec, overrides))
        said = matching.fill(model, tensors, path, complete=True)
        if len(said) > 1:
            warn(f"{path}: " + "\n".join(said))
        return model
    if spec is not None:
        raise ModelFileError(f"{path}: is a model file with a spec inside; leave `spec` out")
    plan = file.read_plan(path, metadata, overrides)
    is_double = {values.dtype for values in tensors.values()} == {np.dtype(np.float64)}
    dtype = np.dtype(np.float64 if is_double else np.float32)
    wrong = file.mismatches(plan, dtype, tensors) + image_problems(metadata, plan)
    file.expect_none(wrong, f"{path}: does not fit the spec inside it")
    model = Model(plan, dtype=dtype, metadata=metadata)  # only now: specs may claim any size
    file.fill(model, tensors, path)
    return model
