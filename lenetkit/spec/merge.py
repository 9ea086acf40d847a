"""`extends` and `--set`: one tree of nodes laid over another.

Mappings merge, lists and scalars replace, `null` removes. A layer that is given again with a `type`
is replaced in its place. So is any other mapping whose `type` changes, because the options of one
type mean nothing to another. `--set a.b=c` is `a: {b: c}` in a file that extends the spec.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lenetkit import values
from lenetkit.errors import Problems, SpecError, did_you_mean
from lenetkit.spec import nodes
from lenetkit.spec.nodes import Entry, ListNode, MapNode, Mark, Node, ScalarNode, is_null, plain
from lenetkit.spec.shipped import find_spec
from lenetkit.values import show

Spec = str | Path | Mapping[str, Any]
"""A spec file, the name of a shipped spec, or a whole spec as a dict."""

MAX_CHAIN = 30
"""Specs in a chain of `extends`."""

RESOLVED = 5
"""How many times as large as a spec file a spec may be that has every default written out."""

MAX_TEXT = RESOLVED * nodes.MAX_BYTES
"""Characters of such a spec."""


@dataclass(frozen=True)
class Override:
    """One change from the command line: a dotted path and a value, whose mark is the option."""

    path: str
    value: Node

    @classmethod
    def from_text(cls, text: str) -> Override:
        """`KEY=VALUE` of `--set`; the value is read by the rules of a spec file."""
        path, equals, value = text.partition("=")
        path = path.strip()
        mark = _of_change(f"--set {text}")
        if not equals or not _is_path(path):
            raise mark.error("expected KEY=VALUE, such as train.optimizer.lr=0.01")
        if not value.strip():
            raise mark.error(f"expected a value; to leave the key out, write {path}=null")
        return cls(path, nodes.parse(value, mark))

    @classmethod
    def from_option(cls, option: str, path: str, value: object) -> Override:
        """A change that has an option of its own, such as `--epochs 3`."""
        if value == "":
            raise Mark(option).error("expected a value, found an empty one")
        return cls(path, ScalarNode(value, _of_change(f"{option} {value}")))

    def leaves(self) -> Iterator[Override]:
        """`train={epochs: 1}` as `train.epochs=1`; a mapping with a `type` stays whole."""
        node = self.value
        if not isinstance(node, MapNode) or not node.entries or "type" in node.entries:
            yield self
            return
        for key, entry in node.entries.items():
            yield from Override(f"{self.path}.{key}", entry.node).leaves()


def _of_change(source: str) -> Mark:
    return Mark(source, folder=Path.cwd(), has_lines=False, is_change=True)


def overrides(changes: Mapping[str, Any] | Sequence[Override]) -> Sequence[Override]:
    """Changes from Python, `{"train.epochs": 3}`, as overrides; overrides stay as they are.

    A string is read as after `--set`; mappings, lists and numbers may be NumPy's, and whatever a
    spec can name may be the object itself: `{"layers.relu1": Swish()}`. Raises TypeError for
    anything but a mapping or overrides.
    """
    if isinstance(changes, Mapping) and all(isinstance(key, str) for key in changes):
        marks = {key: _of_change(f"override {key}") for key in changes}
        return [
            Override(k, nodes.parse(v, marks[k]) if isinstance(v, str) else node_of(v, marks[k]))
            for k, v in changes.items()
        ]
    if isinstance(changes, str | Mapping) or not all(
        isinstance(change, Override) for change in changes
    ):
        raise TypeError(f'expected changes such as {{"train.epochs": 3}}, found {changes!r}')
    return changes


def node_of(value: Any, mark: Mark, depth: int = 1) -> Node:
    """A value from Python as a node. Objects that are not plain values are kept as they are.

    Raises SpecError for one that is nested too deeply, such as a dict that holds itself.
    """
    if depth > nodes.MAX_DEPTH:
        raise mark.error(f"nested more than {nodes.MAX_DEPTH} levels deep")
    value = values.plain(value)
    if isinstance(value, Mapping):
        items = value.items()
        return MapNode({str(k): Entry(mark, node_of(v, mark, depth + 1)) for k, v in items}, mark)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return ListNode(tuple(node_of(item, mark, depth + 1) for item in value), mark)
    return ScalarNode(os.fspath(value) if isinstance(value, Path) else value, mark)


@dataclass(frozen=True)
class Tree:
    """A whole spec as nodes, with the mistakes found while reading and merging it."""

    root: MapNode
    problems: Problems


def read_tree(source: Spec, overrides: Sequence[Override] = ()) -> Tree:
    """The nodes of a spec file, shipped spec or dict, with `extends` and overrides applied.

    Raises SpecError if reading cannot continue, as when a file is missing.
    """
    problems = Problems()
    own = own_node(source, problems)
    chain = () if isinstance(source, Mapping) else (find_spec(source).resolve(),)
    return _changed(_on_bases(_expect_map(own, problems), chain, problems), overrides, problems)


def own_node(source: Spec, problems: Problems) -> Node:
    """What a spec itself says, without what it extends."""
    if isinstance(source, Mapping):
        return node_of(source, Mark("the spec", folder=Path.cwd()))
    if not isinstance(source, str | Path):
        found = type(source).__name__
        raise TypeError(f"expected a spec: a file, a shipped name or a dict, found {found}")
    return nodes.read_file(find_spec(source), problems)


def parse_text(
    text: str,
    name: str,
    overrides: Sequence[Override] = (),
    *,
    is_local: bool = True,
    quick: bool = False,
) -> Tree:
    """The nodes of a spec that stands alone, with `overrides`; that of a model file is not local.

    `quick` is as for `nodes.read`. Raises SpecError if it is not a YAML mapping, or too large.
    """
    problems = Problems()
    mark = Mark(name, is_local=is_local)
    if len(text) > MAX_TEXT:
        raise mark.error(f"is larger than {MAX_TEXT:,} characters")
    node = nodes.read(text, mark, problems, max_values=RESOLVED * nodes.MAX_VALUES, quick=quick)
    return _changed(_expect_map(node, problems), overrides, problems)


def _changed(root: MapNode, overrides: Sequence[Override], problems: Problems) -> Tree:
    single = [leaf for override in overrides for leaf in override.leaves()]
    for override in sorted(_placed(root, single), key=_depth):
        root = _apply(root, override, problems)
    return Tree(root, problems)


def _placed(root: MapNode, overrides: Sequence[Override]) -> list[Override]:
    """The overrides, with `layers.NAME.after` joined to the one that gives a new layer its type."""
    layers = _as_map(root.get("layers") or root).entries
    places = {o.path: o for o in overrides if o.path.endswith(".after")}
    joined = {}
    for override in overrides:
        path = override.path.removesuffix(".type")
        place = places.get(f"{path}.after")
        if place and path.removeprefix("layers.") not in layers and path not in joined:
            own = _as_map(override.value)
            after = {"after": Entry(place.value.mark, place.value)}
            joined[path] = (override, place, replace(own, entries=own.entries | after))
    used = [each for override, place, _ in joined.values() for each in (override, place)]
    rest = [override for override in overrides if not any(override is each for each in used)]
    return [*(Override(path, node) for path, (_, _, node) in joined.items()), *rest]


def _depth(override: Override) -> int:
    """By which a type is set before its options, in whatever order they are given."""
    return override.path.removesuffix(".type").count(".")


def _read_with_bases(path: Path, below: tuple[Path, ...], problems: Problems) -> MapNode:
    tree = _expect_map(nodes.read_file(path, problems), problems)
    return _on_bases(tree, (*below, path.resolve()), problems)


def _on_bases(tree: MapNode, chain: tuple[Path, ...], problems: Problems) -> MapNode:
    """A spec laid over what it extends; `chain` is the files that led here, itself included."""
    own = dict(tree.entries)
    entry = own.pop("extends", None)
    if entry is None:
        return tree
    base = _read_with_bases(_base_path(entry.node, chain, problems), chain, problems)
    return _merge(base, MapNode(own, tree.mark), problems)


def _base_path(name: Node, chain: tuple[Path, ...], problems: Problems) -> Path:
    """The file that `extends` names. Raises SpecError if it cannot be the next of the chain."""

    def error(message: str) -> SpecError:
        return name.mark.error(message, "extends", noted=problems)

    if not isinstance(name, ScalarNode) or not isinstance(name.value, str) or not name.value:
        raise error(f"expected the file name of another spec, found {show(plain(name))}")
    if len(chain) > MAX_CHAIN:
        raise error(f"a chain of more than {MAX_CHAIN} specs")
    try:
        base = find_spec(name.value, name.mark.folder, chain[-1] if chain else None)
    except SpecError as missing:
        raise error(f"{show(name.value)}: {missing.problems[0].message}") from None
    if base.resolve() in chain:
        raise error("circular `extends`: " + " → ".join(p.name for p in (*chain, base)))
    if sum(path.stat().st_size for path in (*chain, base)) > nodes.MAX_BYTES:
        raise error(f"a chain of more than {nodes.MAX_BYTES:,} bytes")
    return base


def _expect_map(node: Node, problems: Problems) -> MapNode:
    if isinstance(node, MapNode) and node.entries:
        return node
    found = show(plain(node)) if plain(node) else "nothing"
    message = f"expected a mapping with the keys lenetkit, name, input and layers, found {found}"
    raise node.mark.error(message, noted=problems)


def _merge(base: MapNode, change: MapNode, problems: Problems) -> MapNode:
    """A whole spec with another laid over it."""
    entries = dict(change.entries)
    if data := entries.get("data"):  # in its short form too it keeps what all data sets take
        entries["data"] = Entry(data.mark, _as_typed(data.node))
    merged = _merge_maps(base, replace(change, entries=entries))
    layers, changed = base.get("layers"), change.entries.get("layers")
    if changed and isinstance(layers, MapNode):
        node = changed.node
        if isinstance(node, MapNode):
            node = _merge_layers(layers, node, problems)
        merged.entries["layers"] = Entry(changed.mark, node)
    return merged


def _merge_layers(base: MapNode, change: MapNode, problems: Problems) -> MapNode:
    """Layers with changes: replaced in place, removed by null, added by `after`."""
    layers = dict(base.entries)
    for name, entry in change.entries.items():
        path = f"layers.{name}"
        node, after = entry.node, None
        if isinstance(node, MapNode):
            after = node.get("after")
            own = {key: e for key, e in node.entries.items() if key != "after"}
            node = MapNode(own, node.mark)
        if is_null(node):
            if layers.pop(name, None) is None:
                message = f"no such layer to remove{did_you_mean(name, layers)}"
                problems.append(entry.mark.problem(path, message))
        elif name in layers:
            if after:
                message = "`after` is for new layers; this one keeps its place"
                problems.append(after.mark.problem(path, message))
            old = layers[name].node
            if isinstance(node, MapNode) and "type" not in node.entries:
                node = _merge_maps(_as_map(old), node)
            layers[name] = Entry(entry.mark, _remembering(old, node))
        else:
            index = len(layers) if after is None else _index_after(after, layers, path, problems)
            order = list(layers.items())
            layers = dict([*order[:index], (name, Entry(entry.mark, node)), *order[index:]])
    return MapNode(layers, change.mark)


def _index_after(after: Node, layers: dict[str, Entry], path: str, problems: Problems) -> int:
    """The index of a new layer: behind the one that `after` names, or first, after `input`."""
    name, names = plain(after), ["input", *layers]
    if isinstance(name, str) and name in names:
        return names.index(name)
    message = f"expected the name of a layer, or input, found {show(name)}"
    if isinstance(name, str):
        message = f"no layer is called {show(name)}{did_you_mean(name, names)}"
    problems.append(after.mark.problem(f"{path}.after", message))
    return len(layers)


def _merge_maps(base: MapNode, change: MapNode) -> MapNode:
    entries, replaced = dict(base.entries), dict(base.replaced)
    for key, entry in change.entries.items():
        old, node = entries.get(key), entry.node
        if old and is_null(node):
            del entries[key]
            replaced.pop(key, None)
        else:
            entries[key] = Entry(entry.mark, _over(old.node, node)) if old else entry
    return MapNode(entries, change.mark, replaced)


def _over(old: Node, new: Node) -> Node:
    """A value laid over another: mappings of one type merge, anything else replaces."""
    if isinstance(new, MapNode) and not _changes_type(old, new):
        return _merge_maps(_as_map(old), new)
    return _remembering(old, new)


def _remembering(old: Node, new: Node) -> Node:
    """The value that replaces another; with another type, it remembers what it replaces."""
    if not isinstance(old, MapNode) or not _changes_type(old, new):
        return new
    after = _as_typed(new)
    if not isinstance(after, MapNode):
        return new
    return replace(after, replaced={**old.replaced, **old.entries})


def _changes_type(old: Node, new: Node) -> bool:
    old_type, new_type = _as_map(old).get("type"), _as_map(new).get("type")
    return old_type is not None and new_type is not None and plain(old_type) != plain(new_type)


def _as_map(node: Node) -> MapNode:
    """The short form `relu` as `{type: relu}`."""
    node = _as_typed(node)
    return node if isinstance(node, MapNode) else MapNode({}, node.mark)


def _as_typed(node: Node) -> Node:
    """The short form `relu`, or an object from Python, as `{type: relu}`; the rest as it is."""
    if isinstance(node, ScalarNode) and not isinstance(node.value, bool | int | float | None):
        return MapNode({"type": Entry(node.mark, node)}, node.mark)
    return node


def _is_path(text: str) -> bool:
    keys = text.split(".")
    return all(keys) and len(keys) <= nodes.MAX_DEPTH


def _apply(tree: MapNode, override: Override, problems: Problems) -> MapNode:
    """Set one value by its dotted path; a number in the path is an index into a list."""
    mark = override.value.mark
    if not _is_path(override.path):
        message = f"expected a path such as train.optimizer.lr, found {show(override.path)}"
        problems.append(mark.problem("", message))
        return tree
    keys = override.path.split(".")
    layers = tree.get("layers")
    if keys[0] == "layers" and len(keys) > 2 and isinstance(layers, MapNode):
        layer = layers.get(keys[1])
        if layer is None and keys[2] != "type":
            message = f"no such layer{did_you_mean(keys[1], layers.entries)}"
            problems.append(mark.problem(f"layers.{keys[1]}", message))
            return tree
        same = layer and keys[2:] == ["type"] and _as_map(layer).get("type")
        if same and plain(same) == plain(override.value):
            return tree  # a file that gives a layer its own type again redefines it
    change = _at(keys, tree, override, problems)
    return _merge(tree, change, problems) if isinstance(change, MapNode) else tree


def _at(keys: Sequence[str], old: Node | None, override: Override, problems: Problems) -> Node:
    """The change that sets the value below `old`, nested as a file would have it."""
    if not keys:
        return override.value
    key, rest = keys[0], keys[1:]
    mark = override.value.mark
    if isinstance(old, ListNode):
        items = list(old.items)
        indices = [str(index) for index in range(len(items))]
        if key in indices:
            index = indices.index(key)
            items[index] = _over(items[index], _at(rest, items[index], override, problems))
        else:
            message = f"{show(key)} is not an index into this list of {len(items)}, from 0"
            problems.append(mark.problem(override.path, message))
        return replace(old, items=tuple(items))
    inside = _at(rest, _as_map(old).get(key) if old else None, override, problems)
    return MapNode({key: Entry(mark, inside)}, old.mark if isinstance(old, MapNode) else mark)
