"""YAML as nodes that know their place.

Scalars follow YAML 1.2's core schema, because PyYAML's YAML 1.1 reads `1e-3` as a string, `no` as
False and `010` as 8. Tags, anchors, aliases, merge keys, repeated keys and second documents are
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import yaml

from lenetkit.errors import Problem, Problems, SpecError
from lenetkit.files.opening import KNOWN_KINDS, file_kind, open_regular, refusal
from lenetkit.text import printable
from lenetkit.values import show

MAX_BYTES = 100_000
MAX_VALUES = 10_000
MAX_DEPTH = 40
_OTHER_FILES = KNOWN_KINDS - {"UTF-16 text", "an empty file"}


_WIDE = {"：": ": ", "，": ",", "、": ",", "；": ";", "［": "[", "］": "]", "｛": "{", "｝": "}"}
_WIDE |= {"＃": "#", "\u3000": " ", "＂": '"', "＇": "'"}
_CURLED = {"“": '"', "”": '"', "‘": "'", "’": "'"}
_NO_SPACE = re.compile(
    r"(?:expected a mapping, found|has no option|found the key) '([\w-]+):(\S+)'"
)
_NO_SPACE_LINE = re.compile(r"(\s*(?:- )?([\w-]+)):([^\s:/\\]\S*)\s*")
_EQUALS = re.compile(r"(\s*(?:- )?)([\w-]+)\s*=\s*(\S.*)")
IN_QUOTES = (
    "in double quotes \\ begins an escape; write the path in single quotes, or with forward slashes"
)


def _wide(text: str) -> str:
    """Which characters of an East Asian keyboard or a word processor to replace; empty if none."""
    marks = [
        f"the full-width '{mark}' by '{plain}'" for mark, plain in _WIDE.items() if mark in text
    ]
    marks += [f"the curly {mark} by {plain}" for mark, plain in _CURLED.items() if mark in text]
    return f"replace {', '.join(marks)}" if marks else ""


def _slip(message: str) -> str:
    """What is wrong with the text that a message quotes, if that can be told."""
    hint = _wide(message)
    if not hint and (stuck := _NO_SPACE.search(message)):
        hint = f"write '{stuck[1]}: {stuck[2]}', with a space after the colon"
    if not hint:
        return ""
    return f" ({hint})" if message.endswith("?") else f"; {hint}"


@dataclass(frozen=True)
class Mark:
    """A place in a spec file (line and column count from 1), or a command-line option."""

    source: str
    line: int = 0
    column: int = 0
    folder: Path | None = None
    """The folder that relative paths written here start from."""
    has_lines: bool = True
    """False for an option: whatever its value holds is at the option."""
    is_local: bool = True
    """False in a model file, whose paths mean nothing on this computer."""
    is_change: bool = False
    """Whether it is an option or an override, which changes a spec."""

    def at(self, line: int, column: int) -> Mark:
        """A place in the same source."""
        return replace(self, line=line, column=column) if self.has_lines else self

    def after(self, text: str) -> Mark:
        """The place that follows the first `text` of the source, counted as PyYAML does."""
        lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text.replace("\ufeff", ""))
        return self.at(len(lines), len(lines[-1]) + 1)

    def problem(self, path: str, message: str) -> Problem:
        """A mistake here; a slip of the keyboard that the message quotes is named."""
        return Problem(self.source, path, message + _slip(message), self.line, self.column)

    def error(self, message: str, path: str = "", *, noted: Iterable[Problem] = ()) -> SpecError:
        """A mistake here that ends reading, with those noted before."""
        return SpecError([*noted, self.problem(path, message)])


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
    """A mapping with strings as keys, in order."""

    entries: dict[str, Entry]
    mark: Mark
    replaced: Mapping[str, Entry] = field(default_factory=dict)
    """The entries that it lost when its `type` changed."""

    def get(self, key: str) -> Node | None:
        """The value of a key; None if there is no such key."""
        entry = self.entries.get(key)
        return entry.node if entry else None


Node: TypeAlias = ScalarNode | ListNode | MapNode


def is_null(node: Node | None) -> TypeGuard[ScalarNode]:
    """Whether a value is written as null."""
    return isinstance(node, ScalarNode) and node.value is None


def plain(node: Node) -> Any:
    """The node as Python values, without places."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return {key: plain(entry.node) for key, entry in node.entries.items()}


def read_file(path: Path, problems: Problems) -> Node:
    """Read a YAML file as `read` does. Raises SpecError also for a file without text."""
    start = Mark(str(path), folder=path.parent)
    try:
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise start.error(refusal(error, "a spec file"), noted=problems) from None
    kind = file_kind(data)
    if kind in _OTHER_FILES:
        message = f"is {kind}; expected a spec file, which is YAML text in UTF-8"
        raise start.error(message, noted=problems)
    if len(data) > MAX_BYTES:
        raise start.error(f"is larger than {MAX_BYTES:,} bytes; a spec is short", noted=problems)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        mark = start.after(data[: error.start].decode("utf-8"))
        raise mark.error("is not UTF-8 from here on; save it as UTF-8", noted=problems) from None
    return read(text, start, problems)  # PyYAML skips a byte order mark


def parse(text: str, start: Mark) -> Node:
    """Read one YAML document; `start` names its source. Raises SpecError, all problems at once."""
    problems = Problems()
    node = read(text, start, problems)
    if problems:
        raise SpecError(problems)
    return node


_QUICK = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(
    text: str,
    start: Mark,
    problems: Problems,
    *,
    max_values: int = MAX_VALUES,
    quick: bool = False,
) -> Node:
    """Read one YAML document, noting in `problems` what is not allowed in a spec.

    `quick` uses libyaml where PyYAML has it: several times as fast, but its complaints are terse.
    Raises SpecError if the text is not YAML, too deeply nested or too large, so that reading cannot
    continue.
    """
    reader = _Reader(start, problems, max_values)
    try:
        return reader.document(yaml.parse(text, Loader=_QUICK if quick else yaml.SafeLoader))
    except yaml.reader.ReaderError as error:
        mark = start.after(text[: error.position])
        character = ord(text[error.position])
        message = f"the character U+{character:04X} is not allowed in a spec"
        if not character and error.position < 2 and start.has_lines:
            message += "; if this is UTF-16, save it as UTF-8"
    except yaml.MarkedYAMLError as error:
        mark, message = _diagnosis(error, text, start)
    raise mark.error(message, noted=problems)


def _diagnosis(error: yaml.MarkedYAMLError, text: str, start: Mark) -> tuple[Mark, str]:
    """Where text is not YAML, and why; if possible, at the slip that caused it."""
    place = error.problem_mark or error.context_mark
    if place is None:
        return start, f"not valid YAML: {_complaint(error)}"
    first = min(place.line - 1, error.context_mark.line if error.context_mark else place.line)
    lines = text.split("\n")[: place.line + 1]
    for number, line in enumerate(lines[max(first, 0) :], max(first, 0) + 1):
        code = line.partition(" #")[0]
        if _wide(code):
            at = min(code.find(mark) for mark in (*_WIDE, *_CURLED) if mark in code)
            return start.at(number, at + 1), f"not valid YAML: found {code[at]}"
        if stuck := _NO_SPACE_LINE.fullmatch(code):
            message = (
                f"not valid YAML: write '{stuck[2]}: {stuck[3]}', with a space after the colon"
            )
            return start.at(number, len(stuck[1]) + 1), message
        if equal := _EQUALS.fullmatch(code):
            message = f"not valid YAML: write '{equal[2]}: {equal[3]}'"
            return start.at(number, len(equal[1]) + 1), message
    return start.at(place.line + 1, place.column + 1), f"not valid YAML: {_complaint(error)}"


def _complaint(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML found wrong, and on which line the unfinished part starts."""
    problem, start = error.problem, error.context_mark
    if problem is None:
        return str(error.context)
    if "'\\t'" in problem:
        return "found a tab; indent with spaces"
    if problem == "mapping values are not allowed here":
        return f"{problem}; write options as {{type: …, option: …}}, or quote the colon"
    if problem.startswith("expected <block end>"):
        return "this line is not indented as those before it"
    if "escape" in problem and "double-quoted" in str(error.context):
        return f"{problem}; {IN_QUOTES}"
    problem = problem.replace("'<stream end>'", "the end of the text")
    if start is None or error.problem_mark is None or start.line == error.problem_mark.line:
        return problem
    return f"{problem} ({error.context} that starts on line {start.line + 1})"


@dataclass
class _Reader:
    """Builds nodes from PyYAML's events."""

    start: Mark
    problems: Problems
    max_values: int
    values: int = 0

    def mark(self, at: Any) -> Mark:
        return self.start.at(at.line + 1, at.column + 1)

    def problem(self, mark: Mark, message: str) -> None:
        self.problems.append(mark.problem("", message))

    def document(self, events: Iterator[Any]) -> Node:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    mark = self.mark(event.start_mark)
                    self.problem(mark, "a second document; a spec file holds one")
                    break
                root = self.node(next(events), events, 1)
        return root or ScalarNode(None, self.start)

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        mark = self.mark(event.start_mark)
        self.values += 1
        if depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} levels deep"
            raise mark.error(message, noted=self.problems)
        if self.values > self.max_values:
            message = f"more than {self.max_values:,} keys and values; a spec is short"
            raise mark.error(message, noted=self.problems)
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
                self.problem(key_node.mark, "merge keys (<<) are not allowed; use `extends`")
            elif not isinstance(key, str):
                halves = {type(plain(e.node)) for e in [*entries.values()][-1:]} | {type(key)}
                point = "; a decimal number has a point" if halves == {int} and entries else ""
                self.problem(key_node.mark, f"expected a name as key, found {show(key)}{point}")
            elif key in entries:
                line = entries[key].mark.line
                first = f" (first on line {line})" if line else ""
                self.problem(key_node.mark, f"duplicate key {show(key)}{first}")
            else:
                entries[key] = Entry(key_node.mark, value)
        return MapNode(entries, mark)

    def _refuse_yaml_extras(self, event: Any, mark: Mark) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.problem(mark, f"alias *{event.anchor}: not allowed in a spec; write the value out")
        elif event.anchor is not None:
            self.problem(mark, f"anchor &{event.anchor}: not allowed in a spec; use `extends`")
        tag = getattr(event, "tag", None)
        if tag is not None:
            tag = printable(tag.replace("tag:yaml.org,2002:", "!!"))
            self.problem(mark, f"tag {tag}: not allowed in a spec; write the value alone")

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Any:
        try:
            if not event.style and event.tag is None:  # libyaml: "" for a plain one
                return scalar(event.value)
            return _with_joined_surrogates(event.value)
        except ValueError as error:
            self.problem(mark, str(error))
            return event.value


def _with_joined_surrogates(text: str) -> str:
    """The text with surrogate pairs joined, as which JSON may write a character.

    Raises ValueError for half of such a pair.
    """
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        message = f"half of a surrogate pair in {show(text)}; write the character itself"
        raise ValueError(message) from None


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
