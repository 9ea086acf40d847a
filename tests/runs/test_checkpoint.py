"""The state in a checkpoint: read back unchanged, or refused with the wrong field's name."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

import pytest

from lenetkit.runs.checkpoint import Best, State

UNRECORDED = {"init_from", "differs", "given", "parts", "steps_per_epoch"}
UNRECORDED |= {"validation_losses", "validation_merits"}
"""What 0.1.0 did not record."""
STATE = State(
    step=9,
    epoch=3,
    epochs=4,
    seconds=1.5,
    best=Best(2, 0.5, "ab", "{}"),
    tables={"steps.csv": "cd"},
    notes={"1": {"figure": 1.0, "another": float("nan")}},
    environment={"numpy": "2.4", "threads": "2"},
    changes=[{"step": 4, "differences": ["threads: was 1, is 2"]}],
)


def changed(path: str, value: Any) -> str:
    """The state's JSON with another value at a dotted path."""
    fields = json.loads(json.dumps(asdict(STATE)))
    *parents, name = path.split(".")
    inside = fields
    for parent in parents:
        inside = inside[int(parent) if parent.isdecimal() and parent != "1" else parent]
    inside[name] = value
    return json.dumps(fields)


def test_a_state_is_read_back_unchanged() -> None:
    again = State.from_json(json.dumps(asdict(STATE)))
    assert repr(again) == repr(STATE)
    assert again.threads == 2


def test_threads_are_optional() -> None:
    assert State.from_json(changed("environment", {})).threads is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("step", 10.5, "progress.step: expected an integer, found 10.5"),
        ("step", True, "progress.step: expected an integer, found true"),
        ("step", 2, "step 2, epoch 3, best epoch 2"),
        ("epoch", "3", "progress.epoch: expected an integer, found '3'"),
        ("epochs", None, "progress.epochs: expected an integer, found null"),
        ("seconds", "x", "progress.seconds: expected a number, found 'x'"),
        ("seconds", -1, "progress.seconds: expected a time, found -1.0"),
        ("seconds", float("nan"), "progress.seconds: expected a time, found nan"),
        ("best", 3, "progress.best: expected a mapping, found 3"),
        ("best.epoch", 4, "step 9, epoch 3, best epoch 4"),
        ("best.accuracy", [], "progress.best.accuracy: expected a number, found []"),
        ("best.metrics", 1, "progress.best.metrics: expected a string, found 1"),
        ("tables", None, "progress.tables: expected a mapping, found null"),
        ("tables", {"a": 1}, "progress.tables.a: expected a string, found 1"),
        ("notes", 3, "progress.notes: expected a mapping, found 3"),
        ("notes.1", [], "progress.notes.1: expected a mapping, found []"),
        ("notes.1.figure", "x", "progress.notes.1.figure: expected a number, found 'x'"),
        ("environment", [1], "progress.environment: expected a mapping, found [1]"),
        ("environment.numpy", 2, "progress.environment.numpy: expected a string, found 2"),
        ("changes", "x", "progress.changes: expected a list, found 'x'"),
        ("changes", ["x"], "progress.changes[0]: expected a mapping, found 'x'"),
        (
            "changes",
            [{"step": 1}],
            "progress.changes[0]: expected the fields step, differences, found 'step'",
        ),
        (
            "changes",
            [{"step": 1, "differences": [2]}],
            "progress.changes[0].differences[0]: expected a string, found 2",
        ),
        *(
            (
                "environment.threads",
                threads,
                f"progress.environment.threads: expected at most 65536, found '{threads}'",
            )
            for threads in ("9" * 30, "-1", "two", "65537")
        ),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        State.from_json(changed(path, value))


@pytest.mark.parametrize("name", sorted(set(asdict(STATE)) - UNRECORDED))
def test_a_missing_field_is_noticed(name: str) -> None:
    fields = asdict(STATE)
    del fields[name]
    with pytest.raises(ValueError, match=r"^progress: expected the fields step, epoch, "):
        State.from_json(json.dumps(fields))
