"""The spec as checked objects: what a network is, what it learns from, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenetkit.data.source import DataSource
from lenetkit.data.transforms import Transform
from lenetkit.errors import OptionError
from lenetkit.initializers import Initializer
from lenetkit.kernels.base import Kernels
from lenetkit.layer import Layer
from lenetkit.losses import Loss
from lenetkit.optimizers import Optimizer
from lenetkit.options import Configurable, option, options_of, show
from lenetkit.schedules import Schedule
from lenetkit.spec.bind import Binder
from lenetkit.spec.nodes import Entry, MapNode, Mark, Node, ScalarNode, parse, plain

FORMAT = 1
_NAME = re.compile(r"\w[\w.+ -]*")
_LAYER_NAME = re.compile(r"[^\W\d][\w-]*")


@dataclass(frozen=True, kw_only=True)
class TrainSpec(Configurable):
    """How the network is trained."""

    epochs: int = option(10, minimum=1, doc="Passes over the training set.")
    batch_size: int = option(64, minimum=1, doc="Samples a step; the last batch may be smaller.")
    seed: int = option(0, minimum=0, doc="Seed of initial weights, shuffling and every other draw.")
    shuffle: bool = option(True, doc="Whether each epoch has an order of its own.")
    optimizer: Optimizer = option(doc="The optimizer.")
    schedule: Schedule = option(doc="The learning rate of each step.")


@dataclass(frozen=True, kw_only=True)
class DataOptions(Configurable):
    """What every data set takes beside the options of its own type."""

    fallback: DataSource | None = option(
        None, doc="Used, with a warning, where the data set is neither on disk nor downloadable."
    )
    dir: str | None = option(None, doc="Folder of the files, relative to the spec.")
    validation: int = option(
        0, minimum=0, doc="Training samples held out (the last ones) to choose the best epoch by."
    )
    transforms: tuple[Transform, ...] = option(doc="What is done to the images, in order.")


@dataclass(frozen=True)
class DataSpec:
    """What the network learns from: a source and the options that every source takes."""

    source: DataSource
    options: DataOptions


@dataclass(frozen=True)
class NamedLayer:
    """A layer, its name in the spec and where it stands there."""

    name: str
    layer: Layer
    mark: Mark


@dataclass(frozen=True)
class ModelSpec:
    """A whole spec, every option checked and every default filled in."""

    name: str
    input: tuple[int, ...]
    layers: tuple[NamedLayer, ...]
    loss: Loss
    init: Initializer
    kernels: Kernels
    data: DataSpec
    train: TrainSpec


@dataclass(frozen=True, kw_only=True)
class _Head(Configurable):
    """The keys of a spec that are not made of keys of their own."""

    lenetkit: int = option(doc="Format version, 1.")
    name: str = option(doc="The model's name; also names its run folders.")
    input: tuple[int, ...] = option(minimum=1, doc="Channels, height, width; without the batch.")
    loss: Loss = option(doc="What training minimizes.")
    init: Initializer = option(doc="Initial weights of layers that name none.")
    kernels: Kernels = option(doc="The implementation of convolution and pooling.")

    def validate(self) -> None:
        if self.lenetkit != FORMAT:
            raise OptionError(
                "lenetkit", f"expected format version {FORMAT}, found {self.lenetkit}"
            )
        if not self.input or len(self.input) not in (1, 3):
            raise OptionError(
                "input", f"expected [channels, height, width], found {show(self.input)}"
            )
        if not _NAME.fullmatch(self.name) or self.name.rstrip(" .") != self.name:
            raise OptionError(
                "name",
                "expected letters, digits, spaces and . + - _ only, because the run folder "
                f"bears it, found {show(self.name)}",
            )


_DEFAULTS = {
    "loss": "softmax_cross_entropy",
    "init": "he_normal",
    "kernels": "numpy",
    "data": "mnist",
    "optimizer": "adam",
    "schedule": "constant",
    "transforms": "[scale]",
}
"""Defaults that are plugins, named and not built, because only the registry knows their class."""


@dataclass
class Draft:
    """What could be read of a spec. `model` is None as long as anything is wrong."""

    binder: Binder
    input: tuple[int, ...] | None = None
    layers: tuple[NamedLayer, ...] | None = None
    model: ModelSpec | None = None


def bind_model(tree: MapNode, binder: Binder) -> Draft:
    """The spec of a tree of nodes; problems are noted in `binder`."""
    draft = Draft(binder)
    sections = ("layers", "data", "train")
    draft.input = _bind_input(tree)
    head = binder.options(
        _Head, _with_defaults(tree, ("loss", "init", "kernels")), "", "a spec", sections
    )
    draft.layers = _bind_layers(tree, binder)
    data = _bind_data(tree, binder)
    train = _bind_train(tree, binder)
    if head and draft.layers is not None and data and train and not binder.problems:
        draft.model = ModelSpec(
            name=head.name,
            input=head.input,
            layers=draft.layers,
            loss=head.loss,
            init=head.init,
            kernels=head.kernels,
            data=data,
            train=train,
        )
    return draft


def _bind_input(tree: MapNode) -> tuple[int, ...] | None:
    """The input shape, where it is right; what is wrong with it is noted with the head."""
    node = tree.get("input")
    opt = next(opt for opt in options_of(_Head) if opt.name == "input")
    try:
        shape: tuple[int, ...] = opt.convert(plain(node)) if node else ()
    except OptionError:
        return None
    return shape or None


def _bind_layers(tree: MapNode, binder: Binder) -> tuple[NamedLayer, ...] | None:
    node = tree.get("layers")
    if not isinstance(node, MapNode) or not node.entries:
        mark = node.mark if node else tree.mark
        message = "expected a mapping of names to layers, such as conv1: {type: conv2d, …}"
        binder.problem(mark, "layers", message)
        return None
    layers = []
    for name, entry in node.entries.items():
        path = f"layers.{name}"
        if not _LAYER_NAME.fullmatch(name) or name == "input":
            message = "a layer's name is made of letters, digits, _ and -, and is not 'input'"
            binder.problem(entry.mark, path, message)
        if isinstance(entry.node, MapNode) and "after" in entry.node.entries:
            mark = entry.node.entries["after"].mark
            binder.problem(mark, path, "`after` places a new layer of a spec that extends another")
            continue
        layer = binder.plugin(Layer, entry.node, path)
        if layer is not None:
            layers.append(NamedLayer(name, layer, entry.mark))
    return tuple(layers) if len(layers) == len(node.entries) else None


def _bind_data(tree: MapNode, binder: Binder) -> DataSpec | None:
    section = _with_defaults(tree, ("data",)).get("data")
    if not isinstance(section, MapNode):
        section = MapNode({"type": Entry(section.mark, section)} if section else {}, tree.mark)
    common = {opt.name for opt in options_of(DataOptions)}
    own = {key: entry for key, entry in section.entries.items() if key not in common}
    shared = {key: entry for key, entry in section.entries.items() if key in common}
    source = binder.plugin(DataSource, MapNode(own, section.mark), "data")
    node = _with_defaults(MapNode(shared, section.mark), ("transforms",))
    options = binder.options(DataOptions, _absolute(node), "data", "data")
    return DataSpec(source, options) if source and options else None


def _bind_train(tree: MapNode, binder: Binder) -> TrainSpec | None:
    node = tree.get("train") or MapNode({}, tree.mark)
    if not isinstance(node, MapNode):
        binder.problem(node.mark, "train", f"expected a mapping, found {show(plain(node))}")
        return None
    filled = _with_defaults(node, ("optimizer", "schedule"))
    return binder.options(TrainSpec, filled, "train", "train")


def _with_defaults(node: MapNode, keys: tuple[str, ...]) -> MapNode:
    """The mapping with the default types of plugins that it does not name."""
    entries = dict(node.entries)
    for key in keys:
        old = entries.get(key)
        if old is None or (isinstance(old.node, ScalarNode) and old.node.value is None):
            entries[key] = Entry(node.mark, parse(_DEFAULTS[key], Mark("the default")))
    return MapNode(entries, node.mark)


def _absolute(node: MapNode) -> MapNode:
    """The mapping with `dir` taken relative to the file that it was written in."""
    entry = node.entries.get("dir")
    if entry is None or not isinstance(entry.node, ScalarNode) or not entry.node.value:
        return node
    value: Any = entry.node.value
    if isinstance(value, str):
        value = str((entry.node.mark.folder or Path()).joinpath(Path(value).expanduser()).resolve())
    absolute: Node = ScalarNode(value, entry.node.mark)
    return MapNode(node.entries | {"dir": Entry(entry.mark, absolute)}, node.mark)
