"""A resolved spec as YAML, which reads back as the same spec."""

from __future__ import annotations

from typing import Any

import yaml

from lenetkit.options import Configurable, base_of, options_of
from lenetkit.registry.catalog import Catalog
from lenetkit.spec.nodes import scalar
from lenetkit.spec.sections import FORMAT, ModelSpec


def to_plain(spec: ModelSpec, catalog: Catalog) -> dict[str, Any]:
    """The spec as nested dicts, lists and scalars, every option written out."""

    def type_name(thing: Configurable) -> str:
        return catalog.registry(base_of(thing)).name_of(type(thing))

    def plugin(thing: Configurable) -> Any:
        own = options(thing)
        return {"type": type_name(thing), **own} if own else type_name(thing)

    def options(thing: Configurable) -> dict[str, Any]:
        values = [(o, getattr(thing, o.name)) for o in options_of(type(thing))]
        return {o.name: value(v) for o, v in values if (v, o.default) != (None, None)}

    def value(v: Any) -> Any:
        if isinstance(v, Configurable):
            return plugin(v)
        return [value(item) for item in v] if isinstance(v, tuple) else v

    return {
        "lenetkit": FORMAT,
        "name": spec.name,
        "input": list(spec.input),
        "layers": {named.name: plugin(named.layer) for named in spec.layers},
        "loss": plugin(spec.loss),
        "init": plugin(spec.init),
        "kernels": plugin(spec.kernels),
        "data": {
            "type": type_name(spec.data.source),
            **options(spec.data.source),
            **options(spec.data.options),
        },
        "train": options(spec.train),
    }


def to_yaml(spec: ModelSpec, catalog: Catalog) -> str:
    """The spec as YAML text."""
    text: str = yaml.dump(
        to_plain(spec, catalog),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes strings by the reader's scalar rules."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        same = scalar(text) == text
    except ValueError:
        same = False
    style = '"' if not text.isprintable() else None if same else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
