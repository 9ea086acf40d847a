"""Tables in real terminals: narrow ones, and characters that take two columns or none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth

from lenetkit.cli.output import table
from lenetkit.model.model import Model
from lenetkit.training.evaluation import Evaluation
from lenetkit.training.loop import EpochDone
from lenetkit.training.progress import EpochTable
from tests.support.small_run import write_inputs
from tests.support.specs import small_plan

Call = Callable[..., Any]
NAMES = [
    "数字",
    "ひらがな",
    "한국어",
    "e\u0301te\u0301",
    "नमस्ते",
    "🎉",
    "👩‍🔬",
    "ಕನ್ನಡ",
    "ไทย",
    "plain",
    "x",
]
COMMANDS = [
    "summary lenet5",
    "summary lenet5-avgpool",
    "plugins",
    "plugins info conv2d",
    "plugins info constant",
    "plugins check relu flatten",
    "bench lenet5 --steps 2",
    *(f"{name} --help" for name in ("train", "evaluate", "predict", "plot", "bench", "data show")),
]


@pytest.fixture(params=[40, 60, 80])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The columns of the terminal."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def width(line: str) -> int:
    return wcswidth(line)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_commands_print_fits(call: Call, room: int, command: str) -> None:
    said = call(*command.split())
    assert said.status == 0, said.err
    if "--help" in command:
        room = max(room, 52)  # click's least
    long = [line for line in said.out.splitlines() if width(line) > room]
    whole = re.compile(r"\s*\S*|\d+ checks were .*")  # a path, or a sentence
    assert not [line for line in long if not whole.fullmatch(line)]


def test_evaluate_fits_for_many_classes(call: Call, tmp_path: Path, room: int) -> None:
    spec, data = write_inputs(tmp_path)
    model = small_model(tmp_path / "m.safetensors", call, spec, data)
    said = call("evaluate", model, "--data-dir", data)
    assert said.status == 0, said.err
    assert max(map(width, said.out.splitlines())) <= room
    assert "nan" not in said.out


def small_model(path: Path, call: Call, spec: Path, data: Path) -> Path:
    said = call("train", spec, "--data-dir", data, "--out", path.parent / "run", "--epochs", "1")
    assert said.status == 0, said.err
    return path.parent / "run" / "model.safetensors"


def test_a_terminal_of_200_columns_stretches_nothing(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlimited = call("summary", "lenet5").out
    monkeypatch.setenv("COLUMNS", "200")
    assert call("summary", "lenet5").out == unlimited


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8))
def test_columns_line_up_whatever_the_characters(names: list[str]) -> None:
    lines = table([[name, "|", name, "|"] for name in names], ("a", "b", "c", "d")).splitlines()
    bars = {tuple(width(line[:i]) for i, c in enumerate(line) if c == "|") for line in lines[2:]}
    assert len(bars) == 1


@settings(deadline=None)
@given(st.integers(40, 100), st.integers(1, 40), st.data())
def test_a_narrowed_table_fits_and_loses_nothing(
    room: int, count: int, data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from(NAMES), min_size=count, max_size=count))
    headers = [f"{name}{i}" for i, name in enumerate(names)]
    rows = [[str(100 * row + i) for i in range(count)] for row in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(room))
        text = table(rows, headers, headers[1:])
    assert max(map(width, text.splitlines())) <= room
    words = text.split()
    assert {cell for row in rows for cell in row} <= set(words)
    assert {word for header in headers for word in header.split()} <= set(words)


def test_long_headers_of_numbers_are_broken_into_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = "one very long class name that goes on and on"
    text = table([["a", "123456789012345"], ["b", "7"]], ["", name], [name])
    *header, rule, first, second = text.splitlines()
    assert len(header) > 1
    assert " ".join(" ".join(header).split()) == name
    assert width(rule) == 40
    assert [first.split(), second.split()] == [["a", "123456789012345"], ["b", "7"]]


def test_columns_that_say_the_same_are_named_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [(f"a_layer_with_a_long_name_{i}", "lenetkit", "0.2.0") for i in range(3)]
    text = table(rows, ("name", "distribution", "version"))
    assert text.split("\n\n")[-1].split() == [
        "All:",
        "distribution",
        "lenetkit,",
        "version",
        "0.2.0.",
    ]
    assert text.count("lenetkit") == 1


def test_a_total_stands_below_a_rule() -> None:
    assert table([("a", 1), ("b", 22)], ("part", "ms"), ("ms",), ("all", 23)).splitlines() == [
        "part  ms",
        "----  --",
        "a      1",
        "b     22",
        "----  --",
        "all   23",
    ]


def test_precision_of_a_class_never_predicted_is_a_dash(call: Call, tmp_path: Path) -> None:
    _, data = write_inputs(tmp_path)
    network = Model(small_plan())
    network.params[:] = 0
    network.save(tmp_path / "zero.safetensors")
    said = call("evaluate", tmp_path / "zero.safetensors", "--data", "idx", "--data-dir", data)
    assert said.status == 0, said.err
    assert "nan" not in said.out
    assert "–" in said.out


def epoch(loss: float, accuracy: float) -> EpochDone:
    n = 10_000
    predicted = (np.arange(n) >= round(accuracy * n)).astype(np.intp)
    result = Evaluation(loss, np.zeros(n, np.int64), predicted, np.ones(n, np.float32), 2)
    return EpochDone(100, 1, 3e-3, result, result, result, 12.34)


@pytest.mark.parametrize("room", [40, 60, 80])
@pytest.mark.parametrize("sets", [("train", "test"), ("train", "held out", "test")])
def test_the_table_of_epochs_fits_and_lines_up(room: int, sets: tuple[str, ...]) -> None:
    table = EpochTable(sets, room)
    over, under = table.heading.splitlines()
    row = table.row(epoch(0.0123, 1.0))
    assert len(row) == len(under) <= room
    assert len(over) <= room
    assert over.split() == " ".join(sets).split()
    assert under.count("accuracy") == row.count("100.00%") == len(sets)


def test_the_table_of_epochs_shows_what_there_is() -> None:
    table = EpochTable(("train", "test"), 1000)
    assert table.row(epoch(float("nan"), 0.9937)).split() == [
        *("100", "3.00e-03", "–", "99.37%", "–", "99.37%", "12.34"),
    ]
