"""YAML as nodes that remember where they stand.

The scalar rules are YAML 1.2's core schema, because PyYAML's 1.1 rules read `1e-3` as text, `no`
as False and `010` as 8. Tags, anchors, aliases, merge keys, equal keys and further documents are
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from lenetkit.errors import Problem, Problems, SpecError
from lenetkit.files.opening import KNOWN_KINDS, file_kind, open_regular, refusal
from lenetkit.values import show

MAX_BYTES = 100_000
MAX_VALUES = 10_000
MAX_DEPTH = 40
_OTHER_FILES = KNOWN_KINDS - {"UTF-16 text", "an empty file"}


@dataclass(frozen=True)
class Mark:
    """A place in a spec file (line and column count from 1), or an option of the command line."""

    source: str
    line: int = 0
    column: int = 0
    folder: Path | None = None
    """Where relative paths written here start from."""

    def problem(self, path: str, message: str) -> Problem:
        """A mistake that stands here."""
        return Problem(self.source, path, message, self.line, self.column)


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


def read_file(path: Path, problems: Problems) -> Node:
    """Read a YAML file as `read` does. Raises SpecError also where there is no text to read."""
    start = Mark(str(path), folder=path.parent)

    def refused(message: str, line: int = 0, column: int = 0) -> SpecError:
        return SpecError([*problems, replace(start, line=line, column=column).problem("", message)])

    try:
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise refused(refusal(error, "a spec file")) from None
    kind = file_kind(data)
    if kind in _OTHER_FILES:
        raise refused(f"is {kind}; expected a spec file, which is YAML text in UTF-8")
    if len(data) > MAX_BYTES:
        raise refused(f"is larger than {MAX_BYTES:,} bytes; a spec is a short text")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode("utf-8"))
        raise refused("is not UTF-8 text from here on; save it as UTF-8", line, column) from None
    return read(text, start, problems)  # PyYAML skips a byte order mark


def parse(text: str, start: Mark) -> Node:
    """Read one YAML document; `start` names its source. Raises SpecError, all problems at once."""
    problems = Problems()
    node = read(text, start, problems)
    if problems:
        raise SpecError(problems)
    return node


def read(text: str, start: Mark, problems: Problems, *, most_values: int = MAX_VALUES) -> Node:
    """Read one YAML document, noting in `problems` what a spec may not hold.

    Raises SpecError where the text is not YAML, too deep or too large, so that there is nothing
    to go on with.
    """
    reader = _Reader(start, problems, most_values)
    try:
        return reader.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.reader.ReaderError as error:
        line, column = _place(text[: error.position])
        mark = replace(start, line=line, column=column)
        message = f"the character U+{ord(text[error.position]):04X} cannot stand in a spec"
        raise SpecError([*problems, mark.problem("", message)]) from None
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = reader.mark(place) if place else start
        message = f"not valid YAML: {_complaint(error)}"
        raise SpecError([*problems, mark.problem("", message)]) from None


def _place(before: str) -> tuple[int, int]:
    """Line and column of what follows a text, as PyYAML counts them."""
    lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", before.replace("\ufeff", ""))
    return len(lines), len(lines[-1]) + 1


def _complaint(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML found wrong, in words, with the place where the unfinished part begins."""
    problem, began = error.problem, error.context_mark
    if problem is None:
        return str(error.context)
    if "'\\t'" in problem:
        return "a tab stands where a value or key is expected; indent with spaces"
    problem = problem.replace("'<stream end>'", "the end of the text")
    if began is None or error.problem_mark is None or began.line == error.problem_mark.line:
        return problem
    return f"{problem} ({error.context} that begins in line {began.line + 1})"


@dataclass
class _Reader:
    """Builds nodes from PyYAML's events."""

    start: Mark
    problems: Problems
    most_values: int
    values: int = 0

    def mark(self, at: Any) -> Mark:
        return replace(self.start, line=at.line + 1, column=at.column + 1)

    def problem(self, mark: Mark, message: str) -> None:
        self.problems.append(mark.problem("", message))

    def document(self, events: Iterator[Any]) -> Node:
        root: Node = ScalarNode(None, self.start)
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
            raise SpecError([*self.problems, mark.problem("", message)])
        self.values += 1
        if self.values > self.most_values:
            message = f"more than {self.most_values:,} keys and values; a spec is a short text"
            raise SpecError([*self.problems, mark.problem("", message)])
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
        return ScalarNode(f"*{event.anchor}", mark)  # an alias, refused above

    def _mapping(self, events: Iterator[Any], depth: int, mark: Mark) -> MapNode:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key_node = self.node(event, events, depth + 1)
            value = self.node(next(events), events, depth + 1)
            key = plain(key_node)
            if key == "<<":
                self.problem(key_node.mark, "merge key <<: a spec has none; use `extends`")
            elif not isinstance(key, str):
                self.problem(key_node.mark, f"expected a name as key, found {show(key)}")
            elif key in entries:
                first = entries[key].mark.line
                self.problem(
                    key_node.mark, f"{show(key)} stands here a second time (first: line {first})"
                )
            else:
                entries[key] = Entry(key_node.mark, value)
        return MapNode(entries, mark)

    def _refuse_yaml_extras(self, event: Any, mark: Mark) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.problem(mark, f"alias *{event.anchor}: a spec has no aliases; write the value out")
        elif event.anchor is not None:
            self.problem(mark, f"anchor &{event.anchor}: a spec has no anchors; use `extends`")
        tag = getattr(event, "tag", None)
        if tag is not None:
            tag = tag.replace("tag:yaml.org,2002:", "!!")
            self.problem(mark, f"tag {tag}: a spec has no tags; write the value alone")

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Any:
        if event.style is not None or event.tag is not None:
            return self._joined(event.value, mark)
        try:
            return scalar(event.value)
        except ValueError as error:
            self.problem(mark, str(error))
            return event.value

    def _joined(self, text: str, mark: Mark) -> str:
        """The text with the halves of characters joined that JSON writes as \\ud83d\\ude42."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.problem(mark, f"half of a character in {show(text)}; write the character itself")
            return text


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
