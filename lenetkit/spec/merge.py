"""`extends` and `--set`: one tree of nodes over another.

Mappings merge, lists and scalars replace, `null` removes. A layer named again with a `type` is
replaced in its place, and so is any other mapping whose `type` changes, because the options of
one type mean nothing to another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lenetkit.errors import Problem, Problems, SpecError, did_you_mean
from lenetkit.spec.nodes import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    Entry,
    ListNode,
    MapNode,
    Mark,
    Node,
    ScalarNode,
    parse,
    plain,
    read,
    read_file,
)
from lenetkit.spec.shipped import find_spec
from lenetkit.values import show

_MOST_BASES = 30
"""Specs that may extend one another in a row."""

RESOLVED = 5
"""How many times as large as a spec file a spec may be that has every default written out."""


@dataclass(frozen=True)
class Override:
    """One change from the command line: the option it came from, a dotted path and a value."""

    origin: str
    path: str
    value: Node

    @classmethod
    def from_text(cls, text: str) -> Override:
        """`KEY=VALUE` of `--set`; the value is read by the rules of a spec file."""
        path, equals, value = text.partition("=")
        path = path.strip()
        origin = f"--set {text}"
        if not equals or not _is_path(path):
            message = "expected KEY=VALUE, such as train.optimizer.lr=0.01"
            raise SpecError([Problem(origin, "", message)])
        if not value.strip():
            message = f"expected a value; to leave the key out, write {path}=null"
            raise SpecError([Problem(origin, "", message)])
        mark = Mark(origin, folder=Path.cwd())
        try:
            node = parse(value, mark)
        except SpecError as error:
            raise SpecError(replace(p, line=0, column=0) for p in error.problems) from None
        return cls(origin, path, _without_lines(node, mark))

    @classmethod
    def from_option(cls, option: str, path: str, value: object) -> Override:
        """An option of its own, such as `--epochs 3`."""
        if value == "":
            raise SpecError([Problem(option, "", "expected a value, found an empty one")])
        mark = Mark(f"{option} {value}", folder=Path.cwd())
        return cls(option, path, ScalarNode(value, mark))


def overrides(changes: Mapping[str, Any] | Sequence[Override]) -> Sequence[Override]:
    """Changes from Python, `{"train.epochs": 3}`, as overrides; those that are some stay."""
    if not isinstance(changes, Mapping):
        return changes
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in changes.items()}
    return [Override(k, k, parse(text, Mark(f"override {k}"))) for k, text in texts.items()]


@dataclass(frozen=True)
class Tree:
    """A whole spec as nodes, with what was found wrong in reading and merging it."""

    root: MapNode
    problems: Problems


def read_tree(source: str | Path, overrides: Sequence[Override] = ()) -> Tree:
    """The nodes of a spec file (or a shipped spec's bare name), `extends` and overrides applied.

    Raises SpecError where there is nothing to go on with, such as a missing file.
    """
    problems = Problems()
    root = _read_with_bases(find_spec(source), (), problems)
    for override in overrides:
        root = apply_override(root, override, problems)
    return Tree(root, problems)


def parse_text(text: str, name: str, overrides: Sequence[Override] = ()) -> Tree:
    """The nodes of a spec that stands alone, such as the one in a model file, with `overrides`.

    Raises SpecError where it is no YAML mapping, or too large.
    """
    problems = Problems()
    mark = Mark(name)
    if len(text) > RESOLVED * MAX_BYTES:
        message = f"is larger than {RESOLVED * MAX_BYTES:,} characters; a spec is a short text"
        raise SpecError([mark.problem("", message)])
    node = read(text, mark, problems, most_values=RESOLVED * MAX_VALUES)
    root = _expect_map(node, problems)
    for override in overrides:
        root = apply_override(root, override, problems)
    return Tree(root, problems)


def _read_with_bases(path: Path, below: tuple[Path, ...], problems: Problems) -> MapNode:
    tree = _expect_map(read_file(path, problems), problems)
    entry = tree.entries.get("extends")
    if entry is None:
        return tree
    name = entry.node
    mark = name.mark
    if not isinstance(name, ScalarNode) or not isinstance(name.value, str) or not name.value:
        message = f"expected the file name of another spec, found {show(plain(name))}"
        raise _error(problems, mark, message)
    chain = (*below, path.resolve())
    if len(chain) > _MOST_BASES:
        raise _error(problems, mark, f"a chain of more than {_MOST_BASES} specs")
    try:
        base_path = find_spec(name.value, mark.folder)
    except SpecError as error:
        message = f"{show(name.value)}: {error.problems[0].message}"
        raise _error(problems, mark, message) from None
    if base_path.resolve() in chain:
        circle = " → ".join(p.name for p in (*chain, base_path))
        raise _error(problems, mark, f"goes round in a circle: {circle}")
    if sum(path.stat().st_size for path in (*chain, base_path)) > MAX_BYTES:
        raise _error(problems, mark, f"a chain of more than {MAX_BYTES:,} bytes")
    base = _read_with_bases(base_path, chain, problems)
    own = {key: e for key, e in tree.entries.items() if key != "extends"}
    return merge(base, MapNode(own, tree.mark), problems)


def _error(problems: Problems, mark: Mark, message: str) -> SpecError:
    return SpecError([*problems, mark.problem("extends", message)])


def merge(base: MapNode, change: MapNode, problems: Problems) -> MapNode:
    """A whole spec with another laid over it."""
    entries = dict(base.entries)
    for key, entry in change.entries.items():
        old = entries.get(key)
        if key == "layers" and old and isinstance(old.node, MapNode):
            if isinstance(entry.node, MapNode):
                entry = Entry(entry.mark, merge_layers(old.node, entry.node, problems))
            entries[key] = entry
        else:
            _merge_entry(entries, key, entry)
    return MapNode(entries, change.mark)


def merge_layers(base: MapNode, change: MapNode, problems: Problems) -> MapNode:
    """A stack of layers with changes: replaced in place, removed by null, added by `after`."""
    layers = dict(base.entries)
    for name, entry in change.entries.items():
        path = f"layers.{name}"
        node = entry.node
        place, node = _take_after(node)
        if isinstance(node, ScalarNode) and node.value is None:
            if name not in layers:
                message = f"there is no such layer to remove{did_you_mean(name, layers)}"
                problems.append(entry.mark.problem(path, message))
            layers.pop(name, None)
        elif name in layers:
            if place:
                message = "`after` places a new layer; this one has its place"
                problems.append(place.mark.problem(path, message))
            if isinstance(node, MapNode) and "type" not in node.entries:
                node = _merge_maps(_as_map(layers[name].node), node)
            layers[name] = Entry(entry.mark, node)
        else:
            layers = _insert(layers, name, Entry(entry.mark, node), place, problems)
    return MapNode(layers, change.mark)


def apply_override(tree: MapNode, override: Override, problems: Problems) -> MapNode:
    """Set one value by its dotted path; a number in the path picks an item of a list."""
    mark = override.value.mark
    if not _is_path(override.path):
        message = f"expected a path such as train.optimizer.lr, found {show(override.path)}"
        problems.append(mark.problem("", message))
        return tree
    keys = override.path.split(".")
    layers = tree.get("layers")
    if keys[0] == "layers" and isinstance(layers, MapNode):
        if len(keys) == 2:
            change = MapNode({keys[1]: Entry(mark, override.value)}, tree.mark)
            return merge(tree, MapNode({"layers": Entry(mark, change)}, tree.mark), problems)
        if len(keys) > 2 and keys[1] not in layers.entries and keys[2] != "type":
            message = f"there is no such layer{did_you_mean(keys[1], layers.entries)}"
            problems.append(mark.problem(f"layers.{keys[1]}", message))
            return tree
    changed = _set(tree, keys, override, problems)
    return changed if isinstance(changed, MapNode) else tree


def _set(node: Node | None, keys: list[str], override: Override, problems: Problems) -> Node:
    if not keys:
        return override.value
    key, rest = keys[0], keys[1:]
    mark = override.value.mark
    if isinstance(node, ListNode):
        picked = [i for i in range(len(node.items)) if str(i) == key]
        if not picked:
            size = len(node.items)
            message = f"{show(key)} is no item of this list of {size}; items count from 0"
            problems.append(mark.problem(override.path, message))
        items = [
            _set(item, rest, override, problems) if i in picked else item
            for i, item in enumerate(node.items)
        ]
        return replace(node, items=tuple(items))
    mapping = _as_map(node) if node else MapNode({}, mark)
    entries = dict(mapping.entries)
    if not rest and isinstance(override.value, ScalarNode) and override.value.value is None:
        entries.pop(key, None)
    else:
        entries[key] = Entry(mark, _set(mapping.get(key), rest, override, problems))
    return MapNode(entries, mapping.mark if isinstance(node, MapNode) else mark)


def _is_path(text: str) -> bool:
    keys = text.split(".")
    return all(keys) and len(keys) <= MAX_DEPTH


def _merge_maps(base: MapNode, change: MapNode) -> MapNode:
    entries = dict(base.entries)
    for key, entry in change.entries.items():
        _merge_entry(entries, key, entry)
    return MapNode(entries, change.mark)


def _merge_entry(entries: dict[str, Entry], key: str, entry: Entry) -> None:
    old, node = entries.get(key), entry.node
    if old is not None and isinstance(node, ScalarNode) and node.value is None:
        del entries[key]
    elif old is not None and isinstance(node, MapNode) and not _changes_type(old.node, node):
        entries[key] = Entry(entry.mark, _merge_maps(_as_map(old.node), node))
    else:
        entries[key] = entry


def _changes_type(old: Node, new: MapNode) -> bool:
    new_type, old_type = new.get("type"), _as_map(old).get("type")
    if new_type is None:
        return isinstance(old, ListNode)
    return (
        not isinstance(new_type, ScalarNode)
        or not isinstance(old_type, ScalarNode)
        or new_type.value != old_type.value
    )


def _as_map(node: Node) -> MapNode:
    """The short form `relu` as `{type: relu}`."""
    if isinstance(node, MapNode):
        return node
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        return MapNode({"type": Entry(node.mark, node)}, node.mark)
    return MapNode({}, node.mark)


def _take_after(node: Node) -> tuple[Node | None, Node]:
    """A layer's `after`, and the layer without it."""
    if not isinstance(node, MapNode) or "after" not in node.entries:
        return None, node
    entries = dict(node.entries)
    place = entries.pop("after").node
    return place, MapNode(entries, node.mark)


def _insert(
    layers: dict[str, Entry], name: str, entry: Entry, place: Node | None, problems: Problems
) -> dict[str, Entry]:
    """A new layer: behind the one that `after` names, first after `input`, else at the end."""
    if place is None:
        return layers | {name: entry}
    after = plain(place)
    if after == "input":
        return {name: entry} | layers
    if not isinstance(after, str):
        message = f"expected the name of a layer, or input, found {show(after)}"
        problems.append(place.mark.problem(f"layers.{name}.after", message))
        return layers | {name: entry}
    if after not in layers:
        message = f"there is no layer {show(after)}{did_you_mean(after, ['input', *layers])}"
        problems.append(place.mark.problem(f"layers.{name}.after", message))
        return layers | {name: entry}
    order = list(layers.items())
    at = [key for key, _ in order].index(after) + 1
    return dict([*order[:at], (name, entry), *order[at:]])


def _expect_map(node: Node, problems: Problems) -> MapNode:
    if isinstance(node, MapNode) and node.entries:
        return node
    found = show(plain(node)) if plain(node) else "nothing"
    message = f"expected a mapping with the keys lenetkit, name, input and layers, found {found}"
    raise SpecError([*problems, node.mark.problem("", message)])


def _without_lines(node: Node, mark: Mark) -> Node:
    """Nodes read from one command-line value: their place is the option, not a line of it."""
    if isinstance(node, ScalarNode):
        return ScalarNode(node.value, mark)
    if isinstance(node, ListNode):
        return ListNode(tuple(_without_lines(item, mark) for item in node.items), mark)
    entries = {k: Entry(mark, _without_lines(e.node, mark)) for k, e in node.entries.items()}
    return MapNode(entries, mark)
