"""`--lr`, `--batch-size`, `--optimizer`, `--name`, and the options that people try."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenetkit.spec.shipped import shipped_specs
from tests.cli.conftest import Call

SHORT = ("--lr", "0.1", "--batch-size", "7", "--optimizer", "sgd", "--name", "mine")


def test_short_options_change_the_spec(call: Call) -> None:
    said = call("spec", "lenet5", *SHORT, "--epochs", "3", "--seed", "5")
    assert "name: mine\n" in said.out
    assert "  epochs: 3\n  batch_size: 7\n  seed: 5\n" in said.out
    assert "optimizer: {type: sgd, lr: 0.1, momentum: 0.0, nesterov: false, weight_decay: 0.0}" in (
        said.out
    )


def test_they_are_applied_after_set_and_types_first(call: Call) -> None:
    change = ("--set", "train.optimizer.lr=0.5", "--set", "train.optimizer.type=adam")
    assert call("spec", "lenet5", *SHORT, *change).out == call("spec", "lenet5", *SHORT).out


def test_training_takes_them(call: Call, small: Path) -> None:
    assert call("train", small, *SHORT, "--epochs", "1", "--quiet").status == 0
    assert "batch_size: 7" in Path("runs/mine/001/spec.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--lr=-1",), "--lr -1.0: train.optimizer.lr: expected a number ≥ 0, found -1.0"),
        (
            ("--optimizer", "sdg"),
            "--optimizer sdg: train.optimizer: no optimizer is registered as 'sdg'; did you mean",
        ),
        (("--optimizer", "Adamw"), "its weight_decay is decoupled, as AdamW's"),
        (("--optimizer", ""), "--optimizer: expected a value, found an empty one"),
        (("--name", "a/b"), "--name a/b: name: expected letters, digits, spaces and"),
        (("--batch-size", "0"), "invalid value for '--batch-size': 0 is not in the range x>=1"),
        (("--lr", "fast"), "invalid value for '--lr': 'fast' is not a valid float"),
    ],
)
def test_wrong_values_name_the_option(call: Call, options: tuple[str, ...], expected: str) -> None:
    said = call("train", "lenet5", *options)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"error: {expected}") or expected in said.err


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--learning-rate", "; did you mean '--lr'?"),
        ("--learning_rate", "; did you mean '--lr'?"),
        ("-lr", "; did you mean '--lr'?"),
        ("--batch", "; did you mean '--batch-size'?"),
        ("--bs", "; did you mean '--batch-size'?"),
        ("--batch_size", "; did you mean '--batch-size'?"),
        ("-b", "; did you mean '--batch-size'?"),
        ("-e", "; did you mean '--epochs'?"),
        ("--num-epochs", "; did you mean '--epochs'?"),
        ("--output", "; did you mean '--out'?"),
        ("--plugn", "; did you mean '--plugin'?"),
        ("--momentum", "; write --set train.optimizer.momentum=… (of rmsprop and sgd)"),
        ("--weight-decay", "; write --set train.optimizer.weight_decay=…"),
        ("--wd", "; write --set train.optimizer.weight_decay=…"),
        ("--loss", "; write --set loss=…"),
        ("--criterion", "; write --set loss=…"),
        ("--schedule", "; write --set train.schedule=…"),
        ("--val-split", "; write --set data.validation=…"),
        ("--dataset", "; write --set data=…"),
        ("--shuffle", "; write --set train.shuffle=…"),
        ("--sgd", "; write --set train.optimizer.type=sgd"),
        ("--dropout", "; write --set 'layers.NAME={type: dropout, after: LAYER}'"),
        ("--activation", ": an activation is a layer of its own: `relu1: relu`, or --set "),
        ("--gpu", ": lenetkit computes on the CPU; see --threads and --kernels"),
        ("--device", ": lenetkit computes on the CPU; see --threads and --kernels"),
        ("--workers", ": data stays in memory, so there are no workers; "),
        ("--patience", "; write --set train.patience=…"),
        ("--ema", "; write --set train.average=…"),
        ("--zz", "; valid: --allow-different, --batch-size, "),
    ],
)
def test_unknown_options_say_what_is_meant(call: Call, option: str, hint: str) -> None:
    said = call("train", "lenet5", option, "3")
    assert said.status == 2
    first, usage, *more = said.err.splitlines()
    assert first.startswith(f"error: no such option '{option}'{hint}")
    assert usage.startswith("  usage: lenetkit train [OPTIONS] SPEC; options: ")
    assert not more


def test_commands_without_set_say_whose_the_option_is(call: Call) -> None:
    said = call("plot", "run", "--lr", "3")
    assert said.err.startswith("error: no such option '--lr'; it is train.optimizer.lr=… in a spec")


def test_what_is_suggested_can_be_set(call: Call) -> None:
    assert "lenet5" in shipped_specs()
    for change in ("train.optimizer.momentum=0.9", "loss=mean_squared_error", "data.validation=3"):
        said = call("spec", "lenet5", "--optimizer", "sgd", "--set", change)
        assert said.status == 0, said.err


def test_a_rate_that_the_schedule_does_not_use_is_said(call: Call, small: Path) -> None:
    own = "train.schedule={type: piecewise, boundaries: [1], values: [0.1, 0.01]}"
    said = call("train", small, "--lr", "0.5", "--set", own, "--quiet")
    assert said.status == 0
    assert said.err == (
        "warning: --lr 0.5: has no effect, because the schedule piecewise sets the rates\n"
    )
    assert call("train", small, "--lr", "0.5", "--quiet").err == ""
