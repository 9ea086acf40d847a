"""The spec as checked objects: what the network is, what it learns from, and how."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeGuard

from lenetkit.data.source import DataSource, Preparation
from lenetkit.data.transforms import Transform
from lenetkit.errors import OptionError
from lenetkit.initializers import Initializer
from lenetkit.kernels.base import Kernels
from lenetkit.layers.base import Layer
from lenetkit.losses import Loss
from lenetkit.optimizers import Optimizer
from lenetkit.options import Configurable, option, options_of, plugin_base
from lenetkit.registry.catalog import BUILTIN, Catalog
from lenetkit.schedules import Schedule
from lenetkit.spec.bind import Binder
from lenetkit.spec.nodes import (
    Entry,
    ListNode,
    MapNode,
    Mark,
    Node,
    ScalarNode,
    is_null,
    parse,
    plain,
)
from lenetkit.values import show

FORMAT = 1
Task = Literal["classification", "regression"]
MAX_LAYERS = 1000
SECTIONS = ("layers", "data", "train", "extends")
_MAX_NAME = 100
_NAME = re.compile(r"\w[\w.+ -]*")
_LAYER_NAME = re.compile(r"[^\W\d][\w-]*")


@dataclass(frozen=True, kw_only=True)
class TrainSpec(Configurable):
    """How the network is trained."""

    epochs: int = option(10, minimum=1, doc="Passes over the training set.")
    batch_size: int = option(64, minimum=1, doc="Samples per step; the last batch may be smaller.")
    seed: int = option(0, minimum=0, doc="Seed of initial weights, shuffling and every other draw.")
    shuffle: bool = option(True, doc="Whether each epoch has its own order.")
    optimizer: Optimizer = option(doc="The optimizer.")
    schedule: Schedule = option(doc="The learning rate of each step.")
    clip_norm: float | None = option(
        None, above=0, doc="Largest norm of a step's gradient; a longer one is scaled down to it."
    )
    patience: int | None = option(
        None,
        minimum=1,
        doc="Stop after so many epochs without a better accuracy on the held-out samples.",
    )
    average: float | None = option(
        None,
        minimum=0,
        below=1,
        doc="Decay of a running mean of the weights, which is evaluated and saved in their place.",
    )


@dataclass(frozen=True, kw_only=True)
class DataOptions(Configurable):
    """The options of every data set, besides those of its type."""

    fallback: DataSource | None = option(
        None, doc="Used, with a warning, if no folder is named, and no data found or downloadable."
    )
    dir: Path | None = option(None, doc="Folder of the files, relative to the spec.")
    validation: int | float = option(
        0,
        minimum=0,
        doc="Training samples held out to choose the best epoch by: how many, or a share.",
    )
    limit: int | None = option(None, minimum=1, doc="How many of the training samples are used.")
    test_share: float | None = option(
        None, above=0, below=1, doc="Share of the training samples as test set, if there is none."
    )
    preparation: Preparation | None = option(
        None,
        doc="How `predict` prepares pictures: `digit` finds, scales and centres digits as MNIST's, "
        "`resize` takes the whole picture; default: `digit` if the training images are as MNIST's.",
    )
    transforms: tuple[Transform, ...] = option(
        doc="What is done to the images, in order; default: scale, or none for [features]."
    )

    def validate(self) -> None:
        if isinstance(self.validation, float) and self.validation >= 1:
            raise OptionError(
                "validation",
                f"expected a number of samples, or a share below 1, found {show(self.validation)}",
            )


@dataclass(frozen=True, kw_only=True)
class LayerOptions(Configurable):
    """The options of every layer, besides those of its type."""

    trainable: bool = option(
        True, doc="Whether training changes its parameters; a layer that is not is frozen."
    )


COMMON_LAYER_KEYS = frozenset(opt.name for opt in options_of(LayerOptions))
"""The keys that every layer takes, besides `type` and the options of its type."""
COMMON_DATA_KEYS = frozenset(opt.name for opt in options_of(DataOptions))
"""The keys of `data` that every type takes; the others belong to its type."""


@dataclass(frozen=True)
class DataSpec:
    """What the network learns from: a source, and the options that every source takes."""

    source: DataSource
    options: DataOptions


@dataclass(frozen=True)
class NamedLayer:
    """A layer with its name and place in the spec."""

    name: str
    layer: Layer
    mark: Mark = field(compare=False)
    trainable: bool = True
    """Whether training changes its parameters."""


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
    task: Task | None = None

    def things(self) -> Iterator[Configurable]:
        """Everything with a type that the spec consists of, each before what it holds."""
        parts = (self.loss, self.init, self.kernels, self.data.source, self.data.options)
        waiting: list[Any] = [*(named.layer for named in self.layers), *parts, self.train]
        while waiting:
            thing = waiting.pop(0)
            if isinstance(thing, tuple):
                waiting[:0] = thing
            elif isinstance(thing, Configurable):
                waiting[:0] = [getattr(thing, opt.name) for opt in options_of(type(thing))]
                yield from [thing] if thing.group else []


@dataclass(frozen=True, kw_only=True)
class Head(Configurable):
    """The top-level keys of a spec that are not sections."""

    lenetkit: int = option(doc="Format version, 1.")
    name: str = option(doc="The model's name; also names its run folders.")
    input: tuple[int, ...] = option(minimum=1, doc="Channels, height, width; without the batch.")
    loss: Loss = option(doc="What training minimizes.")
    init: Initializer = option(doc="Initial weights of layers that name none.")
    kernels: Kernels = option(doc="The implementation of convolution and pooling.")
    task: Task | None = option(
        None,
        doc="What is learned, classes or real numbers; default: what the first targets are.",
    )


def _letters(name: str) -> str:
    """`name` without the marks that belong to a letter before them, such as Devanagari's vowels."""
    return name[:1] + "".join(c for c in name[1:] if not unicodedata.category(c).startswith("M"))


def _head_mistake(key: str, value: Any) -> str | None:
    """What is wrong with a value of the right type; None if nothing is."""
    if key == "lenetkit" and value != FORMAT:
        return f"expected format version {FORMAT}, found {value}"
    if key == "name" and len(value) > _MAX_NAME:
        return f"expected at most {_MAX_NAME} characters, found {len(value):,}"
    if key == "name" and (not _NAME.fullmatch(_letters(value)) or value.rstrip(" .") != value):
        return (
            "expected letters, digits, spaces and . + - _ only, because run folders have this "
            f"name, found {show(value)}"
        )
    if key == "input" and len(value) not in (1, 3):
        near = f"; did you mean {show([1, *value])}?" if len(value) == 2 else ""
        return f"expected [channels, height, width], or [features], found {show(value)}{near}"
    return None


DEFAULTS = {
    "loss": "softmax_cross_entropy",
    "init": "he_normal",
    "kernels": "numpy",
    "data": "mnist",
    "optimizer": "adam",
    "schedule": "constant",
    "transforms": "[scale]",
}
"""Default plugins, by name because only the registry knows their classes."""
_FEATURES = {"transforms": "[]"}
"""Those where `input` is [features]: they are no pixels, so nothing is known of their scale."""


@dataclass
class Draft:
    """What could be read of a spec."""

    input: tuple[int, ...] | None = None
    layers: tuple[NamedLayer, ...] = ()
    """The layers before the first that is wrong."""
    complete: bool = False
    """Whether these are all."""
    stopped: str = ""
    """The name of the first that is wrong."""
    model: ModelSpec | None = None
    """None if anything is wrong."""


@dataclass(frozen=True)
class KeyPlace:
    """Where in a spec a key belongs; as text, to follow `did you mean`."""

    path: str
    types: tuple[str, ...] = ()
    """The types that have the option, if not all of the kind do."""

    def __str__(self) -> str:
        if "." not in self.path:
            return f"'{self.path}' at the top of the spec"
        return f"'{self.path}'{self.whose}"

    @property
    def whose(self) -> str:
        """` (of sgd)`; empty if all types have the option."""
        return f" (of {' and '.join(self.types)})" if self.types else ""


def spec_keys(catalog: Catalog) -> dict[str, KeyPlace]:
    """The place of each key in a spec: `lr` → `train.optimizer.lr`.

    Of the built-in types: a plugin that the spec does not name is not imported.
    """
    keys: dict[str, KeyPlace] = {}
    for path, base in (("train.schedule", Schedule), ("train.optimizer", Optimizer)):
        registry = catalog.registry(base)
        types = [e for e in registry.entries() if e.provider.distribution == BUILTIN]
        owners: dict[str, list[str]] = {}
        for entry in types:
            for opt in options_of(registry.load(entry)):
                owners.setdefault(opt.name, []).append(entry.name)
        for name, own in owners.items():
            keys[name] = KeyPlace(f"{path}.{name}", () if len(own) == len(types) else tuple(own))
    keys |= {opt.name: KeyPlace(f"data.{opt.name}") for opt in options_of(DataOptions)}
    keys |= {opt.name: KeyPlace(f"train.{opt.name}") for opt in options_of(TrainSpec)}
    return keys | {
        name: KeyPlace(name) for name in (*(o.name for o in options_of(Head)), *SECTIONS)
    }


def bind_model(tree: MapNode, binder: Binder) -> Draft:
    """The spec of a tree of nodes; problems are noted in `binder`."""
    draft = Draft()
    binder.keys = functools.partial(spec_keys, binder.catalog)
    filled = _with_defaults(tree, ("loss", "init", "kernels"))
    head = binder.options(Head, filled, "", "a spec", SECTIONS)
    draft.input = _check_head(tree, binder)
    if head and head.task == "regression" and not head.loss.takes_real_targets:
        name, _ = binder.catalog.identity(head.loss)
        message = (
            f"{name} takes classes only; task: regression needs one such as mean_squared_error"
        )
        binder.problem((tree.get("loss") or tree).mark, "loss", message)
    if "extends" in tree.entries:
        mark = tree.entries["extends"].mark
        binder.problem(mark, "extends", "only spec files can extend another spec")
    draft.layers, draft.complete = _bind_layers(tree, binder)
    if isinstance(layers := tree.get("layers"), MapNode) and not draft.complete:
        draft.stopped = next(iter([*layers.entries][len(draft.layers) :]), "")
    data = _bind_data(tree, binder)
    train = _bind_train(tree, binder)
    if head and draft.complete and data and train and not binder.problems:
        kinds = (head.loss, head.init, head.kernels)
        draft.model = ModelSpec(head.name, head.input, draft.layers, *kinds, data, train, head.task)
    return draft


def _check_head(tree: MapNode, binder: Binder) -> tuple[int, ...] | None:
    """Note what an option's type cannot express; returns the input shape if it is right."""
    shape = None
    for opt in options_of(Head):
        node = tree.get(opt.name)
        if node is None or plugin_base(opt.hint):
            continue
        try:
            value = opt.convert(plain(node))
        except OptionError:  # noted with the head
            continue
        message = _head_mistake(opt.name, value)
        if message:
            binder.problem(node.mark, opt.name, message)
        elif opt.name == "input":
            shape = value
    return shape


def _bind_layers(tree: MapNode, binder: Binder) -> tuple[tuple[NamedLayer, ...], bool]:
    """The layers before the first that is wrong, and whether these are all."""
    node = tree.get("layers")
    if not isinstance(node, MapNode) or not node.entries:
        found = f", found {show(plain(node))}" if node and plain(node) else ""
        if isinstance(node, ListNode):
            found += "; write a name for each layer, without dashes"
        message = "expected a mapping of names to layers, such as conv1: {type: conv2d, …}"
        binder.problem(node.mark if node else tree.mark, "layers", message + found)
        return (), False
    if len(node.entries) > MAX_LAYERS:
        message = f"expected at most {MAX_LAYERS:,} layers, found {len(node.entries):,}"
        binder.problem(node.mark, "layers", message)
        return (), False
    layers = []
    complete = True
    for name, entry in node.entries.items():
        path = f"layers.{name}"
        if len(name) > _MAX_NAME:
            message = f"expected a name of at most {_MAX_NAME} characters, found {len(name):,}"
            binder.problem(entry.mark, "layers", message)
        elif not _LAYER_NAME.fullmatch(_letters(name)) or name == "input":
            message = "expected a name of letters, digits, _ and - that starts with a letter or _"
            binder.problem(entry.mark, path, f"{message}, and is not 'input'")
        if isinstance(entry.node, MapNode) and "after" in entry.node.entries:
            mark = entry.node.entries["after"].mark
            binder.problem(mark, path, "`after` is for new layers of a spec that extends another")
            complete = False
            continue
        layer = binder.plugin(Layer, entry.node, path, also=COMMON_LAYER_KEYS)
        own = entry.node.entries if isinstance(entry.node, MapNode) else {}
        common = _with_keys(own, COMMON_LAYER_KEYS, entry.mark)
        options = binder.options(LayerOptions, common, path, "a layer")
        if layer is None or options is None:
            complete = False
        elif complete:
            layers.append(NamedLayer(name, layer, entry.mark, options.trainable))
    return tuple(layers), complete


def _bind_data(tree: MapNode, binder: Binder) -> DataSpec | None:
    section = _with_defaults(tree, ("data",)).get("data")
    if not isinstance(section, MapNode):
        section = MapNode({"type": Entry(section.mark, section)} if section else {}, tree.mark)
    if section.entries.keys() <= COMMON_DATA_KEYS - {"dir"}:  # whose files need not be known
        entries = section.entries | {"type": Entry(section.mark, _default(DEFAULTS["data"]))}
        section = MapNode(entries, section.mark, section.replaced)
    known = {**section.replaced, **section.entries}  # common ones outlast a change of type
    common = _with_keys(known, COMMON_DATA_KEYS, section.mark)
    source = binder.plugin(DataSource, section, "data", also=COMMON_DATA_KEYS)
    defaults = _FEATURES if _has_features(tree) else DEFAULTS
    node = _with_defaults(common, ("transforms",), defaults)
    options = binder.options(DataOptions, node, "data", "data")
    return DataSpec(source, options) if source and options else None


def _with_keys(entries: Mapping[str, Entry], keys: Collection[str], mark: Mark) -> MapNode:
    """A mapping of the entries with these keys."""
    return MapNode({key: entry for key, entry in entries.items() if key in keys}, mark)


def _bind_train(tree: MapNode, binder: Binder) -> TrainSpec | None:
    node = tree.get("train") or MapNode({}, tree.mark)
    if not isinstance(node, MapNode):
        binder.problem(node.mark, "train", f"expected a mapping, found {show(plain(node))}")
        return None
    filled = _with_defaults(node, ("optimizer", "schedule"))
    return binder.options(TrainSpec, filled, "train", "train")


def _has_features(tree: MapNode) -> bool:
    """Whether `input` is [features]."""
    node = tree.get("input")
    return isinstance(node, ListNode) and len(node.items) == 1


def _with_defaults(
    node: MapNode, keys: tuple[str, ...], defaults: Mapping[str, str] = DEFAULTS
) -> MapNode:
    """The mapping with default plugins for these keys, where it names none.

    A change of one option, such as `--lr 0.1`, changes that of the default.
    """
    entries = dict(node.entries)
    for key in keys:
        old, default = entries.get(key), _default(defaults[key])
        if old is None or is_null(old.node):
            entries[key] = Entry(node.mark, default)
        elif _changes_default(found := old.node, default):
            typed = {"type": Entry(found.mark, default), **found.entries}
            entries[key] = Entry(old.mark, replace(found, entries=typed))
    return MapNode(entries, node.mark)


def _changes_default(found: Node, default: Node) -> TypeGuard[MapNode]:
    return (
        isinstance(found, MapNode)
        and found.mark.is_change
        and "type" not in found.entries
        and isinstance(default, ScalarNode)
    )


@functools.cache
def _default(text: str) -> Node:
    return parse(text, Mark("the default"))
