"""YAML as nodes that remember where they stand.

The scalar rules are YAML 1.2's core schema, because PyYAML's 1.1 rules read `1e-3` as text, `no`
as False and `010` as 8. Tags, anchors, aliases, equal keys and further documents are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from lenetkit.errors import Problem, SpecError
from lenetkit.options import show

MAX_BYTES = 1_000_000
MAX_DEPTH = 40


@dataclass(frozen=True)
class Mark:
    """A place in a spec file (line and column count from 1), or an option of the command line."""

    source: str
    line: int = 0
    column: int = 0
    folder: Path | None = None
    """Where relative paths written here start from."""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True)
class ScalarNode:
    """A single value: None, a bool, an int, a float or a str."""

    value: Any
    mark: Mark


@dataclass(frozen=True)
class ListNode:
    """A sequence."""

    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True)
class Entry:
    """One key of a mapping with its value."""

    mark: Mark
    node: Node


@dataclass(frozen=True)
class MapNode:
    """A mapping with text keys, in order."""

    entries: dict[str, Entry]
    mark: Mark

    def get(self, key: str) -> Node | None:
        """The value of a key, None where there is no such key."""
        entry = self.entries.get(key)
        return entry.node if entry else None


Node: TypeAlias = ScalarNode | ListNode | MapNode


def plain(node: Node) -> Any:
    """The node as Python values, without positions."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return {key: plain(entry.node) for key, entry in node.entries.items()}


def parse_file(path: Path) -> Node:
    """Read a YAML file. Raises SpecError where it cannot be read or is not a plain document."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpecError([Problem(str(path), "", "no such file")]) from None
    except IsADirectoryError:
        message = "is a folder; expected a spec file"
        raise SpecError([Problem(str(path), "", message)]) from None
    except OSError as error:
        raise SpecError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None
    if len(data) > MAX_BYTES:
        message = f"{len(data):,} bytes; a spec has at most {MAX_BYTES:,}"
        raise SpecError([Problem(str(path), "", message)])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise SpecError([Problem(str(path), "", message)]) from None
    return parse(text, Mark(str(path), folder=path.parent))


def parse(text: str, start: Mark) -> Node:
    """Read one YAML document; `start` names its source. Raises SpecError, all problems at once."""
    reader = _Reader(start)
    try:
        node = reader.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = reader.mark(place) if place else start
        reader.problem(mark, f"not valid YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        reader.problem(start, f"not valid YAML: {' '.join(str(error).split())}")
    if reader.problems:
        raise SpecError(reader.problems)
    return node


@dataclass
class _Reader:
    """Builds nodes from PyYAML's events."""

    start: Mark
    problems: list[Problem] = field(default_factory=list)

    def mark(self, at: Any) -> Mark:
        return Mark(self.start.source, at.line + 1, at.column + 1, self.start.folder)

    def problem(self, mark: Mark, message: str) -> None:
        self.problems.append(Problem(str(mark), "", message))

    def document(self, events: Iterator[Any]) -> Node:
        root: Node = MapNode({}, self.start)
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.problem(
                        self.mark(event.start_mark), "a second document; a spec file holds one"
                    )
                    break
                root = self.node(next(events), events, 1)
        return root

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        mark = self.mark(event.start_mark)
        if depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} levels deep"
            raise SpecError([*self.problems, Problem(str(mark), "", message)])
        self._refuse_yaml_extras(event, mark)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self.node(event, events, depth + 1))
            return ListNode(tuple(items), mark)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, depth, mark)
        if isinstance(event, yaml.ScalarEvent):
            return ScalarNode(self._scalar(event, mark), mark)
        return ScalarNode(None, mark)  # an alias, refused above

    def _mapping(self, events: Iterator[Any], depth: int, mark: Mark) -> MapNode:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key_node = self.node(event, events, depth + 1)
            value = self.node(next(events), events, depth + 1)
            key = plain(key_node)
            if not isinstance(key, str):
                self.problem(key_node.mark, f"expected a name as key, found {show(key)}")
            elif key in entries:
                first = entries[key].mark.line
                self.problem(
                    key_node.mark, f"'{key}' stands here a second time (first: line {first})"
                )
            else:
                entries[key] = Entry(key_node.mark, value)
        return MapNode(entries, mark)

    def _refuse_yaml_extras(self, event: Any, mark: Mark) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.problem(mark, f"alias *{event.anchor}: a spec has no aliases; write the value out")
        elif event.anchor is not None:
            self.problem(mark, f"anchor &{event.anchor}: a spec has no anchors; use `extends`")
        if getattr(event, "tag", None) is not None:
            self.problem(mark, f"tag {event.tag}: a spec has no tags; write the value alone")

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Any:
        if event.style is not None or event.tag is not None:
            return event.value
        try:
            return scalar(event.value)
        except ValueError as error:
            self.problem(mark, str(error))
            return None


_INT = re.compile(r"[-+]?[0-9]+")
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_DIGITS = 100


def scalar(text: str) -> Any:
    """A plain scalar by YAML 1.2's core schema, section 10.3.2.

    Raises ValueError for infinity, not-a-number and numbers of more than 100 digits.
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS and (_FLOAT.fullmatch(text) or _PREFIXED.fullmatch(text)):
        raise ValueError(f"a number of {len(text):,} characters; expected at most {_MAX_DIGITS}")
    if _INT.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    if _NOT_FINITE.fullmatch(text) or (_FLOAT.fullmatch(text) and abs(float(text)) == float("inf")):
        raise ValueError(f"expected a finite number, found {text}")
    return float(text) if _FLOAT.fullmatch(text) else text
