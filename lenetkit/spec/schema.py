"""A JSON Schema (draft-07) of specs, made from what is installed, for completion in editors.

It has the options, bounds and documentation that the reader itself uses.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from lenetkit.data.source import DataSource
from lenetkit.errors import PluginError
from lenetkit.layers.base import Layer
from lenetkit.options import Configurable, Option, options_of, plugin_base
from lenetkit.registry.catalog import GROUPS, Catalog
from lenetkit.spec.sections import FORMAT, DataOptions, Head, LayerOptions, TrainSpec
from lenetkit.values import alternatives

Schema = dict[str, Any]
_JSON_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string", Path: "string"}
_BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "above": "exclusiveMinimum",
    "below": "exclusiveMaximum",
}
_AFTER = {"type": "string", "description": "Places a new layer behind this one, or after `input`."}


def build_schema(catalog: Catalog) -> Schema:
    """The schema of a whole spec. Plugins that do not load are left out."""
    in_layers = {"after": _AFTER, **_properties(LayerOptions)}
    kinds = {
        base.kind: _plugins(catalog, group, in_layers if base is Layer else {}, ["type"])
        for group, base in GROUPS.items()
    }
    layer, change = _ref("layer"), {"type": "object", "not": {"required": ["type"]}}
    changes = {"anyOf": [layer, change, {"type": "null"}]}
    data = _plugins(catalog, DataSource.group, _properties(DataOptions), [])
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
            **_properties(Head),
            "lenetkit": {"const": FORMAT, "description": "Format version."},
            "layers": {"type": "object", "description": "The layers by name, in order."},
            "data": {"description": "What the network learns from.", **data},
            "train": {"type": "object", **_object(TrainSpec), "required": []},
        },
        "additionalProperties": False,
        "if": {"required": ["extends"]},
        "then": {"properties": {"layers": {"additionalProperties": changes}}},
        "else": {
            "required": ["name", "input", "layers"],
            "properties": {"layers": {"minProperties": 1, "additionalProperties": layer}},
        },
        "definitions": kinds,
    }


def _plugins(catalog: Catalog, group: str, shared: Schema, required: list[str]) -> Schema:
    """`TYPE` or `{type: TYPE, option: value}` for every type of a group.

    All types take the `shared` options; the keys in `required` cannot be left out.
    """
    registry = catalog.registry(GROUPS[group])
    classes = {}
    for name in registry.names():
        with suppress(PluginError):
            classes[name] = registry.get(name)
    cases = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": _object(cls, type=True, **shared),
        }
        for name, cls in classes.items()
    ]
    return {
        "anyOf": [
            {"enum": [name for name, cls in classes.items() if not _required(cls)]},
            {
                "type": "object",
                "properties": {"type": {"enum": list(classes)}, **shared},
                "required": required,
                "allOf": cases,
            },
        ]
    }


def _object(cls: type[Configurable], **more: Any) -> Schema:
    """A mapping of a class's options and `more`, and nothing else."""
    return {
        "description": inspect.getdoc(cls) or "",
        "properties": {**more, **_properties(cls)},
        "required": _required(cls),
        "additionalProperties": False,
    }


def _required(cls: type[Configurable]) -> list[str]:
    return [opt.name for opt in options_of(cls) if opt.required]


def _properties(cls: type[Configurable]) -> Schema:
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
        first, *others = get_args(hint)
        count = len(others) + 1
        size = {} if others == [...] else {"minItems": count, "maxItems": count}
        return {"type": "array", "items": _hint(first, opt), **size}
    base = plugin_base(hint)
    if base is not None:
        return _ref(base.kind)
    bounds = {_BOUNDS[key]: value for key, value in opt.bounds.items()}
    return {"type": _JSON_TYPES[hint], **(bounds if hint in (int, float) else {})}


def _ref(kind: str) -> Schema:
    return {"$ref": f"#/definitions/{kind.replace(' ', '%20')}"}
