"""What `train` says of answers that are no better than guesses."""

from __future__ import annotations

import numpy as np
import pytest

from lenetkit.diagnosis.chance import at_chance
from lenetkit.network.network import Network
from lenetkit.training.evaluation import Evaluation, RealEvaluation
from tests.support.specs import small_plan

LABELS = np.array([0] * 40 + [1] * 35 + [2] * 25)
NAMES = ("zero", "one\x1b", "two")


def said(predicted: np.ndarray) -> str:
    certainty = np.ones(len(LABELS), np.float32)
    found = Evaluation(1.0, LABELS, predicted, certainty, 3, "some", NAMES)
    network = Network(small_plan())
    network.grads[:] = 2e-5
    return at_chance(found, network)


def test_one_answer_for_all() -> None:
    assert said(np.full(100, 1)) == (
        "all images are answered one\\x1b; gradient norms are near 6e-05"
    )


def test_answers_by_chance() -> None:
    guesses = np.array([0, 1, 1, 1] * 25)
    assert said(guesses).startswith(
        "answers are right by chance, and 75% of them are one\\x1b; gradient norms are near"
    )


@pytest.mark.parametrize("right", [45, 70, 100])
def test_better_than_the_most_frequent_label_is_fine(right: int) -> None:
    assert said(np.where(np.arange(100) < right, LABELS, 0)) == ""


def test_a_single_class_cannot_be_missed() -> None:
    found = Evaluation(0.0, np.zeros(9, int), np.zeros(9, int), np.ones(9, np.float32), 3)
    assert at_chance(found, Network(small_plan())) == ""


def test_real_targets_are_judged_by_their_variance() -> None:
    targets = np.random.default_rng(0).normal(size=(30, 3))
    network = Network(small_plan())
    assert at_chance(RealEvaluation(0.1, targets, targets * 0.9, "some"), network) == ""
    flat = RealEvaluation(1.0, targets, np.zeros_like(targets), "some")
    assert at_chance(flat, network).startswith("R² is -0.0")
