"""From nodes to checked options. Every mistake is noted at its place; reading goes on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from lenetkit.errors import OptionError, PluginError, Problems, cause, did_you_mean, nearest
from lenetkit.options import Configurable, Option, is_list, options_of, plugin_base
from lenetkit.registry.catalog import Catalog
from lenetkit.spec.nodes import ListNode, MapNode, Mark, Node, ScalarNode, plain
from lenetkit.values import show

T = TypeVar("T", bound=Configurable)


class _Missing:
    """Stands for a value that was wrong; the problem is noted."""


_MISSING = _Missing()


@dataclass
class Binder:
    """Builds options from nodes and collects what is wrong with them."""

    catalog: Catalog
    problems: Problems = field(default_factory=Problems)

    def problem(self, mark: Mark, path: str, message: str) -> None:
        """Note one mistake."""
        self.problems.append(mark.problem(path, message))

    def plugin(self, base: type[T], node: Node, path: str, also: Collection[str] = ()) -> T | None:
        """`TYPE` or `{type: TYPE, option: value}` as an object of that type.

        Keys in `also` are somebody else's.
        """
        registry = self.catalog.registry(base)
        type_node = node.get("type") if isinstance(node, MapNode) else node
        if type_node is None:
            example = "".join(f", such as {{type: {name}}}" for name in registry.names()[:1])
            self.problem(node.mark, path, f"expected a `type`{example}")
            return None
        if not isinstance(type_node, ScalarNode) or not isinstance(type_node.value, str):
            found = show(plain(type_node))
            self.problem(
                type_node.mark, path, f"expected the name of {registry.a_kind}, found {found}"
            )
            return None
        try:
            cls = registry.get(type_node.value)
        except PluginError as error:
            self.problem(type_node.mark, path, str(error))
            return None
        entries = node.entries if isinstance(node, MapNode) else {}
        options = MapNode(entries, type_node.mark)  # it is the type that asks for what is missing
        return self.options(cls, options, path, type_node.value, also={"type", *also})

    def options(
        self,
        cls: type[T],
        node: MapNode,
        path: str,
        noun: str,
        also: Collection[str] = (),
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> T | None:
        """An object of `cls` with the options of a mapping; None where any of them is wrong.

        `noun` is what the object is called in messages; keys in `also` are somebody else's.
        `elsewhere` says of keys that have no place here where they have one.
        """
        known = {opt.name: opt for opt in options_of(cls)}
        valid = (*known, *also)
        meant = set()
        complete = True
        for key, entry in node.entries.items():
            if key not in known and key not in also:
                place = elsewhere.get(key)
                near = f"; did you mean '{place}'?" if place else did_you_mean(key, valid)
                self.problem(entry.mark, path, f"{noun} has no option {show(key)}{near}")
                meant.add(nearest(key, valid))
                complete = False
        values = {}
        for name, opt in known.items():
            child = node.get(name)
            absent = child is None or (isinstance(child, ScalarNode) and child.value is None)
            if absent and opt.required:
                message = f"{noun} needs the option '{name}' ({opt.expected})"
                if name not in meant:  # misspelt: one mistake, one problem
                    self.problem(node.mark, path, message)
                complete = False
            elif not absent and child is not None:
                values[name] = self.value(opt, child, f"{path}.{name}" if path else name)
        if not complete or _MISSING in values.values():
            return None
        try:
            return cls(**values)
        except OptionError as error:
            wrong = node.get(error.option) or node
            self.problem(wrong.mark, f"{path}.{error.option}".lstrip("."), error.problem)
        except Exception as error:  # a plugin's own checks may fail in any way
            self.problem(node.mark, path, f"{noun} does not take these options: {cause(error)}")
        return None

    def value(self, opt: Option, node: Node, path: str) -> Any:
        """One option's value; the marker `_MISSING` where it is wrong."""
        base = plugin_base(opt.hint)
        if base is not None and is_list(opt.hint):
            if not isinstance(node, ListNode):
                found = show(plain(node))
                self.problem(node.mark, path, f"expected a list, found {found}; write [{found}]")
                return _MISSING
            items = [self.plugin(base, n, f"{path}.{i}") for i, n in enumerate(node.items)]
            return _MISSING if None in items else tuple(items)
        if base is not None:
            made = self.plugin(base, node, path)
            return _MISSING if made is None else made
        try:
            return opt.convert(plain(node))
        except OptionError as error:
            self.problem(node.mark, path, error.problem)
            return _MISSING
