"""A trained model and its file: weights, spec and provenance in one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from lenetkit._version import __version__
from lenetkit.arrays import shape_text, slices
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Preparation
from lenetkit.errors import ModelFileError, SpecError, nearest, shortened
from lenetkit.files import tensorfile
from lenetkit.files.tensorfile import Tensors
from lenetkit.kernels.base import Kernels
from lenetkit.model.metadata import image_problems, missing_providers
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, plan_text
from lenetkit.options import Configurable, kind_of, options_of, show
from lenetkit.registry.catalog import Catalog, installed
from lenetkit.spec.merge import Override
from lenetkit.training.evaluation import BATCH

FORMAT = "1"


@dataclass(eq=False)
class Model:
    """A network with what it takes to use it: the way of images to it and the classes' names."""

    network: Network
    metadata: dict[str, str]

    @property
    def plan(self) -> Plan:
        """The network's plan."""
        return self.network.plan

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
        """A name for each output, in order; outputs that no label named bear their number."""
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

        Raises ValueError for images of another shape than the model was trained on, and for
        floats from 0 to 1: the model scales pixels itself.
        """
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
        result = np.empty((len(images), self.plan.classes), np.float32)
        workspace = self.network.workspace(training=False)
        for rows in slices(len(images), BATCH):
            batch = self.pipeline.images(images[rows], self.network.dtype)
            outputs = self.network.forward(batch, workspace)
            result[rows] = self.plan.spec.loss.probabilities(outputs)
        return result

    def predict(self, images: NDArray[Any]) -> NDArray[np.intp]:
        """The predicted class (N,) of each image; see `probabilities` for what they may be."""
        return self.probabilities(images).argmax(axis=1)


def save(path: Path, network: Network, metadata: Mapping[str, str]) -> None:
    """Write a model file; `metadata` holds what is known of data and training."""
    texts = {**describe(network.plan), **metadata}
    tensorfile.write(path, network.tensors(), texts)


def describe(plan: Plan) -> dict[str, str]:
    """The metadata that follows from the plan: format, spec and who provided its types."""
    return {
        "lenetkit": FORMAT,
        "version": __version__,
        "spec": plan.to_yaml(),
        "providers": json.dumps(providers(plan, installed()), sort_keys=True),
    }


def load(path: str | Path, *, kernels: str | None = None) -> Model:
    """The model in a file, or in a run folder. Runs no code from it.

    `kernels` names another kernel set than the one that it was trained with. Raises ModelFileError
    where the file is missing, damaged, of another format, or does not fit the spec inside it, and
    PluginError where there is no such kernel set.
    """
    overrides = []
    if kernels is not None:
        installed().registry(Kernels).get(kernels)
        overrides.append(Override.from_option("--kernels", "kernels", kernels))
    path = _in_run_folder(Path(path))
    tensors, metadata = tensorfile.read(path)
    if "progress" in metadata:
        model = path.with_name("model.safetensors")
        raise ModelFileError(f"{path}: is the checkpoint of a run; expected its model, {model}")
    plan = read_plan(path, metadata, overrides)
    wrong = mismatches(plan, np.dtype(np.float32), tensors) + image_problems(metadata, plan)
    if wrong:
        raise ModelFileError("\n".join([f"{path}: does not fit the spec inside it:", *wrong]))
    network = Network(plan)  # no sooner: a spec may claim what no file holds
    fill(network, tensors, path)
    return Model(network, metadata)


def _in_run_folder(path: Path) -> Path:
    """The model file of a run folder; any other path as it is."""
    inside = path / "model.safetensors"
    return inside if inside.is_file() else path


def read_plan(path: Path, metadata: Mapping[str, str], overrides: Sequence[Override] = ()) -> Plan:
    """The plan of the spec inside a file."""
    if metadata.get("lenetkit") != FORMAT:
        found = metadata.get("lenetkit", "none")
        raise ModelFileError(f"{path}: expected model format {FORMAT}, found {found}")
    try:
        return plan_text(metadata.get("spec", ""), f"{path}, spec", overrides)
    except SpecError as error:
        hint = missing_providers(metadata)
        if any(problem.path == "kernels" for problem in error.problems):
            hint += "\n  or pass --kernels numpy: kernels only decide how a model is computed"
        raise ModelFileError(
            f"{path}: the spec inside does not fit this lenetkit:\n{error}{hint}"
        ) from None


def fill(network: Network, tensors: Tensors, path: Path) -> None:
    """Copy weights into the network. Raises ModelFileError with everything that does not fit."""
    wrong = mismatches(network.plan, network.dtype, tensors)
    if wrong:
        raise ModelFileError("\n".join([f"{path}: does not fit the network:", *wrong]))
    for name, view in network.tensors().items():
        view[...] = tensors[name]


def mismatches(plan: Plan, dtype: np.dtype[Any], tensors: Tensors) -> list[str]:
    """What keeps the tensors from being the network's: one line each, empty where all fit."""
    own = {f"{p.name}.{name}": spec.shape for p in plan.layers for name, spec in p.tensors.items()}
    missing = [name for name in own if name not in tensors]
    wrong = [f"  {name}: missing" for name in missing]
    for name, values in tensors.items():
        if name not in own:
            near = nearest(name, missing)
            meant = f"; was '{near}' meant?" if near else ""
            wrong.append(f"  {show(name)}: not a parameter of this network{meant}")
            continue
        if values.shape != own[name]:
            expected, found = shape_text(own[name]), shape_text(values.shape)
            wrong.append(f"  {name}: expected {expected}, found {found}")
        if values.dtype != dtype:
            wrong.append(f"  {name}: expected {dtype}, found {values.dtype}")
        if not _is_finite(values):
            wrong.append(f"  {name}: holds values that are not finite")
    return wrong


def _is_finite(values: NDArray[Any]) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def load_matching(network: Network, path: Path) -> tuple[list[str], list[str]]:
    """Start from a pre-trained model's weights where name and shape match.

    Returns the names loaded and those left as they were. Raises ModelFileError where the file is
    no model, nothing matches, or what matches holds values that are not finite.
    """
    tensors, _ = tensorfile.read(_in_run_folder(path))
    own = network.tensors()
    same = [n for n, view in own.items() if n in tensors and tensors[n].shape == view.shape]
    if not same:
        there = ", ".join(f"{n} {shape_text(v.shape)}" for n, v in sorted(tensors.items()))
        raise ModelFileError(
            f"{path}: none of its weights match this network; it holds {shortened(there)}"
        )
    wrong = [
        f"  {name}: holds values that are not finite"
        for name in same
        if not _is_finite(tensors[name])
    ]
    if wrong:
        raise ModelFileError("\n".join([f"{path}: cannot be started from:", *wrong]))
    for name in same:
        own[name][...] = tensors[name]
    return same, [name for name in own if name not in same]


def providers(plan: Plan, catalog: Catalog) -> dict[str, tuple[str, str]]:
    """Type → (distribution, version) of every type that the spec uses.

    Where two distributions provide types of one name, in different groups, the second is written
    as `distribution:type`.
    """
    used: dict[str, tuple[str, str]] = {}

    def visit(thing: Any) -> None:
        if isinstance(thing, tuple):
            for item in thing:
                visit(item)
        elif isinstance(thing, Configurable):
            if thing.group:
                registry = catalog.registry(kind_of(thing))
                entry = registry.entry(registry.name_of(type(thing)))
                maker = (entry.provider.distribution, entry.provider.version)
                taken = used.get(entry.name, maker) != maker
                used[f"{maker[0]}:{entry.name}" if taken else entry.name] = maker
            for opt in options_of(type(thing)):
                visit(getattr(thing, opt.name))

    spec = plan.spec
    visit(tuple(named.layer for named in spec.layers))
    visit((spec.loss, spec.init, spec.kernels, spec.data.source, spec.data.options, spec.train))
    return used


def distributions(metadata: Mapping[str, str]) -> dict[str, str]:
    """Distribution → version of everything that `describe` names as a provider."""
    return dict(sorted(json.loads(metadata["providers"]).values()))
