"""A resolved spec as YAML, which reads back as the same spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lenetkit.errors import PluginError
from lenetkit.options import Configurable, base_of, options_of
from lenetkit.registry.catalog import Catalog
from lenetkit.spec.nodes import scalar
from lenetkit.spec.sections import FORMAT, ModelSpec, NamedLayer
from lenetkit.text import printable, printable_lines


def to_plain(
    spec: ModelSpec, catalog: Catalog, *, paths: bool = True, objects: bool = False
) -> dict[str, Any]:
    """The spec as nested dicts, lists and scalars, every option written out.

    Without `paths`, options that name files of this computer are left out. What has no registered
    name stays an object if `objects`; otherwise it raises PluginError.
    """

    def type_name(thing: Configurable) -> str:
        return catalog.registry(base_of(thing)).name_of(type(thing))

    def plugin(thing: Configurable, path: str) -> Any:
        try:
            own = {"type": type_name(thing), **options(thing, path)}
        except PluginError as error:
            if objects:
                return thing
            raise PluginError(f"{path}: {error}") from None
        return own if len(own) > 1 else own["type"]

    def options(thing: Configurable, path: str) -> dict[str, Any]:
        known = [o for o in options_of(type(thing)) if paths or not o.is_path]
        values = [(o, getattr(thing, o.name)) for o in known]
        return {
            o.name: value(v, f"{path}.{o.name}")
            for o, v in values
            if (v, o.default) != (None, None)
        }

    def value(v: Any, path: str) -> Any:
        if isinstance(v, Configurable):
            return plugin(v, path)
        if isinstance(v, Path):
            return str(v)
        return [value(item, path) for item in v] if isinstance(v, tuple) else v

    def layer(named: NamedLayer) -> Any:
        written = plugin(named.layer, f"layers.{named.name}")
        if named.trainable:
            return written
        return {**(written if isinstance(written, dict) else {"type": written}), "trainable": False}

    source = plugin(spec.data.source, "data")
    return {
        "lenetkit": FORMAT,
        "name": spec.name,
        "input": list(spec.input),
        **({"task": spec.task} if spec.task else {}),
        "layers": {named.name: layer(named) for named in spec.layers},
        "loss": plugin(spec.loss, "loss"),
        "init": plugin(spec.init, "init"),
        "kernels": plugin(spec.kernels, "kernels"),
        "data": {
            **(source if isinstance(source, dict) else {"type": source}),
            **options(spec.data.options, "data"),
        },
        "train": options(spec.train, "train"),
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


def as_flow(value: Any) -> str:
    """Plain values on one line of YAML, as after `--set KEY=`."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, default_flow_style=True, width=10**9
    )
    return printable(text.removesuffix("...\n").strip())


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
