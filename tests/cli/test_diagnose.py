"""`lenetkit diagnose`, and the line that `train` says of guesses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lenetkit.data.finding import file_names
from lenetkit.data.idx import write_idx
from lenetkit.diagnosis.words import REMEDIES, SENTENCES
from tests.support.ill import SGD, SPEC, samples

Call = Callable[..., Any]
CAUSES = {
    *("vanishing_gradient", "exploding_gradient", "rate_too_high", "rate_too_low", "dead_units"),
    *("saturated_units", "unscaled_input", "symmetric_start", "no_nonlinearity", "frozen_layer"),
    *("too_much_regularization", "activation_before_loss", "unshuffled_data", "constant_input"),
    *("labels_without_signal", "bottleneck"),
}
TINY = ("--set", "init={type: normal, std: 1e-3}", "--set", SGD[0])


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec file whose data LENETKIT_DATA names."""
    folder = tmp_path / "patterns"
    folder.mkdir()
    for split, some in (("train", samples(800, 0)), ("test", samples(300, 1))):
        images, labels = file_names("train" if split == "train" else "test")
        write_idx(folder / images, some.images[:, 0])
        write_idx(folder / labels, some.labels.astype("uint8"))
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps({**SPEC, "data": {"type": "idx", "title": "patterns"}}), "utf-8")
    monkeypatch.setenv("LENETKIT_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    return path


def test_the_illness_is_said_with_its_cure(call: Call, spec: Path) -> None:
    said = call("diagnose", spec, *TINY)
    assert said.status == 0
    verdict, evidence, cure, tried, layers = said.out.strip().split("\n\n")
    assert " ".join(verdict.split()) == (
        "small on patterns: vanishing_gradient in fc1, fc2. " + SENTENCES["vanishing_gradient"]
    )
    assert evidence.startswith("Evidence: before the first step the outputs differ")
    assert cure.startswith("Cure: --set init=he_normal\nWith it, 300 steps end at loss ")
    assert [line.split()[0] for line in tried.splitlines()[2:4]] == ["(as", "init=he_normal"]
    assert [line.split()[0] for line in layers.splitlines()[3:]] == list(SPEC["layers"])


def test_json_has_the_contracts_keys(call: Call, spec: Path) -> None:
    ill = call("diagnose", spec, *TINY, "--json").json
    assert {"healthy", "findings", "notes", "series"} <= ill.keys()
    assert ill["healthy"] is False
    first = ill["findings"][0]
    assert {"cause", "layers", "step", "evidence", "remedy", "set"} <= first.keys()
    assert (first["cause"], first["set"]) == ("vanishing_gradient", ["init=he_normal"])
    assert first["remedy"] == REMEDIES["vanishing_gradient"]
    cured = [word for line in first["set"] for word in ("--set", line)]
    well = call("diagnose", spec, *TINY, *cured, "--json").json
    assert (well["healthy"], well["findings"]) == (True, [])


def test_every_cause_of_the_contract_has_its_words() -> None:
    assert set(SENTENCES) == set(REMEDIES) == CAUSES


def test_the_healthy_are_told_so(call: Call, spec: Path) -> None:
    said = call("diagnose", spec, "--steps", "200", "--seed", "3")
    assert (said.status, said.out.startswith("small on patterns: healthy. After ")) == (0, True)


@pytest.mark.parametrize("name", ["look.png", "look.svg"])
def test_the_picture_is_written(call: Call, spec: Path, name: str, tmp_path: Path) -> None:
    said = call("diagnose", spec, "--steps", "30", "--out", name)
    assert said.status == 0
    assert (tmp_path / name).stat().st_size > 10_000


def test_a_picture_of_another_kind_is_refused_before_anything_is_trained(
    call: Call, spec: Path
) -> None:
    said = call("diagnose", spec, "--out", "look.bmp")
    assert said.status == 2
    assert "look.bmp: cannot save a picture as '.bmp'; use .png, .pdf, .svg" in said.err
    assert "training" not in said.err


def test_experiments_for_which_there_was_no_time_are_named(call: Call, spec: Path) -> None:
    said = call("diagnose", spec, *TINY, "--time-limit", "0")
    words = " ".join(said.out.split())
    assert "probably vanishing_gradient" in words
    assert "Left out for lack of time: init=he_normal; " in words
    facts = call("diagnose", spec, *TINY, "--time-limit", "0", "--json").json
    assert facts["left_out"][0] == ["init=he_normal"]


def test_train_says_so_once_where_answers_are_guesses(call: Call, spec: Path) -> None:
    said = call("train", spec, *TINY, "--epochs", "12", "--out", "stuck")
    notes = [line for line in said.err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1
    assert notes[0].startswith("note: all images are answered ")
    assert notes[0].endswith(f": lenetkit diagnose {Path('stuck', 'spec.yaml')}")
    quiet = call("train", spec, *TINY, "--epochs", "12", "--quiet", "--out", "quiet")
    assert "note: " not in quiet.err
    assert "note: " not in call("train", spec, "--out", "well").err
