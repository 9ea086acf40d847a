"""`extends` and `--set`: one tree of nodes over another.

Mappings merge, lists and scalars replace, `null` removes. A layer named again with a `type` is
replaced in its place, and so is any other mapping whose `type` changes, because the options of
one type mean nothing to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lenetkit.errors import Problem, SpecError, did_you_mean
from lenetkit.spec.nodes import Entry, ListNode, MapNode, Mark, Node, ScalarNode, parse, parse_file
from lenetkit.spec.shipped import find_spec


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
        origin = f"--set {text}"
        if not equals or not path or not all(path.split(".")):
            message = "expected KEY=VALUE, such as train.optimizer.lr=0.01"
            raise SpecError([Problem(origin, "", message)])
        mark = Mark(origin, folder=Path.cwd())
        return cls(origin, path, _without_lines(parse(value, mark), mark))

    @classmethod
    def from_option(cls, option: str, path: str, value: object) -> Override:
        """An option of its own, such as `--epochs 3`."""
        mark = Mark(f"{option} {value}", folder=Path.cwd())
        return cls(option, path, ScalarNode(value, mark))


def read_tree(source: str | Path, overrides: Sequence[Override] = ()) -> MapNode:
    """The nodes of a spec file (or a shipped spec's bare name), `extends` and overrides applied."""
    tree = _read_with_bases(find_spec(source), ())
    for override in overrides:
        tree = apply_override(tree, override)
    return tree


def parse_text(text: str, name: str) -> MapNode:
    """The nodes of a spec that stands alone, such as the one inside a model file."""
    return _expect_map(parse(text, Mark(name)))


def _read_with_bases(path: Path, below: tuple[Path, ...]) -> MapNode:
    tree = _expect_map(parse_file(path))
    entry = tree.entries.get("extends")
    if entry is None:
        return tree
    name = entry.node
    mark = name.mark
    if not isinstance(name, ScalarNode) or not isinstance(name.value, str):
        raise _error(mark, "extends", "expected the file name of another spec")
    chain = (*below, path.resolve())
    try:
        base_path = find_spec(name.value, mark.folder)
    except SpecError as error:
        raise _error(mark, "extends", error.problems[0].message) from None
    if base_path.resolve() in chain:
        circle = " → ".join(p.name for p in (*chain, base_path))
        raise _error(mark, "extends", f"goes round in a circle: {circle}")
    base = _read_with_bases(base_path, chain)
    own = {key: e for key, e in tree.entries.items() if key != "extends"}
    return merge(base, MapNode(own, tree.mark))


def merge(base: MapNode, change: MapNode) -> MapNode:
    """A whole spec with another laid over it."""
    entries = dict(base.entries)
    for key, entry in change.entries.items():
        old = entries.get(key)
        if key == "layers" and old and isinstance(old.node, MapNode):
            if isinstance(entry.node, MapNode):
                entry = Entry(entry.mark, merge_layers(old.node, entry.node))
            entries[key] = entry
        else:
            _merge_entry(entries, key, entry)
    return MapNode(entries, change.mark)


def merge_layers(base: MapNode, change: MapNode) -> MapNode:
    """A stack of layers with changes: replaced in place, removed by null, added by `after`."""
    layers = dict(base.entries)
    for name, entry in change.entries.items():
        path = f"layers.{name}"
        node = entry.node
        place, node = _take_after(node)
        if isinstance(node, ScalarNode) and node.value is None:
            if name not in layers:
                near = did_you_mean(name, layers)
                raise _error(entry.mark, path, f"there is no such layer to remove{near}")
            del layers[name]
        elif name in layers:
            if place:
                raise _error(place.mark, path, "`after` places a new layer; this one has its place")
            if isinstance(node, MapNode) and "type" not in node.entries:
                node = _merge_maps(_as_map(layers[name].node), node)
            layers[name] = Entry(entry.mark, node)
        else:
            layers = _insert(layers, name, Entry(entry.mark, node), place)
    return MapNode(layers, change.mark)


def apply_override(tree: MapNode, override: Override) -> MapNode:
    """Set one value by its dotted path; a number in the path picks an item of a list."""
    keys = override.path.split(".")
    if len(keys) == 2 and keys[0] == "layers" and isinstance(tree.get("layers"), MapNode):
        change = MapNode({keys[1]: Entry(override.value.mark, override.value)}, tree.mark)
        layers = MapNode({"layers": Entry(override.value.mark, change)}, tree.mark)
        return merge(tree, layers)
    changed = _set(tree, keys, override)
    return changed if isinstance(changed, MapNode) else tree


def _set(node: Node | None, keys: list[str], override: Override) -> Node:
    if not keys:
        return override.value
    key, rest = keys[0], keys[1:]
    mark = override.value.mark
    if isinstance(node, ListNode):
        if not key.isdecimal() or int(key) >= len(node.items):
            message = f"'{key}' is no item of a list of {len(node.items)}; items count from 0"
            raise _error(mark, override.path, message)
        items = list(node.items)
        items[int(key)] = _set(items[int(key)], rest, override)
        return replace(node, items=tuple(items))
    mapping = _as_map(node) if node else MapNode({}, mark)
    entries = dict(mapping.entries)
    if not rest and isinstance(override.value, ScalarNode) and override.value.value is None:
        entries.pop(key, None)
    else:
        entries[key] = Entry(mark, _set(mapping.get(key), rest, override))
    return MapNode(entries, mapping.mark)


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
    layers: dict[str, Entry], name: str, entry: Entry, place: Node | None
) -> dict[str, Entry]:
    """A new layer: behind the one that `after` names, first after `input`, else at the end."""
    if place is None:
        return layers | {name: entry}
    after = place.value if isinstance(place, ScalarNode) else None
    if after == "input":
        return {name: entry} | layers
    if after not in layers:
        near = did_you_mean(str(after), ["input", *layers])
        raise _error(place.mark, f"layers.{name}.after", f"there is no layer '{after}'{near}")
    order = list(layers.items())
    at = [key for key, _ in order].index(after) + 1
    return dict([*order[:at], (name, entry), *order[at:]])


def _expect_map(node: Node) -> MapNode:
    if isinstance(node, MapNode) and node.entries:
        return node
    message = "expected a mapping with the keys lenetkit, name, input and layers"
    raise _error(node.mark, "", message)


def _without_lines(node: Node, mark: Mark) -> Node:
    """Nodes read from one command-line value: their place is the option, not a line of it."""
    if isinstance(node, ScalarNode):
        return ScalarNode(node.value, mark)
    if isinstance(node, ListNode):
        return ListNode(tuple(_without_lines(item, mark) for item in node.items), mark)
    entries = {k: Entry(mark, _without_lines(e.node, mark)) for k, e in node.entries.items()}
    return MapNode(entries, mark)


def _error(mark: Mark, path: str, message: str) -> SpecError:
    return SpecError([Problem(str(mark), path, message)])
