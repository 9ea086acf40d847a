"""Losses: values, gradients, and outputs read as probabilities."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.errors import OptionError
from lenetkit.losses import BinaryCrossEntropy, Huber, Loss, MeanSquaredError, SoftmaxCrossEntropy
from tests.support.gradients import assert_gradient

Array = NDArray[Any]
RNG = np.random.default_rng(3)
OUTPUTS = RNG.normal(0, 2, (5, 4))
CLASSES = np.array([3, 0, 2, 2, 1])
ONE_HOT = np.eye(4)[CLASSES]
SOFT = RNG.dirichlet(np.ones(4), 5)

every_loss = pytest.mark.parametrize(
    "loss",
    [
        *(SoftmaxCrossEntropy(), SoftmaxCrossEntropy(label_smoothing=0.2), MeanSquaredError()),
        *(BinaryCrossEntropy(), Huber(), Huber(delta=0.3)),
    ],
    ids=repr,
)


def gradient(loss: Loss, outputs: Array, targets: Array) -> Array:
    return loss.backward(loss.forward(outputs, targets)[1])


@every_loss
@pytest.mark.parametrize(
    "targets",
    [CLASSES, ONE_HOT, SOFT, 3 * SOFT],
    ids=["classes", "one-hot", "soft", "not summing to 1"],
)
def test_gradient_is_the_derivative_of_the_mean_loss(loss: Loss, targets: Array) -> None:
    outputs = OUTPUTS.copy()
    found = gradient(loss, outputs, targets)
    assert_gradient(found, lambda: float(loss.forward(outputs, targets)[0].mean()), outputs)


def test_cross_entropy_follows_its_formula() -> None:
    p = np.exp(OUTPUTS) / np.exp(OUTPUTS).sum(axis=1, keepdims=True)
    hard, _ = SoftmaxCrossEntropy().forward(OUTPUTS, CLASSES)
    np.testing.assert_allclose(hard, -np.log(p[np.arange(5), CLASSES]))
    soft, _ = SoftmaxCrossEntropy().forward(OUTPUTS, SOFT)
    np.testing.assert_allclose(soft, -(SOFT * np.log(p)).sum(axis=1))
    np.testing.assert_allclose(SoftmaxCrossEntropy().probabilities(OUTPUTS), p)


def test_smoothing_and_weights_change_the_target() -> None:
    log_p = OUTPUTS - np.log(np.exp(OUTPUTS).sum(axis=1, keepdims=True))
    weight = (0.5, 2.0, 0.0, 1.0)
    loss = SoftmaxCrossEntropy(label_smoothing=0.2, weight=weight)
    losses, saved = loss.forward(OUTPUTS, CLASSES)
    target = np.array(weight) * (0.8 * ONE_HOT + 0.05)
    np.testing.assert_allclose(losses, -(target * log_p).sum(axis=1))
    expected = (np.exp(log_p) * target.sum(axis=1, keepdims=True) - target) / 5
    np.testing.assert_allclose(loss.backward(saved), expected, atol=1e-15)


def test_weights_for_another_number_of_classes_are_refused() -> None:
    message = "weight: expected 4 numbers, one per output, found 1"
    with pytest.raises(OptionError, match=f"^{message}$"):
        SoftmaxCrossEntropy(weight=(2.0,)).forward(OUTPUTS, CLASSES)


def test_binary_cross_entropy_follows_its_formula() -> None:
    p = 1 / (1 + np.exp(-OUTPUTS))
    losses, _ = BinaryCrossEntropy().forward(OUTPUTS, SOFT)
    expected = -(SOFT * np.log(p) + (1 - SOFT) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(losses, expected)


def test_exactly_one_yes_among_independent_answers_is_a_softmax() -> None:
    p = 1 / (1 + np.exp(-OUTPUTS))
    alone = np.stack([p[:, k] * np.delete(1 - p, k, axis=1).prod(axis=1) for k in range(4)], 1)
    expected = alone / alone.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(BinaryCrossEntropy().probabilities(OUTPUTS), expected)


def test_huber_is_quadratic_up_to_delta_and_linear_beyond() -> None:
    rows = np.zeros((1, 3))
    losses, saved = Huber(delta=2).forward(np.array([[1.0, -2.0, 5.0]]), rows)
    np.testing.assert_allclose(losses, [(0.5 + 2 + 2 * (5 - 1)) / 3])
    np.testing.assert_allclose(Huber(delta=2).backward(saved), [[1 / 3, -2 / 3, 2 / 3]])


def test_squared_error_follows_its_formula() -> None:
    losses, _ = MeanSquaredError().forward(np.array([[0.5, 0.5], [1.0, 2.0]]), np.array([0, 1]))
    np.testing.assert_allclose(losses, [0.25, 1.0])


@every_loss
@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_class_indices_are_the_same_as_one_hot_rows(loss: Loss, dtype: Any) -> None:
    by_class = loss.forward(OUTPUTS, CLASSES.astype(dtype))
    by_row = loss.forward(OUTPUTS, ONE_HOT.astype(dtype))
    np.testing.assert_array_equal(by_class[0], by_row[0])
    np.testing.assert_array_equal(loss.backward(by_class[1]), loss.backward(by_row[1]))


@every_loss
def test_doubling_the_batch_halves_each_samples_gradient(loss: Loss) -> None:
    twice, classes = np.concatenate([OUTPUTS, OUTPUTS]), np.concatenate([CLASSES, CLASSES])
    mean = loss.forward(OUTPUTS, CLASSES)[0].mean()
    np.testing.assert_allclose(loss.forward(twice, classes)[0].mean(), mean)
    half = gradient(loss, OUTPUTS, CLASSES) / 2
    np.testing.assert_allclose(gradient(loss, twice, classes), np.concatenate([half, half]))


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("targets", [CLASSES, ONE_HOT], ids=["classes", "one-hot"])
def test_everything_keeps_the_dtype_of_the_outputs(loss: Loss, dtype: Any, targets: Array) -> None:
    outputs = OUTPUTS.astype(dtype)
    losses, saved = loss.forward(outputs, targets)
    assert losses.dtype == loss.backward(saved).dtype == loss.probabilities(outputs).dtype == dtype


@every_loss
def test_outputs_and_targets_are_not_modified(loss: Loss) -> None:
    outputs, targets = OUTPUTS.copy(), ONE_HOT.copy()
    outputs.flags.writeable = targets.flags.writeable = False
    gradient(loss, outputs, targets)
    loss.probabilities(outputs)


@every_loss
def test_an_empty_batch_is_accepted(loss: Loss) -> None:
    outputs, classes = np.empty((0, 4)), np.empty(0, int)
    assert loss.forward(outputs, classes)[0].shape == (0,)
    assert gradient(loss, outputs, classes).shape == (0, 4)
    assert loss.probabilities(outputs).shape == (0, 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_extreme_logits_is_exact(dtype: Any) -> None:
    outputs = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype)
    loss = SoftmaxCrossEntropy()
    third = 1 / 3
    losses, saved = loss.forward(outputs, np.array([0, 1, 2]))
    gradients = [[0.0, 0.0, 0.0], [1.0, -1.0, 0.0], [third, third, third - 1]]
    probabilities = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [third, third, third]]
    np.testing.assert_allclose(losses, [0, 2e4, np.log(3)], rtol=1e-6)
    np.testing.assert_allclose(3 * loss.backward(saved), gradients, rtol=1e-6)
    np.testing.assert_allclose(loss.probabilities(outputs), probabilities, rtol=1e-6)


@every_loss
@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.array([0, 1, 4, 0, 0]), "targets: expected classes 0 … 3, found 0 … 4"),
        (np.array([0, -1, 3, 0, 0]), "targets: expected classes 0 … 3, found -1 … 3"),
        (np.array([0, 1]), "targets: expected shape (5,) or (5, 4), found (2,)"),
        (np.zeros((5, 3)), "targets: expected shape (5,) or (5, 4), found (5, 3)"),
        (np.zeros((5, 1), int), "targets: expected shape (5,) or (5, 4), found (5, 1)"),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss: Loss, targets: Array, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        loss.forward(OUTPUTS, targets)


ROWS = st.lists(st.floats(-3, 3), min_size=1, max_size=5)


def nearest_by_brute_force(row: Array) -> Array:
    """The nearest probability vector: the best of those with each possible set of zeros."""
    best, best_distance = row, np.inf
    for size in range(1, len(row) + 1):
        for support in map(list, combinations(range(len(row)), size)):
            candidate = np.zeros_like(row)
            candidate[support] = row[support] + (1 - row[support].sum()) / size
            distance = ((candidate - row) ** 2).sum()
            if candidate.min() >= 0 and distance < best_distance:
                best, best_distance = candidate, distance
    return best


@given(row=ROWS)
def test_squared_error_reads_outputs_as_the_nearest_probabilities(row: list[float]) -> None:
    outputs = np.array([row])
    found = MeanSquaredError().probabilities(outputs)
    np.testing.assert_allclose(found[0], nearest_by_brute_force(outputs[0]), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_loss
@given(row=ROWS, scale=st.sampled_from([1, 1e4, 1e9]))
def test_probabilities_sum_to_1_and_keep_the_largest(
    loss: Loss, dtype: Any, row: list[float], scale: float
) -> None:
    outputs = scale * np.array([row], dtype)
    found = loss.probabilities(outputs)[0]
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found.min() >= 0
    assert found[outputs[0].argmax()] == found.max()


def test_probability_vectors_are_read_as_they_are() -> None:
    np.testing.assert_allclose(MeanSquaredError().probabilities(SOFT), SOFT, atol=1e-12)
