"""A resolved spec as YAML, which reads back as the same spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lenetkit.options import Configurable, base_of, options_of
from lenetkit.registry.catalog import Catalog
from lenetkit.spec.nodes import scalar
from lenetkit.spec.sections import FORMAT, ModelSpec
from lenetkit.text import printable, printable_lines


def to_plain(spec: ModelSpec, catalog: Catalog, *, paths: bool = True) -> dict[str, Any]:
    """The spec as nested dicts, lists and scalars, every option written out.

    Without `paths`, options that name files of this computer are left out.
    """

    def type_name(thing: Configurable) -> str:
        return catalog.registry(base_of(thing)).name_of(type(thing))

    def plugin(thing: Configurable) -> Any:
        own = options(thing)
        return {"type": type_name(thing), **own} if own else type_name(thing)

    def options(thing: Configurable) -> dict[str, Any]:
        known = [o for o in options_of(type(thing)) if paths or not o.is_path]
        values = [(o, getattr(thing, o.name)) for o in known]
        return {o.name: value(v) for o, v in values if (v, o.default) != (None, None)}

    def value(v: Any) -> Any:
        if isinstance(v, Configurable):
            return plugin(v)
        if isinstance(v, Path):
            return str(v)
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


def as_yaml(tree: dict[str, Any]) -> str:
    """What `to_plain` gives, as YAML text of printable lines."""
    text: str = yaml.dump(
        tree,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    return printable_lines(text)  # Python's escapes are those of YAML's double quotes


class _Dumper(yaml.SafeDumper):
    """Quotes strings by the reader's scalar rules."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        same = scalar(text) == text
    except ValueError:
        same = False
    plain = text.isprintable() and printable(text) == text
    style = '"' if not plain else None if same else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
