"""The spec as checked objects: what a network is, what it learns from, and how."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lenetkit.data.source import DataSource
from lenetkit.data.transforms import Transform
from lenetkit.errors import OptionError
from lenetkit.initializers import Initializer
from lenetkit.kernels.base import Kernels
from lenetkit.layers.base import Layer
from lenetkit.losses import Loss
from lenetkit.optimizers import Optimizer
from lenetkit.options import Configurable, option, options_of
from lenetkit.schedules import Schedule
from lenetkit.spec.bind import Binder
from lenetkit.spec.nodes import Entry, MapNode, Mark, Node, ScalarNode, parse, plain
from lenetkit.values import show

FORMAT = 1
MAX_LAYERS = 1000
_LONGEST_NAME = 100
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
    mark: Mark = field(compare=False)


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
class Head(Configurable):
    """The keys of a spec that are not made of keys of their own."""

    lenetkit: int = option(doc="Format version, 1.")
    name: str = option(doc="The model's name; also names its run folders.")
    input: tuple[int, ...] = option(minimum=1, doc="Channels, height, width; without the batch.")
    loss: Loss = option(doc="What training minimizes.")
    init: Initializer = option(doc="Initial weights of layers that name none.")
    kernels: Kernels = option(doc="The implementation of convolution and pooling.")


def _check_format(version: int) -> str | None:
    if version == FORMAT:
        return None
    return f"expected format version {FORMAT}, found {version}"


def _check_name(name: str) -> str | None:
    if len(name) > _LONGEST_NAME:
        return f"expected at most {_LONGEST_NAME} characters, found {len(name):,}"
    if _NAME.fullmatch(name) and name.rstrip(" .") == name:
        return None
    return (
        "expected letters, digits, spaces and . + - _ only, because run folders bear the name, "
        f"found {show(name)}"
    )


def _check_input(shape: tuple[int, ...]) -> str | None:
    if len(shape) in (1, 3):
        return None
    return f"expected [channels, height, width], or [features], found {show(shape)}"


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "lenetkit": _check_format,
    "name": _check_name,
    "input": _check_input,
}
"""What the type of an option cannot say; each is checked, whatever else is wrong."""

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

    input: tuple[int, ...] | None = None
    layers: tuple[NamedLayer, ...] = ()
    """The layers, up to the first that is wrong."""
    complete: bool = False
    """Whether these are all."""
    model: ModelSpec | None = None


def bind_model(tree: MapNode, binder: Binder) -> Draft:
    """The spec of a tree of nodes; problems are noted in `binder`."""
    draft = Draft()
    sections = ("layers", "data", "train", "extends")
    elsewhere = {opt.name: f"train.{opt.name}" for opt in options_of(TrainSpec)}
    elsewhere |= {opt.name: f"data.{opt.name}" for opt in options_of(DataOptions)}
    filled = _with_defaults(tree, ("loss", "init", "kernels"))
    head = binder.options(Head, filled, "", "a spec", sections, elsewhere)
    checked = _check_head(tree, binder)
    draft.input = checked.get("input")
    if "extends" in tree.entries:
        binder.problem(tree.entries["extends"].mark, "extends", "only a spec file can extend one")
    draft.layers, draft.complete = _bind_layers(tree, binder)
    data = _bind_data(tree, binder)
    train = _bind_train(tree, binder)
    if head and draft.complete and data and train and not binder.problems:
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


def _check_head(tree: MapNode, binder: Binder) -> dict[str, Any]:
    """Those of the options in `_CHECKS` that are right; a wrong type is noted with the head."""
    right = {}
    for opt in options_of(Head):
        node = tree.get(opt.name)
        if node is None or opt.name not in _CHECKS:
            continue
        try:
            value = opt.convert(plain(node))
        except OptionError:
            continue
        message = _CHECKS[opt.name](value)
        if message is None:
            right[opt.name] = value
        else:
            binder.problem(node.mark, opt.name, message)
    return right


def _bind_layers(tree: MapNode, binder: Binder) -> tuple[tuple[NamedLayer, ...], bool]:
    """The layers up to the first that is wrong, and whether these are all."""
    node = tree.get("layers")
    if not isinstance(node, MapNode) or not node.entries:
        mark = node.mark if node else tree.mark
        found = f", found {show(plain(node))}" if node and plain(node) else ""
        message = (
            f"expected a mapping of names to layers, such as conv1: {{type: conv2d, …}}{found}"
        )
        binder.problem(mark, "layers", message)
        return (), False
    if len(node.entries) > MAX_LAYERS:
        message = f"expected at most {MAX_LAYERS:,} layers, found {len(node.entries):,}"
        binder.problem(node.mark, "layers", message)
        return (), False
    layers = []
    complete = True
    for name, entry in node.entries.items():
        path = f"layers.{name}"
        if len(name) > _LONGEST_NAME:
            message = f"expected a name of at most {_LONGEST_NAME} characters, found {len(name):,}"
            binder.problem(entry.mark, "layers", message)
        elif not _LAYER_NAME.fullmatch(name) or name == "input":
            message = "a layer's name is made of letters, digits, _ and -, and is not 'input'"
            binder.problem(entry.mark, path, message)
        if isinstance(entry.node, MapNode) and "after" in entry.node.entries:
            mark = entry.node.entries["after"].mark
            binder.problem(mark, path, "`after` places a new layer of a spec that extends another")
            complete = False
            continue
        layer = binder.plugin(Layer, entry.node, path)
        if layer is None:
            complete = False
        elif complete:
            layers.append(NamedLayer(name, layer, entry.mark))
    return tuple(layers), complete


def _bind_data(tree: MapNode, binder: Binder) -> DataSpec | None:
    section = _with_defaults(tree, ("data",)).get("data")
    if not isinstance(section, MapNode):
        section = MapNode({"type": Entry(section.mark, section)} if section else {}, tree.mark)
    common = {opt.name for opt in options_of(DataOptions)}
    shared = {key: entry for key, entry in section.entries.items() if key in common}
    source = binder.plugin(DataSource, section, "data", also=common)
    node = _with_defaults(MapNode(shared, section.mark), ("transforms",))
    options = binder.options(DataOptions, _absolute(node, binder), "data", "data")
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
            entries[key] = Entry(node.mark, _default(key))
    return MapNode(entries, node.mark)


@functools.cache
def _default(key: str) -> Node:
    return parse(_DEFAULTS[key], Mark("the default"))


def _absolute(node: MapNode, binder: Binder) -> MapNode:
    """The mapping with `dir` taken relative to the file that it was written in."""
    entry = node.entries.get("dir")
    if entry is None or not isinstance(entry.node, ScalarNode) or not entry.node.value:
        return node
    value: Any = entry.node.value
    if isinstance(value, str):
        folder = entry.node.mark.folder or Path()
        try:
            if "\0" in value:
                raise ValueError
            value = str((folder / Path(value).expanduser()).resolve())
        except (OSError, RuntimeError, ValueError):  # a NUL, nobody's home, links in a circle
            message = f"expected the path of a folder, found {show(value)}"
            binder.problem(entry.node.mark, "data.dir", message)
    absolute: Node = ScalarNode(value, entry.node.mark)
    return MapNode(node.entries | {"dir": Entry(entry.mark, absolute)}, node.mark)
