"""The benchmark of `diagnose`: its cases are specs, its split is stable, its judgement is right."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from diagnosis.asking import Answer, ask, command
from diagnosis.cases import CAUSES, PLUGINS, Case, halves, load
from diagnosis.data_sets import CHANGES, Digits
from diagnosis.tables import answered, is_cured
from diagnosis.training import Outcome, train
from diagnosis.verification import Verified, read, verify
from lenetkit.network.plan import Plan, load_plan
from lenetkit.registry.given import use
from lenetkit.spec.merge import Override

CASES = load()
RUNNABLE = [case for case in CASES if case.is_runnable]
SMALL = {"data.type": "synthetic_digits", "data.train": 600, "data.test": 200, "data.limit": 600}


def planned(case: Case, more: tuple[str, ...] = ()) -> Plan:
    return load_plan(case.path, [Override.from_text(text) for text in (*case.changes, *more)])


def test_all_cases_are_specs_and_so_are_their_cures() -> None:
    use([PLUGINS])
    for case in RUNNABLE:
        names = {layer.name for layer in planned(case).layers}
        assert set(case.layers) <= names, case.name
        if case.cure:
            planned(case, case.cure)


def test_there_are_enough_cases_of_every_cause() -> None:
    counts = Counter(case.cause for case in CASES)
    assert counts.keys() == {*CAUSES, None}
    assert min(counts.values()) >= 3
    assert counts[None] >= 80
    assert sum(counts.values()) - counts[None] >= 60
    assert all(case.why for case in CASES if case.cause)


def test_both_halves_have_every_cause_and_enough_healthy_specs() -> None:
    half = halves(CASES)
    for name in ("tune", "report"):
        own = Counter(case.cause for case in CASES if half[case.name] == name)
        assert own.keys() == {*CAUSES, None}
        assert own[None] >= 40


def test_the_split_depends_on_names_only() -> None:
    assert halves(CASES[::-1]) == halves(CASES)


def test_the_committed_table_is_of_these_cases_and_halves_and_all_hold() -> None:
    known = read()
    assert {name: one.half for name, one in known.items()} == halves(CASES)
    assert [name for name, one in known.items() if not one.holds] == []
    assert {name: one.cause for name, one in known.items()} == {
        case.name: case.cause or "" for case in CASES
    }


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("training", [True, False])
def test_data_sets_keep_images_and_labels_together(name: str, training: bool) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(40, 28, 28), dtype=np.uint8)
    labels = rng.integers(10, size=40, dtype=np.uint8)
    first, second = (
        CHANGES[name](Digits(images, labels, np.random.default_rng(1), training)) for _ in range(2)
    )
    assert len(first[0]) == len(first[1])
    assert [a.dtype for a in first] == [np.uint8, np.uint8]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_frozen_layer_is_seen_by_its_weights() -> None:
    optimizer = {"type": "partial_sgd", "lr": 0.1, "skip": 100_480}
    case = Case(name="x", spec="mlp", set={**SMALL, "train.optimizer": optimizer})
    assert train(case).moved == ("fc2", "fc3")


def test_what_diverges_makes_the_errors_of_the_most_frequent_answer() -> None:
    case = Case(name="x", spec="mlp", set={**SMALL, "train.optimizer": {"type": "sgd", "lr": 1e30}})
    outcome = train(case)
    assert (outcome.diverged, outcome.errors, outcome.majority) == (True, 0.9, 0.1)
    assert not outcome.learns


def test_a_case_that_is_not_what_it_claims_does_not_hold() -> None:
    case = next(case for case in CASES if case.name == "tanh-momentum-cold")
    found = verify(replace(case, set={**case.set, **SMALL}, cure=("train.optimizer.lr=1e-8",)))
    assert (found.holds, found.verdict) == (False, "its cure does not learn")


def test_the_command_names_everything_that_the_case_has() -> None:
    case = Case(name="x", spec="mlp", set={"init": {"type": "normal", "std": 0.5}})
    assert command(case) == [
        "diagnose",
        str(case.path),
        "--json",
        *("--set", "data.limit=20000"),
        *("--set", "init={type: normal, std: 0.5}"),
        *("--plugin", str(PLUGINS)),
    ]


ILL = Case(
    name="ill", spec="mlp", cause="dead_units", layers=("fc1", "act1"), cure=("init=he_normal",)
)
WELL = Case(name="well", spec="mlp")
KNOWN = {"ill": Verified("ill", "report", "dead_units", 0.9, 0.1, 0.1, True, "")}


def outcome(errors: float) -> Outcome:
    return Outcome(errors, majority=0.1, diverged=False, moved=())


def test_the_first_cause_counts() -> None:
    assert Answer(ILL, 1, False, ("dead_units", "bottleneck")).names_cause
    assert not Answer(ILL, 1, False, ("bottleneck", "dead_units")).names_cause
    assert not Answer(ILL, 1, True).names_cause


def test_layers_beyond_those_of_the_case_are_wrong() -> None:
    assert Answer(ILL, 1, False, layers=("act1",)).names_layers
    assert not Answer(ILL, 1, False, layers=("act1", "act2")).names_layers
    assert not Answer(ILL, 1, False).names_layers


def test_a_failure_is_no_clean_bill_of_health() -> None:
    assert Answer(WELL, 1, None, failure="exit status 1").is_false_alarm
    assert not Answer(WELL, 1, True).is_false_alarm


def test_cured_is_half_of_the_way_to_the_own_cure() -> None:
    assert is_cured(Answer(ILL, 1, False, outcome=outcome(0.5)), KNOWN)
    assert not is_cured(Answer(ILL, 1, False, outcome=outcome(0.51)), KNOWN)
    assert not is_cured(Answer(ILL, 1, False), KNOWN)


def test_the_tables_count_by_cause_and_name_the_mistakes() -> None:
    right = Answer(ILL, 2, False, ("dead_units",), ("fc1",), ILL.cure, outcome(0.1))
    wrong = Answer(ILL, 4, False, ("bottleneck",))
    text = answered([right, wrong, Answer(WELL, 1, True)], KNOWN)
    row = next(line for line in text.splitlines() if "| dead_units" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "dead_units",
        "1 of 2",
        "1 of 2",
        "1 of 2",
        "",
        "3.0, at most 4.0",
    ]
    assert "False alarms: 0 of 1 healthy specs (1.0, at most 1.0 s)." in text
    assert "- WRONG: ill (dead_units): bottleneck\n" in text


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("mlp-partial-optimizer", "frozen_layer"),
        ("mlp-sigmoid-binary", "activation_before_loss"),
        ("mlp-momentum-hot", "rate_too_high"),
    ],
)
def test_diagnose_is_asked_and_its_cure_is_tried(name: str, cause: str) -> None:
    case = next(case for case in CASES if case.name == name)
    said = ask(replace(case, set={**case.set, **SMALL}, data=None))
    assert (said.failure, said.names_cause, said.causes[:1]) == ("", True, (cause,))
    assert said.names_layers or not case.layers
    assert (said.outcome is not None) == bool(said.cure) == bool(case.cure)


def test_the_healthy_are_asked_too() -> None:
    said = ask(Case(name="well", spec="mlp", set=SMALL))
    assert (said.failure, said.is_false_alarm) == ("", False)
