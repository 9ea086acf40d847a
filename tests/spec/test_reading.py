"""Reading YAML: what a spec may not hold, and the place and reason of each refusal."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from lenetkit.errors import SpecError
from lenetkit.network.plan import load_plan
from lenetkit.spec.nodes import MAX_BYTES, MAX_DEPTH, MapNode, Mark, parse, plain

SPEC = """\
lenetkit: 1
name: tiny
input: [1, 4, 4]
layers:
  fc: {type: linear, out_features: 3}
"""


def refusal(text: str) -> list[str]:
    """Every problem found in the text, as printed."""
    with pytest.raises(SpecError) as caught:
        parse(text, Mark("spec.yaml"))
    return str(caught.value).splitlines()


def file_refusal(path: Path, content: bytes) -> str:
    """The message for a file with these bytes, without the folder."""
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_plan(path)
    return str(caught.value).replace(str(path), path.name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "spec.yaml:2:1: duplicate key 'name' (first on line 1)"),
        (
            "a: {b: 1, b: 2}\n",
            "spec.yaml:1:11: duplicate key 'b' (first on line 1)",
        ),
        ("a: &x 1\n", "spec.yaml:1:4: anchor &x: not allowed in a spec; use `extends`"),
        ("a: *x\n", "spec.yaml:1:4: alias *x: not allowed in a spec; write the value out"),
        ("*x : 1\n", "spec.yaml:1:1: alias *x: not allowed in a spec; write the value out"),
        ("a: {<<: {}}\n", "spec.yaml:1:5: merge keys (<<) are not allowed; use `extends`"),
        (
            "a: !!python/object:os.system [x]\n",
            "spec.yaml:1:4: tag !!python/object:os.system: not allowed in a spec; "
            "write the value alone",
        ),
        ("a: !foo 3\n", "spec.yaml:1:4: tag !foo: not allowed in a spec; write the value alone"),
        ("a: !!str 3\n", "spec.yaml:1:4: tag !!str: not allowed in a spec; write the value alone"),
        ("a: 1\n---\nb: 1\n", "spec.yaml:2:1: a second document; a spec file holds one"),
        ("3: x\n", "spec.yaml:1:1: expected a name as key, found 3"),
        ("true: x\n", "spec.yaml:1:1: expected a name as key, found true"),
        ("~: x\n", "spec.yaml:1:1: expected a name as key, found null"),
        ("a:\n  [1, 2]: x\n", "spec.yaml:2:3: expected a name as key, found [1, 2]"),
        ("{a: 1}: x\n", "spec.yaml:1:1: expected a name as key, found a mapping"),
        ("a: b\0\n", "spec.yaml:1:5: the character U+0000 is not allowed in a spec"),
        ("a: 1\nb: é\x1b[31m\n", "spec.yaml:2:5: the character U+001B is not allowed in a spec"),
        ("a: \ud800", "spec.yaml:1:4: the character U+D800 is not allowed in a spec"),
        (
            'a: "\\ud83d"\n',
            r"spec.yaml:1:4: half of a surrogate pair in '\ud83d'; write the character itself",
        ),
        (
            "a:\n\tb: 1\n",
            "spec.yaml:2:1: not valid YAML: found a tab; indent with spaces",
        ),
        (
            "a: b: c\n",
            "spec.yaml:1:5: not valid YAML: mapping values are not allowed here; "
            "write options as {type: …, option: …}, or quote the colon",
        ),
        (
            "a: {b: 1\nc: 2",
            "spec.yaml:2:2: not valid YAML: expected ',' or '}', but got ':' "
            "(while parsing a flow mapping that starts on line 1)",
        ),
        (
            "a: [1, 2\n",
            "spec.yaml:2:1: not valid YAML: expected ',' or ']', but got the end of the text "
            "(while parsing a flow sequence that starts on line 1)",
        ),
        (
            "a: 'b\n",
            "spec.yaml:2:1: not valid YAML: found unexpected end of stream "
            "(while scanning a quoted scalar that starts on line 1)",
        ),
        ("%YAML 9.9\n---\na: 1\n", None),
        ("a: @b\n", None),
        ("a: !e!foo b\n", None),
        ("? a\n? b\n: : c\n- d\n", None),
    ],
)
def test_refusals_have_place_and_reason(text: str, message: str | None) -> None:
    found = refusal(text)
    assert len(found) == 1
    if message is None:
        assert found[0].startswith("spec.yaml:")
        assert "not valid YAML" in found[0]
    else:
        assert found[0] == message


def test_all_refusals_are_reported_at_once_in_order() -> None:
    text = "a: &x 1\nb: *x\nc: !t 1\nd: .inf\na: 2\n5: 1\n<<: 1\n"
    assert [line.split(":")[1] for line in refusal(text)] == ["1", "2", "3", "4", "5", "6", "7"]


def test_refusals_before_a_syntax_error_are_kept() -> None:
    first, second = refusal("a: &x 1\nb: ]\n")
    assert first.startswith("spec.yaml:1:4: anchor")
    assert second.startswith("spec.yaml:2:4: not valid YAML")


def test_aliases_are_not_expanded() -> None:
    """Nine levels of ten aliases each would be a billion values."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in pairwise("abcdefghi")]
    assert len(refusal("\n".join(lines))) == 9 + 80


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_nesting_too_deep_is_refused(opening: str) -> None:
    (message,) = refusal(opening * 100_000 if opening != "? " else opening * 5_000)
    assert message.endswith(f"nested more than {MAX_DEPTH} levels deep")


def test_nesting_up_to_the_limit_is_read() -> None:
    depth = MAX_DEPTH - 1
    assert str(plain(parse("[" * depth + "1" + "]" * depth, Mark("s")))).count("[") == depth


def test_lines_and_columns_count_characters_from_one() -> None:
    node = parse("a: 1\nbé: {c: x}\n", Mark("spec.yaml"))
    assert isinstance(node, MapNode)
    entry = node.entries["bé"]
    assert (entry.mark.line, entry.mark.column) == (2, 1)
    assert (entry.node.mark.line, entry.node.mark.column) == (2, 5)


def test_windows_line_ends_count_once() -> None:
    node = parse("a: 1\r\nb: 2\r\n", Mark("spec.yaml"))
    assert isinstance(node, MapNode)
    assert (node.entries["b"].mark.line, node.entries["b"].mark.column) == (2, 1)


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SPEC.encode())
    assert load_plan(path).spec.name == "tiny"


def test_byte_order_mark_does_not_move_columns(tmp_path: Path) -> None:
    found = file_refusal(tmp_path / "spec.yaml", b"\xef\xbb\xbflenetkit: x\n")
    assert "spec.yaml:1:11: lenetkit: expected an integer, found 'x'" in found
    found = file_refusal(tmp_path / "spec.yaml", b"\xef\xbb\xbfa\0")
    assert found == "spec.yaml:1:2: the character U+0000 is not allowed in a spec"
    found = file_refusal(tmp_path / "spec.yaml", b"\xef\xbb\xbfa\xff")
    assert found.startswith("spec.yaml:1:2: is not UTF-8")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_unicode_encodings_are_refused(tmp_path: Path, encoding: str) -> None:
    found = file_refusal(tmp_path / "spec.yaml", SPEC.encode(encoding))
    assert found.startswith("spec.yaml:1:")
    assert "UTF-8" in found or "U+0000" in found


def test_invalid_utf8_is_refused_at_its_place(tmp_path: Path) -> None:
    content = SPEC.replace("tiny", "Größe").encode("latin-1")
    assert file_refusal(tmp_path / "spec.yaml", content) == (
        "spec.yaml:2:9: is not UTF-8 from here on; save it as UTF-8"
    )


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n", "---\n", "~\n", "{}\n", "[]\n"])
def test_files_without_content_are_refused(tmp_path: Path, content: str) -> None:
    found = file_refusal(tmp_path / "spec.yaml", content.encode())
    assert found.endswith(
        ": expected a mapping with the keys lenetkit, name, input and layers, found nothing"
    )


@pytest.mark.parametrize(
    ("content", "found"), [("- a\n- b\n", "['a', 'b']"), ("hello\n", "'hello'"), ("3\n", "3")]
)
def test_a_spec_is_a_mapping(tmp_path: Path, content: str, found: str) -> None:
    assert file_refusal(tmp_path / "spec.yaml", content.encode()) == (
        "spec.yaml:1:1: expected a mapping with the keys lenetkit, name, input and layers, "
        f"found {found}"
    )


def test_too_large_files_are_refused_unread(tmp_path: Path) -> None:
    found = file_refusal(tmp_path / "spec.yaml", b"#" * (MAX_BYTES + 1))
    assert found == "spec.yaml: is larger than 100,000 bytes; a spec is short"


def test_files_up_to_the_limit_are_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(SPEC.encode() + b"#" * (MAX_BYTES - len(SPEC)))
    assert load_plan(path).spec.name == "tiny"


def test_a_folder_is_not_a_spec(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_plan(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a folder; expected a spec file"


def test_missing_file_suggests_a_similar_one(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SPEC)
    path = tmp_path / "mien.yaml"
    with pytest.raises(SpecError) as caught:
        load_plan(path)
    assert str(caught.value) == f"{path}: no such spec file; did you mean 'mine.yaml'?"


def test_missing_bare_name_suggests_a_shipped_spec() -> None:
    with pytest.raises(SpecError) as caught:
        load_plan("lenet")
    assert str(caught.value) == "lenet: no such spec file; did you mean 'lenet5'?"


def test_missing_file_lists_the_shipped_specs_if_none_is_similar(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_plan(tmp_path / "xyz")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'xyz'}: no such spec file; shipped specs: ")
    assert "lenet5" in message


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-of-that-name/x.yaml", "a\0b", "\udcff", ""])
def test_impossible_file_names_are_refused(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_plan(name)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("name", ["lenet5", "lenet5.yaml"])
def test_shipped_specs_are_found_by_bare_name(name: str) -> None:
    assert load_plan(name).spec.name == "lenet5"


def test_a_file_in_the_current_folder_takes_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lenet5.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    assert load_plan("lenet5.yaml").spec.name == "tiny"
