"""From nodes to checked options. Every mistake is noted at its place, and reading continues."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_origin

from lenetkit.errors import (
    InputError,
    NotInstalledError,
    OptionError,
    PluginError,
    Problem,
    Problems,
    cause,
    install,
)
from lenetkit.files.opening import user_path
from lenetkit.layers.base import Layer
from lenetkit.options import UNRECORDED, Configurable, Option, is_list, options_of, plugin_base
from lenetkit.registry.catalog import Catalog
from lenetkit.registry.synonyms import option_hint, option_meant, option_near
from lenetkit.spec.nodes import (
    IN_QUOTES,
    ListNode,
    MapNode,
    Mark,
    Node,
    ScalarNode,
    is_null,
    plain,
)
from lenetkit.text import printable
from lenetkit.values import alternatives, show

T = TypeVar("T", bound=Configurable)


_WRONG = object()
"""Stands for a value that was wrong; the problem is noted."""


@dataclass
class Binder:
    """Builds options from nodes and collects the mistakes in them."""

    catalog: Catalog
    problems: Problems = field(default_factory=Problems)
    keys: Callable[[], Mapping[str, object]] = dict
    """Where in a spec a key belongs: `lr` → 'train.optimizer.lr'. Called after a mistake only."""
    _lacking: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def lacking(self) -> list[Problem]:
        """The distributions that are not installed, each with the types that it would provide."""
        return [
            Problem(
                source,
                "",
                f"needs {distribution}, which is not installed: {install(distribution)}\n"
                f"    it provides {', '.join(dict.fromkeys(types))}",
            )
            for (source, distribution), types in self._lacking.items()
        ]

    def problem(self, mark: Mark, path: str, message: str) -> None:
        """Note one mistake."""
        self.problems.append(mark.problem(path, message))

    def plugin(self, base: type[T], node: Node, path: str, also: Collection[str] = ()) -> T | None:
        """An object from `TYPE` or `{type: TYPE, option: value}`; None if anything is wrong.

        Keys in `also` are allowed but ignored. From Python, TYPE may be the object itself.
        """
        registry = self.catalog.registry(base)
        type_node = node.get("type") if isinstance(node, MapNode) else node
        if type_node is None:
            example = "".join(f", such as {{type: {name}}}" for name in registry.names()[:1])
            stuck = [
                key for key in getattr(node, "entries", ()) if key.startswith(("type:", "type："))
            ]
            found = f", found the key {show(stuck[0])}" if stuck else ""
            self.problem(node.mark, path, f"expected a `type`{example}{found}")
            return None
        entries = node.entries if isinstance(node, MapNode) else {}
        if isinstance(type_node, ScalarNode) and isinstance(type_node.value, base):
            if extra := entries.keys() - {"type", *also}:
                message = f"the {base.kind} is an object, so it takes no '{min(extra)}' from here"
                self.problem(node.mark, path, message)
                return None
            return type_node.value
        if not isinstance(type_node, ScalarNode) or not isinstance(type_node.value, str):
            found = plain(type_node)
            message = f"expected the name of {registry.a_kind}, found {show(found)}"
            if isinstance(found, type):
                message += f"; for an object, write {found.__name__}(…)"
            if isinstance(found, list) and any(isinstance(item, dict) for item in found):
                message += "; write one, without dashes and brackets"
            self.problem(type_node.mark, path, message)
            return None
        try:
            cls = registry.get(type_node.value)
        except NotInstalledError as error:
            self._lacking[type_node.mark.source, error.distribution].append(error.name)
            return None
        except PluginError as error:
            self.problem(type_node.mark, path, str(error))
            return None
        kept = node.replaced if isinstance(node, MapNode) and base is Layer else {}
        options = MapNode(entries, type_node.mark, kept)  # the type asks for missing options
        return self.options(cls, options, path, type_node.value, also={"type", *also})

    def options(
        self,
        cls: type[T],
        node: MapNode,
        path: str,
        noun: str,
        also: Collection[str] = (),
    ) -> T | None:
        """An object of `cls` with the options of a mapping; None if any of them is wrong.

        Messages call it `noun`. Keys in `also` are allowed but ignored.
        """
        known = {opt.name: opt for opt in options_of(cls)}
        valid = (*known, *also)
        meant = set()
        complete = True
        for key, entry in node.entries.items():
            if key not in known and key not in also:
                near = option_hint(key, valid, self.keys())
                self.problem(entry.mark, path, f"{noun} has no option {show(key)}{near}")
                meant.add(option_meant(key, valid) or option_near(key, valid))
                complete = False
        values: dict[str, Any] = {}
        for name, opt in known.items():
            child = node.get(name)
            if child is None and opt.required and name in node.replaced:
                child = node.replaced[name].node  # the old layer's kernel_size, say
            if opt.is_path and not (child or node).mark.is_local:
                if opt.required:
                    values[name] = () if is_list(opt.hint) else UNRECORDED
            elif child is not None and is_null(child) and type(None) in alternatives(opt.hint):
                values[name] = None
            elif child is not None and not is_null(child):
                place = f"{path}.{name}" if path else name
                values[name] = self.value(opt, child, place, _padding(node, opt))
            elif opt.required:
                complete = False
                if name not in meant:  # a misspelt name is one mistake, not two
                    message = f"{noun} needs the option '{name}' ({opt.expected})"
                    self.problem(node.mark, path, message)
        if not complete or _WRONG in values.values():
            return None
        try:
            return cls(**values)
        except OptionError as error:
            wrong = node.get(error.option) or node
            self.problem(wrong.mark, f"{path}.{error.option}".lstrip("."), error.problem)
        except Exception as error:  # a plugin's own checks may raise anything
            self.problem(node.mark, path, f"{noun} rejects these options: {cause(error)}")
        return None

    def value(self, opt: Option, node: Node, path: str, hint: str = "") -> Any:
        """One option's value; `_WRONG` if it is, with a hint at what may be meant."""
        base = plugin_base(opt.hint)
        if base is not None and is_list(opt.hint):
            if not isinstance(node, ListNode):
                found = show(plain(node))
                self.problem(node.mark, path, f"expected a list, found {found}; write [{found}]")
                return _WRONG
            items = [self.plugin(base, n, f"{path}.{i}") for i, n in enumerate(node.items)]
            return _WRONG if None in items else tuple(items)
        if base is not None:
            made = self.plugin(base, node, path)
            return _WRONG if made is None else made
        try:
            converted = opt.convert(plain(node))
            return self._located(converted, node, path) if opt.is_path else converted
        except OptionError as error:
            self.problem(node.mark, path, f"{error.problem}{hint or _meant(opt, plain(node))}")
            return _WRONG

    def _located(self, value: Any, node: Node, path: str) -> Any:
        """A path, or several, written relative to the spec's folder, as absolute ones."""
        if isinstance(value, tuple) and isinstance(node, ListNode):
            return tuple(self._located(v, n, path) for v, n in zip(value, node.items, strict=True))
        if not isinstance(value, Path):
            return value
        written = str(plain(node))
        try:
            found = user_path(value, node.mark.folder or Path()).resolve()
        except (InputError, OSError, RuntimeError, ValueError):  # unknown user, circular links
            self.problem(node.mark, path, f"expected a path, found {show(written)}")
            return _WRONG
        if _ESCAPED.search(written) or printable(found) != str(found):
            hint = f"; {IN_QUOTES}" if _ESCAPED.search(written) else ""
            self.problem(node.mark, path, f"expected a path, found {show(written)}{hint}")
            return _WRONG
        return found


_ESCAPED = re.compile(r"[\a\b\t\v\f\x1b]|^[A-Za-z]:[\n\r]")
r"""What is left of C:\temp or D:\new in double quotes."""
_SEVERAL = re.compile(r"[(\[]?\s*(\d+(?:\s*[x×*,]\s*\d+)+)\s*[)\]]?")
_DASHES = str.maketrans("–−", "--", "_ ")
_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def _meant(opt: Option, found: Any) -> str:
    """How the value that is meant is written, as a hint; empty if that cannot be told."""
    if not isinstance(found, str):
        alone = type(found) is int and get_origin(opt.hint) is tuple
        return f"; write [{found}]" if alone else ""
    if found.casefold() in _WORDS and bool in alternatives(opt.hint):
        return f"; write {_WORDS[found.casefold()]}"
    if found in ("None", "none") and type(None) in alternatives(opt.hint):
        return "; write null"
    if several := _SEVERAL.fullmatch(found):
        sizes = re.findall("[0-9]+", several[1])
        channels = ["1"] if opt.name == "input" and len(sizes) == 2 else []
        return f"; write [{', '.join(channels + sizes)}]"
    if re.fullmatch(r"\(\d*", found):
        return "; a list has square brackets: [5, 5]"
    if re.fullmatch(r"\d+(\.\d+)?%", found):
        return f"; write {float(found[:-1]) / 100:g}"
    number = found.translate(_DASHES)
    return f"; write {number}" if number != found and re.fullmatch(r"[-.e\d]+", number) else ""


def _padding(options: MapNode, opt: Option) -> str:
    """Which number is `padding: same` or `valid`, as a hint; empty if it is written otherwise."""
    node = options.get(opt.name) if opt.name == "padding" else None
    word = plain(node) if node else None
    if word in ("valid", "VALID"):
        return "; 'valid' is padding: 0"
    takes_it = any(get_origin(part) is Literal for part in alternatives(opt.hint))
    if word not in ("same", "SAME") or takes_it:
        return ""
    kernel, dilation = (options.get(key) for key in ("kernel_size", "dilation"))
    size, spread = plain(kernel) if kernel else None, plain(dilation) if dilation else 1
    if type(size) is not int or type(spread) is not int:
        return "; 'same' is half of kernel_size, rounded down, where kernel_size is odd"
    before, after = spread * (size - 1) // 2, (spread * (size - 1) + 1) // 2
    same = before if before == after else [[before, after], [before, after]]
    return f"; 'same' is padding: {show(same)} here, with stride 1"
