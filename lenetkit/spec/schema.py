"""A JSON Schema (draft-07) of specs, made from what is installed, for editors to complete by.

The options, bounds and documentation are those that the reader checks by.
"""

from __future__ import annotations

import inspect
from typing import Any, Literal, get_args, get_origin

from lenetkit.errors import PluginError
from lenetkit.layers.base import Layer
from lenetkit.options import Configurable, Option, options_of, plugin_base
from lenetkit.registry.catalog import GROUPS, Catalog
from lenetkit.spec.sections import FORMAT, DataOptions, Head, TrainSpec
from lenetkit.values import alternatives

Schema = dict[str, Any]
_JSON_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}
_BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "above": "exclusiveMinimum",
    "below": "exclusiveMaximum",
}
_AFTER = {"type": "string", "description": "Places a new layer behind this one, or after `input`."}


def build_schema(catalog: Catalog) -> Schema:
    """The schema of a whole spec. Plugins that do not load are left out."""
    definitions = {GROUPS[group].kind: _kind(catalog, group) for group in GROUPS}
    layer, change = _ref("layer"), {"type": "object", "not": {"required": ["type"]}}
    changes = {"anyOf": [layer, change, {"type": "null"}]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "lenetkit model spec",
        "type": "object",
        "required": ["lenetkit"],
        "properties": {
            "extends": {
                "type": "string",
                "description": "Another spec to start from: a file, or a shipped spec.",
            },
            **_properties(Head, catalog),
            "lenetkit": {"const": FORMAT, "description": "Format version."},
            "layers": {"type": "object", "description": "The layers by name, in order."},
            "data": _data(catalog),
            "train": _section(TrainSpec, catalog),
        },
        "additionalProperties": False,
        "if": {"required": ["extends"]},
        "then": {"properties": {"layers": {"additionalProperties": changes}}},
        "else": {
            "required": ["name", "input", "layers"],
            "properties": {"layers": {"minProperties": 1, "additionalProperties": layer}},
        },
        "definitions": definitions,
    }


def _kind(catalog: Catalog, group: str) -> Schema:
    """`TYPE` or `{type: TYPE, option: value}` for every type of a group."""
    classes = _classes(catalog, group)
    extra = {"after": _AFTER} if GROUPS[group] is Layer else {}
    cases = [
        {
            "if": {"properties": {"type": {"const": name}}},
            "then": _object(cls, catalog, {"type": True, **extra}),
        }
        for name, cls in classes.items()
    ]
    bare = [name for name, cls in classes.items() if not _required(cls)]
    return {
        "anyOf": [
            {"enum": bare},
            {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"enum": list(classes)}},
                "allOf": cases,
            },
        ]
    }


def _classes(catalog: Catalog, group: str) -> dict[str, type[Configurable]]:
    registry = catalog.registry(GROUPS[group])
    classes = {}
    for name in registry.names():
        try:
            classes[name] = registry.get(name)
        except PluginError:
            continue
    return classes


def _object(cls: type[Configurable], catalog: Catalog, more: Schema) -> Schema:
    """A mapping of a class's options, and nothing else."""
    return {
        "description": inspect.getdoc(cls) or "",
        "properties": {**more, **_properties(cls, catalog)},
        "required": _required(cls),
        "additionalProperties": False,
    }


def _section(cls: type[Configurable], catalog: Catalog) -> Schema:
    """A section such as `train`, whose plugins all have defaults."""
    return {"type": "object", **_object(cls, catalog, {}), "required": []}


def _data(catalog: Catalog) -> Schema:
    """The data section: a type with its options beside those that every data set takes."""
    shared = _properties(DataOptions, catalog)
    classes = _classes(catalog, "lenetkit.datasets")
    cases = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": _object(cls, catalog, {"type": True, **shared}),
        }
        for name, cls in classes.items()
    ]
    bare = [name for name, cls in classes.items() if not _required(cls)]
    return {
        "description": "What the network learns from.",
        "anyOf": [
            {"enum": bare},
            {
                "type": "object",
                "properties": {"type": {"enum": list(classes)}, **shared},
                "allOf": cases,
            },
        ],
    }


def _required(cls: type[Configurable]) -> list[str]:
    return [opt.name for opt in options_of(cls) if opt.required]


def _properties(cls: type[Configurable], catalog: Catalog) -> Schema:
    return {opt.name: _option(opt) for opt in options_of(cls)}


def _option(opt: Option) -> Schema:
    kinds = [_hint(hint, opt) for hint in alternatives(opt.hint) if hint is not type(None)]
    schema: Schema = {"description": opt.doc}
    if not opt.required:
        kinds.append({"type": "null"})
        if not isinstance(opt.default, Configurable) and opt.default is not None:
            schema["default"] = opt.default
    return schema | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})


def _hint(hint: Any, opt: Option) -> Schema:
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        items = {"type": "array", "items": _hint(inner[0], opt)}
        return (
            items if inner[-1] is ... else {**items, "minItems": len(inner), "maxItems": len(inner)}
        )
    base = plugin_base(hint)
    if base is not None:
        return _ref(base.kind)
    bounds = {_BOUNDS[key]: value for key, value in opt.bounds.items()}
    return {"type": _JSON_TYPES[hint], **(bounds if hint in (int, float) else {})}


def _ref(kind: str) -> Schema:
    return {"$ref": f"#/definitions/{kind.replace(' ', '%20')}"}
