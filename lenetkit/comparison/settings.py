"""What a run was told: its resolved spec without what merely follows, and how specs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lenetkit.data.transforms import Transform
from lenetkit.errors import LenetkitError, SpecError
from lenetkit.layers.base import Layer
from lenetkit.network.plan import Plan, plan_tree
from lenetkit.options import Configurable, options_of
from lenetkit.registry.catalog import installed
from lenetkit.spec.dump import to_plain
from lenetkit.spec.merge import parse_text
from lenetkit.spec.nodes import plain
from lenetkit.spec.sections import COMMON_DATA_KEYS, COMMON_LAYER_KEYS

_NOT_SETTINGS = ("lenetkit", "name", "task")
"""Keys that change nothing in a training, or follow from the data."""
_SIZE = (int | None, None)
"""Hint and default of an option such as `in_channels`."""
SEED = "train.seed"


@dataclass(frozen=True)
class Settings:
    """A resolved spec as nested dicts, without names, paths and what the shapes determine."""

    tree: Mapping[str, Any]
    defaults: frozenset[str] = frozenset()
    """The dotted keys whose values are their types' defaults."""
    learned: frozenset[str] = frozenset()
    """The dotted keys whose values transforms may have learned from the training images."""
    name: str = ""
    """What the spec calls itself, which is not compared."""

    def without_learned(self) -> Settings:
        """The same without what may have been learned."""
        return replace(self, tree=_without(self.tree, self.learned))

    def get(self, key: str) -> Any:
        """The value of a dotted key; None if there is none."""
        found: Any = self.tree
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found


@dataclass(frozen=True)
class Difference:
    """A key whose values differ, and the value of each spec in turn.

    A value is a scalar, a list, None where a spec has no such key, or a mapping with a `type`, and
    of its options those that are neither its type's defaults nor the same in all specs.
    """

    key: str
    values: tuple[Any, ...]


def settings(text: str) -> Settings:
    """The settings of a resolved spec, as a run folder has it.

    Options that an earlier version did not know have today's defaults. A spec that can no longer be
    planned, because a plugin is missing, stands as it is. Raises SpecError if it is not YAML.
    """
    tree = parse_text(text, "spec.yaml", quick=True)
    if tree.problems:
        raise SpecError(tree.problems)
    try:
        return planned(plan_tree(tree, installed()))
    except LenetkitError:
        return _as_written(plain(tree.root))


def planned(plan: Plan) -> Settings:
    """The settings of a plan."""
    spec = plan.spec
    inferred = {
        f"layers.{layer.name}.{option}"
        for layer in plan.layers
        for option in layer.layer.inferred(layer.in_shape)
    }
    parts = {"loss": spec.loss, "init": spec.init, "kernels": spec.kernels, "train": spec.train}
    parts |= {f"layers.{named.name}": named.layer for named in spec.layers}
    data = [*_options(spec.data.source, "data"), *_options(spec.data.options, "data")]
    found = data + [option for path, part in parts.items() for option in _options(part, path)]
    tree = to_plain(spec, installed(), paths=False, objects=True)
    return Settings(
        _without(_settings_only(tree), inferred),
        frozenset(key for key, is_default, _ in found if is_default),
        frozenset(key for key, _, is_learned in found if is_learned),
        spec.name,
    )


def _options(thing: Configurable, path: str) -> Iterator[tuple[str, bool, bool]]:
    """Every option's key, whether it has its default, and whether it may have been learned."""
    learns = isinstance(thing, Transform) and type(thing).fitted is not Transform.fitted
    for option in options_of(type(thing)):
        value, key = getattr(thing, option.name), f"{path}.{option.name}"
        yield key, value == option.default, learns and option.default is None
        items = enumerate(value) if isinstance(value, tuple) else [("", value)]
        for i, item in items:
            if isinstance(item, Configurable):
                yield from _options(item, f"{key}.{i}".rstrip("."))


def _settings_only(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if key not in _NOT_SETTINGS}


def _as_written(tree: Mapping[str, Any]) -> Settings:
    """The settings of a spec that cannot be planned."""
    layers = tree.get("layers")
    inferred = {
        f"layers.{name}.{option}"
        for name, layer in (layers.items() if isinstance(layers, dict) else ())
        for option in _inferable(_type(layer) or "")
    }
    own = _without(_settings_only(tree), inferred | {"data.dir"})
    return Settings(own, name=str(tree.get("name", "")))


def _inferable(layer: str) -> list[str]:
    """The options of a layer's type that its input may determine: sizes without a default."""
    try:
        options = options_of(installed().registry(Layer).get(layer))
    except LenetkitError:
        return []
    return [option.name for option in options if (option.hint, option.default) == _SIZE]


def _without(value: Any, keys: frozenset[str] | set[str], path: str = "") -> Any:
    """A tree without these dotted keys; a type left alone is in its short form."""
    if isinstance(value, list):
        return [_without(item, keys, f"{path}.{i}") for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    inner = {key: (f"{path}.{key}".lstrip("."), item) for key, item in value.items()}
    kept = {key: _without(item, keys, at) for key, (at, item) in inner.items() if at not in keys}
    return kept["type"] if kept.keys() == {"type"} else kept


def differences(specs: Sequence[Settings]) -> list[Difference]:
    """The keys in which specs differ, and only those: two that differ in one key have one.

    A `type` that differs is one difference, whose values hold the options; so is a layer that some
    do not have. What follows from others (`in_channels`) is not compared.
    """
    return [*_Differ(specs, [spec.tree for spec in specs]).found()]


@dataclass
class _Differ:
    """The values of all specs at one dotted path; None where a spec has none."""

    specs: Sequence[Settings]
    values: Sequence[Any]
    path: str = ""

    def at(self, key: str) -> _Differ:
        inside = [value.get(key) if isinstance(value, dict) else None for value in self.values]
        return _Differ(self.specs, inside, f"{self.path}.{key}".lstrip("."))

    @property
    def keys(self) -> list[str]:
        """Those of all values, in order, without `type`."""
        maps = [value for value in self.values if isinstance(value, dict)]
        return [k for k in dict.fromkeys(k for found in maps for k in found) if k != "type"]

    def found(self) -> Iterator[Difference]:
        """The differences at and below the path."""
        ordered = self.path in ("", "layers")  # where equal dicts may differ in order
        if not ordered and all(value == self.values[0] for value in self.values):
            return
        if self.path == "layers" and all(isinstance(value, dict) for value in self.values):
            yield from self._layers()
        elif self.path == "data":
            yield from self._typed(COMMON_DATA_KEYS)
        elif self.path.count(".") == 1 and self.path.startswith("layers."):
            yield from self._typed(COMMON_LAYER_KEYS)
        elif all(isinstance(value, list) for value in self.values) and self._alike_lists():
            lists = [{str(i): item for i, item in enumerate(value)} for value in self.values]
            yield from _Differ(self.specs, lists, self.path).inside()
        elif all(_type(value) for value in self.values):
            yield from self._typed(frozenset())
        elif all(isinstance(value, dict) for value in self.values):
            yield from self.inside()
        else:
            yield self._whole()

    def inside(self) -> Iterator[Difference]:
        for key in self.keys:
            yield from self.at(key).found()

    def _typed(self, common: frozenset[str]) -> Iterator[Difference]:
        """Those of values with a type; `common` are options that every type takes."""
        if len({_type(value) for value in self.values}) == 1:
            yield from self.inside()
            return
        if None in self.values:
            yield self._whole()
            return
        own, rest = zip(*(_split(value, common) for value in self.values), strict=True)
        yield _Differ(self.specs, own, self.path)._whole()
        yield from _Differ(self.specs, rest, self.path).inside()

    def _layers(self) -> Iterator[Difference]:
        shared = [name for name in self.keys if all(name in value for value in self.values)]
        orders = [[name for name in value if name in shared] for value in self.values]
        if any(order != orders[0] for order in orders):
            yield Difference("layers", tuple(orders))
        for name in self.keys:
            if name in shared:
                yield from self.at(name).found()
            else:
                placed = [_placed(value, name) for value in self.values]
                yield from _Differ(self.specs, placed, f"layers.{name}").found()

    def _alike_lists(self) -> bool:
        """Whether all lists have the same types in the same order."""
        types = {tuple(_type(item) for item in value) for value in self.values}
        return len(types) == 1 and None not in next(iter(types))

    def _whole(self) -> Difference:
        """One difference, with the options that say something."""
        alike = {
            f"{self.path}.{key}"
            for key in self.keys
            if all(isinstance(value, dict) and key in value for value in self.values)
            and len({repr(value[key]) for value in self.values}) == 1
        }
        pairs = zip(self.values, self.specs, strict=True)
        shown = (_without(value, alike | spec.defaults, self.path) for value, spec in pairs)
        return Difference(self.path, tuple(shown))


def _type(value: Any) -> str | None:
    found = value.get("type") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None


def _split(value: Any, common: frozenset[str]) -> tuple[Any, dict[str, Any]]:
    """A value with a type, and apart from it its common options."""
    if not isinstance(value, dict):
        return value, {}
    own = {key: item for key, item in value.items() if key not in common}
    rest = {key: item for key, item in value.items() if key in common}
    return (own["type"] if own.keys() == {"type"} else own), rest


def _placed(layers: Mapping[str, Any], name: str) -> Any:
    """A layer that others lack, with its place as `after`; None where it is lacking."""
    if name not in layers:
        return None
    value, names = layers[name], list(layers)
    index = names.index(name)
    own = value if isinstance(value, dict) else {"type": value}
    return {**own, "after": names[index - 1] if index else "input"}
