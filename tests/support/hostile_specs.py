"""Specs made to exhaust time or memory, each with the expected message.

Run as a program, it reads each from a file and prints as JSON the message and the peak memory in
bytes, or, because measuring memory takes time, the seconds it took:

python tests/support/hostile_specs.py [--seconds]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

from lenetkit.errors import SpecError
from lenetkit.network.plan import load_plan

HEAD = "lenetkit: 1\nname: a\ninput: [2]\n"
NET = f"{HEAD}layers: {{fc: {{type: linear, out_features: 2}}}}\n"


def _lines(count: int, line: str) -> str:
    return _many(count, f"{line}\n")


def _many(count: int, line: str) -> str:
    return "".join(line.replace("#", str(i)) for i in range(count))


def _bomb() -> str:
    """Nine levels of ten aliases each: a billion values if expanded."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    names = "abcdefghi"
    for old, new in pairwise(names):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]")
    return "\n".join(lines)


_CASES: list[tuple[str, str | bytes, str]] = [
    ("alias bomb", _bomb(), "alias *a: not allowed in a spec"),
    ("anchors", NET + _lines(5000, "k#: &a# 1"), "more than 100 mistakes; fix these"),
    ("tag", f"{NET}train: !!python/object/apply:os.system [exit]\n", "tag !!python/object"),
    ("tags", NET + _lines(5000, "k#: !x 1"), "more than 100 mistakes"),
    ("equal keys", f"{NET}name: b\n", "duplicate key 'name' (first on line 2)"),
    ("many equal keys", NET + "name: b\n" * 9000, "more than 100 mistakes"),
    ("merge key", f"{NET}train: {{<<: {{epochs: 1}}}}\n", "merge keys (<<) are not allowed"),
    ("NUL", f"{NET}train: {{epochs: \0}}\n", "the character U+0000 is not allowed in a spec"),
    ("escaped NUL", f'{NET}data: {{dir: "\\0"}}\n', "expected a path"),
    ("UTF-16", NET.encode("utf-16"), "is not UTF-8 from here on; save it as UTF-8"),
    ("UTF-16 without mark", NET.encode("utf-16-le"), "U+0000 is not allowed in a spec"),
    ("10,000 digits", f"{NET}train: {{epochs: {'9' * 10_000}}}\n", "a number of 10,000"),
    ("hexadecimal", f"{NET}train: {{epochs: 0x{'f' * 50_000}}}\n", "a number of 50,002"),
    ("digits after a point", f"{NET}train: {{seed: .{'1' * 90_000}}}\n", "a number of 90,001"),
    ("infinity", f"{NET}train: {{optimizer: {{type: sgd, lr: .inf}}}}\n", "found .inf"),
    ("not a number", f"{NET}train: {{optimizer: {{type: sgd, lr: .nan}}}}\n", "found .nan"),
    ("beyond any float", f"{NET}train: {{optimizer: {{type: sgd, lr: 1e999}}}}\n", "1e999"),
    ("deep lists", "[" * 90_000, "nested more than 40 levels deep"),
    ("deep mappings", "{a: " * 24_000, "nested more than 40 levels deep"),
    ("deep blocks", "- " * 45_000, "nested more than 40 levels deep"),
    ("deep indents", "".join(" " * i + "a:\n" for i in range(400)), "nested more than 40"),
    ("deep keys", "? " * 5_000, "nested more than 40 levels deep"),
    ("many values", f"{NET}data: [{'a,' * 49_000}]", "more than 10,000 keys and values"),
    ("many keys", HEAD + _lines(9_000, "k#: 1"), "more than 10,000 keys and values"),
    ("many layers", f"{HEAD}layers:\n{_lines(4_000, '  l#: relu')}", "at most 1,000 layers"),
    (
        "many unknown layers",
        f"{HEAD}layers:\n{_lines(1_000, '  l#: rela#')}",
        "no layer is registered as 'rela0'",
    ),
    (
        "many unknown options",
        f"{HEAD}layers: {{a: {{type: conv2d{_many(3_000, ', kernel_siz#: 1')}}}}}",
        "conv2d has no option 'kernel_siz0'; did you mean 'kernel_size'?",
    ),
    ("long name", f"{HEAD}layers: {{{'k' * 1_000}: relu}}", "at most 100 characters"),
    ("long model name", HEAD.replace("name: a", f"name: {'k' * 90_000}"), "at most 100 char"),
    ("long type", f"{HEAD}layers: {{a: {'conv' * 20_000}}}", "no layer is registered as"),
    ("long text", NET + f"data: {{dir: {'x' * 90_000}}}\nname: 1", "duplicate key"),
    ("long key", "k" * 90_000 + ": 1", "not valid YAML: mapping values are not allowed here"),
    ("escapes", NET + 'loss: "' + "\\n" * 45_000 + '"', "no loss is registered as"),
    ("comment", f"{HEAD}#{'#' * 99_000}", "expected a mapping of names to layers"),
    ("blank lines", HEAD + "\n" * 99_000, "expected a mapping of names to layers"),
    ("too large", NET + "#" * 100_000, "is larger than 100,000 bytes; a spec is short"),
    ("huge sizes", f"{HEAD}layers: {{a: {{type: linear, out_features: {'9' * 99}}}}}\n", ""),
    ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(90_000), "is a PNG picture; expected a spec"),
    ("a page", b"<!DOCTYPE html>\n<html>" * 4_000, "is an HTML page; expected a spec file"),
    ("a pickle", b"\x80\x04\x95\x10\0\0\0\0\0\0\0}", "is a Python pickle; expected a spec"),
]
CASES = {
    name: (content.encode() if isinstance(content, str) else content, said)
    for name, content, said in _CASES
}
"""Name → content of the file, and part of the message; empty if the spec is valid."""


def chain() -> dict[str, tuple[bytes, str]]:
    """Files that extend one another; the first has all others as its bases."""
    layers = _lines(700, "  l#: relu")
    base = f"{HEAD}layers:\n{layers}"
    renamed = f"extends: base.yaml\nlayers:\n{_lines(700, '  k#: null')}"
    placed = f"extends: base.yaml\nlayers:\n{_lines(700, '  k#: {type: relu, after: l0}')}"
    fat = f"extends: fat-#.yaml\ntrain: {{epochs: 1}}\n{'#' * 30_000}\n"
    files = {f"fat-{i}.yaml": fat.replace("#", str(i + 1), 1) for i in range(9)}
    files |= {"fat-9.yaml": NET, "base.yaml": base, "renamed.yaml": renamed, "placed.yaml": placed}
    said = {
        "fat-0.yaml": "a chain of more than 100,000 bytes",
        "renamed.yaml": "no such layer to remove; valid: l0, l1, l10",
        "placed.yaml": "expected at most 1,000 layers, found 1,400",
    }
    return {name: (text.encode(), said.get(name, "-")) for name, text in files.items()}


def said_of(path: Path) -> str:
    """The message about a spec; empty if it is valid."""
    try:
        load_plan(path)
    except SpecError as error:
        return str(error)
    return ""


def _seconds(path: Path) -> dict[str, Any]:
    begin = time.perf_counter()
    said = said_of(path)
    return {"seconds": round(time.perf_counter() - begin, 3), "said": said}


def _bytes(path: Path) -> dict[str, Any]:
    tracemalloc.start()
    said = said_of(path)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"bytes": memory, "said": said}


def main() -> None:
    """Read each and print the outcome."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        contents = {name: content for name, (content, _) in CASES.items()}
        (folder / "right.yaml").write_text(NET, "utf-8")
        said_of(folder / "right.yaml")  # imports everything needed
        for name, (content, _) in chain().items():
            (folder / name).write_bytes(content)
            contents[name] = content
        found = {}
        for name, content in contents.items():
            path = folder / name
            path.write_bytes(content)
            measure = _seconds if "--seconds" in sys.argv else _bytes
            found[name] = measure(path)
    sys.stdout.write(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
