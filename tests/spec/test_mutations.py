"""Property tests: any change to a spec's text gives a plan or a SpecError with a place.

The variable LENETKIT_FUZZ sets how many examples each test tries; ten thousand take ten minutes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lenetkit.errors import SpecError
from lenetkit.network.plan import Plan, load_plan, plan_text
from lenetkit.spec.merge import Override
from lenetkit.spec.shipped import shipped_specs

EXAMPLES = int(os.environ.get("LENETKIT_FUZZ", "150"))
fuzz = settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])

EVERYTHING = """\
lenetkit: 1
name: everything
input: [1, 28, 28]
layers:
  conv1: {type: conv2d, out_channels: 6, kernel_size: [5, 3], padding: 1, bias: false}
  norm: {type: batch_norm2d, eps: 1e-5, num_features: 6}
  pool1:
    type: avg_pool2d
    kernel_size: 2
  act: {type: leaky_relu, negative_slope: .1}
  drop: {type: dropout, p: 0.5}
  flat: flatten
  fc: {type: linear, out_features: 10, weight_init: {type: normal, std: 0.1}}
init: {type: constant, value: 0x1}
loss: "mean_squared_error"
data:
  type: idx
  title: 'Some ''digits'''
  classes: [a, "b\\n", '3']
  dir: ~/digits
  transforms:
    - {type: pad, padding: [2, 2]}
    - scale
    - one_hot
train: {epochs: 3, optimizer: {type: sgd, momentum: 0.9}, schedule: {type: step, step_size: 2}}
"""

TEXTS = [EVERYTHING, shipped_specs()["lenet5"].read_text("utf-8")]

TOKENS = [
    *("null", "~", "true", "no", "0", "-1", "1", "2", "1e3", ".5", "1e400", ".inf", ".nan", "0x1F"),
    *("9" * 90, "9" * 200, "''", "'", '"', '"\\ud83d"', '"\\0"', "[", "]", "{", "}", "[]", "{}"),
    *(":", ": ", "- ", "? ", ",", "#", " #", "&a ", "*a", "<<: ", "!x ", "!!int ", "|", ">", "%"),
    *("---\n", "...\n", "\n", "\r\n", "\r", "\t", " ", "  ", "\ufeff", "\x00", "\x1b", "\x85"),
    *("\u2028", "é", "手", "🙂", "\ud800", "@", "`", "\\", "[[[[", "type: ", "after: "),
    *(
        "{a: {a: {a: ",
        "extends: lenet5\n",
        "relu",
        "conv2d",
        "kernel_size",
        "a.b",
        "input",
        "/",
        "~x/",
    ),
]


@dataclass(frozen=True)
class Change:
    """What is done to which two pieces of a text (modulo their number), and with which token."""

    what: str
    grain: str
    place: int
    other: int
    token: str


changes = st.builds(
    Change,
    what=st.sampled_from(["drop", "double", "replace", "insert", "swap", "cut"]),
    grain=st.sampled_from(["characters", "tokens", "lines"]),
    place=st.integers(0, 10**6),
    other=st.integers(0, 10**6),
    token=st.sampled_from(TOKENS) | st.text(max_size=3),
)


def changed(text: str, change: Change) -> str:
    """The text with one change."""
    pieces = {
        "characters": list(text),
        "tokens": re.findall(r"\w+|\s+|[^\w\s]", text),
        "lines": text.splitlines(keepends=True),
    }[change.grain]
    if not pieces:
        return change.token
    i, j = change.place % len(pieces), change.other % len(pieces)
    if change.what == "drop":
        del pieces[i]
    elif change.what == "double":
        pieces.insert(j, pieces[i])
    elif change.what == "replace":
        pieces[i] = change.token
    elif change.what == "insert":
        pieces.insert(i, change.token)
    elif change.what == "swap":
        pieces[i], pieces[j] = pieces[j], pieces[i]
    else:
        pieces = pieces[:i]
    return "".join(pieces)


def check_problems(error: SpecError, text: str, name: str) -> None:
    """Each problem has a message, and a line and column within the text."""
    assert error.problems
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text.replace("\ufeff", ""))
    for problem in error.problems:
        assert problem.message
        assert problem.source == name
        assert (problem.line > 0) == (problem.column > 0)
        if problem.line:
            assert problem.line <= len(lines)
            assert problem.column <= len(lines[problem.line - 1]) + 1, str(problem)
        else:
            assert "found nothing" in problem.message or "is larger" in problem.message
        assert str(problem).startswith(problem.where)
    assert len(set(error.problems)) == len(error.problems), "one mistake, one problem"


@fuzz
@given(st.sampled_from(TEXTS), st.lists(changes, min_size=1, max_size=4))
def test_a_changed_spec_is_a_plan_or_a_spec_error(text: str, todo: list[Change]) -> None:
    for change in todo:
        text = changed(text, change)
    try:
        plan = plan_text(text, "spec.yaml")
    except SpecError as error:
        check_problems(error, text, "spec.yaml")
        str(error).encode()  # can be printed and written
        return
    assert isinstance(plan, Plan)
    again = plan_text(plan.to_yaml(), "dump")
    assert again == plan


CHILD = """\
lenetkit: 1
name: child
extends: lenet5
layers:
  relu1: sigmoid
  pool1: {stride: 1}
  conv2: {type: conv2d, out_channels: 8, kernel_size: 3}
  new: {type: dropout, after: relu3}
  relu4: null
data: {transforms: [scale], fallback: null, dir: digits}
train: {optimizer: {type: sgd}, schedule: {pct_start: 0.5}, seed: 3}
"""


@fuzz
@given(todo=st.lists(changes, min_size=1, max_size=4))
def test_a_changed_spec_that_extends_is_a_plan_or_a_spec_error(
    tmp_path_factory: pytest.TempPathFactory, todo: list[Change]
) -> None:
    text = CHILD
    for change in todo:
        text = changed(text, change)
    path = tmp_path_factory.getbasetemp() / "child.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        plan = load_plan(path)
    except SpecError as error:
        check_origins(error, {str(path)})
        return
    assert plan_text(plan.to_yaml(), "dump") == plan


@fuzz
@given(st.lists(st.sampled_from(TOKENS), max_size=12).map("".join) | st.text(max_size=30))
def test_any_text_is_a_spec_error(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan_text(text, "spec.yaml")
    check_problems(caught.value, text, "spec.yaml")


KEYS = ["layers", "conv1", "relu1", "new", "type", "kernel_size", "data", "transforms", "0", "9"]
KEYS += ["train", "optimizer", "lr", "epochs", "input", "name", "extends", "after", "fallback"]
VALUES = ["relu", "tanh", "{type: relu, after: conv1}", "{after: 3}", "[1, 32, 32]", "[scale]"]
VALUES += ["{type: conv2d, out_channels: 2, kernel_size: 2}", "null", "{a: 1}", "", "[[]]"]


@fuzz
@given(
    st.lists(
        st.builds(
            "{}={}".format,
            st.lists(st.sampled_from(KEYS) | st.text(max_size=2), max_size=4).map(".".join),
            st.sampled_from(VALUES) | st.sampled_from(TOKENS),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_overrides_are_a_plan_or_a_spec_error(sets: list[str]) -> None:
    try:
        plan = load_plan("lenet5", [Override.from_text(text) for text in sets])
    except SpecError as error:
        check_origins(error, {f"--set {text}" for text in sets})
        return
    assert plan_text(plan.to_yaml(), "dump") == plan


def check_origins(error: SpecError, origins: set[str]) -> None:
    """Each problem has a message, and names one of these or the shipped spec's file."""
    assert error.problems
    assert {p.source for p in error.problems} <= origins | {str(shipped_specs()["lenet5"])}
    assert all(problem.message for problem in error.problems)


@fuzz
@given(
    content=st.binary(max_size=60) | st.sampled_from(TEXTS).map(lambda text: text.encode("utf-16"))
)
def test_any_bytes_are_a_spec_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-bytes.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_plan(path)
    assert all(problem.source == str(path) for problem in caught.value.problems)
