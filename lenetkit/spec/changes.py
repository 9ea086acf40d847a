"""What a spec changes in the one that it extends, as values and as a title."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from lenetkit.errors import Problems
from lenetkit.spec.merge import Override, Spec, own_node, read_tree
from lenetkit.spec.nodes import ScalarNode, plain
from lenetkit.spec.shipped import find_spec

Differences = Mapping[str, str | None]
"""Dotted keys of a spec and their new values as text; None where a key or a layer is removed."""

_UNSAID = ("lenetkit", "name", "extends", "data.dir", "data.type", "data.fallback")
"""Keys that a picture's heading says anyway, or that change nothing in a network."""
_SAID = 5
"""Differences that a title names."""


def changes(source: Spec, overrides: Sequence[Override] = ()) -> dict[str, str | None]:
    """What a spec, with overrides, changes in the spec that it extends.

    One that extends nothing is compared with itself without the overrides. Raises SpecError if
    either cannot be read.
    """
    own = own_node(source, Problems())
    path = None if isinstance(source, Mapping) else find_spec(source)
    extends = getattr(own, "entries", {}).get("extends")
    base = source
    if extends is not None and isinstance(extends.node, ScalarNode):
        base = find_spec(str(extends.node.value), extends.node.mark.folder, path)
    before, after = plain(read_tree(base).root), plain(read_tree(source, overrides).root)
    found = _differences(before, after, "")
    return {key: value for key, value in found if key not in _UNSAID}


def _differences(before: Any, after: Any, path: str) -> Iterator[tuple[str, str | None]]:
    """The leaves that `after` has otherwise, and the layers that it lacks."""
    if before == after:
        return
    if not isinstance(after, dict) and not isinstance(before, dict):
        yield path, _text(after)
        return
    old, new = _as_map(before), _as_map(after)
    for key, value in new.items():
        yield from _differences(old.get(key), value, f"{path}.{key}".lstrip("."))
    if path in ("", "layers"):
        for key in old.keys() - new.keys():
            yield f"{path}.{key}".lstrip("."), None


def _as_map(value: Any) -> dict[str, Any]:
    """The short form `relu` as `{type: relu}`."""
    return value if isinstance(value, dict) else {"type": value} if value is not None else {}


def _text(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(item, (dict, str)) for item in value):
        return " + ".join(str(_as_map(item).get("type")) for item in value)
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=_live).strip('"')


def _live(thing: object) -> str:
    """An object that a program laid over the spec."""
    return type(thing).__name__


def title(name: str, changed: Differences) -> str:
    """`lenet5: lr 0.01, epochs 3`; the name alone if nothing is changed."""
    words = in_words(changed)
    return f"{name}: {words}" if words else name


def in_words(changed: Differences, most: int = _SAID) -> str:
    """`lr 0.01, epochs 3`, and how many there are beyond `most`."""
    said = list(_said(changed))
    if len(said) > most:
        said = [*said[:most], f"and {len(said) - most} more"]
    return ", ".join(said)


def short(key: str) -> str:
    """A dotted key as a title calls it: `lr`, `pool1 kernel size`."""
    return " ".join(word for word in _place(key) if word)


def _said(changed: Differences) -> Iterator[str]:
    """The changes in words, neighbouring layers with the same one together."""
    parts = [(_together(key), *_place(key), value) for key, value in changed.items()]
    for (_, leaf, value), group in groupby(parts, key=lambda part: (part[0], *part[2:])):
        names = ", ".join(name for _, name, _, _ in group)
        words = ["without", names] if value is None else [names, leaf, value]
        yield " ".join(word for word in words if word)


def _together(key: str) -> str:
    """What keys have in common that may be told together: that they are of layers."""
    return "layers" if key.startswith("layers.") else key


def _place(key: str) -> tuple[str, str]:
    """What is changed, and which option of it; `train.optimizer.lr` is `lr` alone."""
    *places, leaf = key.split(".")
    for known in (["train", "optimizer"], ["train"], ["layers"], ["data"]):
        if places[: len(known)] == known and (places[len(known) :] or leaf != "type"):
            places = places[len(known) :]
            break
    if places == ["optimizer"] and leaf != "type":
        places = []
    leaf = "" if leaf == "type" else leaf
    if not places:
        return leaf.replace("_", " "), ""
    return " ".join(place.replace("_", " ") for place in places), leaf.replace("_", " ")
