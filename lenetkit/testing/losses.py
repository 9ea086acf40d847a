"""What `lenetkit.losses` promises of every loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.losses import Loss, Targets
from lenetkit.testing.common import COMMON, Unchanged
from lenetkit.testing.compare import (
    expect_dtype,
    expect_finite,
    expect_same,
    expect_shape,
    expect_untouched,
    fail,
    warnings_as_failures,
)
from lenetkit.testing.numeric import expect_gradient, spread
from lenetkit.testing.report import (
    NOTHING_EXPECTED,
    Check,
    Report,
    collect,
    expect_kind,
    require,
    subject_of,
)

N, K = 5, 4
LABELS = np.array([3, 0, 2, 2, 1])
NEAR = 1e-9


@dataclass(frozen=True)
class LossCase:
    """A loss under test with outputs and targets."""

    thing: Loss

    def outputs(self, dtype: Any = np.float64) -> Array:
        """Outputs (N, K), distinct, away from each other."""
        return spread((N, K)).astype(dtype)

    def rows(self, dtype: Any = np.float64) -> Array:
        """The labels as one-hot rows."""
        return np.eye(K, dtype=dtype)[LABELS]

    def gradient(self, outputs: Array, targets: Targets) -> Array:
        """d(mean loss)/d(outputs)."""
        return self.thing.backward(self.thing.forward(outputs, targets)[1])


def one_loss_a_sample(case: LossCase) -> None:
    """`forward` gives one finite number for each sample."""
    losses, _ = case.thing.forward(case.outputs(), LABELS)
    expect_shape(losses, (N,), "losses", "return the loss of each sample, not their mean")
    expect_finite(losses, "losses")


def gradient_is_right_for_labels(case: LossCase) -> None:
    """For class labels, `backward` is the gradient of the mean loss."""
    _expect_gradient(case, LABELS, "gradient for labels")


def gradient_is_right_for_rows(case: LossCase) -> None:
    """For one-hot rows, `backward` is the gradient of the mean loss."""
    _expect_gradient(case, case.rows(), "gradient for one-hot rows")


def labels_are_the_same_as_one_hot_rows(case: LossCase) -> None:
    """A class label and its one-hot row give the same losses and gradients."""
    by_row = case.thing.forward(case.outputs(), case.rows())[0]
    expected = case.gradient(case.outputs(), case.rows())
    for dtype in (np.int64, np.uint8):
        labels = LABELS.astype(dtype)
        cause = "turn targets into rows with lenetkit.losses.as_rows"
        losses = case.thing.forward(case.outputs(), labels)[0]
        expect_same(losses, by_row, "losses of labels", tolerance=NEAR, cause=cause)
        found = case.gradient(case.outputs(), labels)
        expect_same(found, expected, "gradient of labels", tolerance=NEAR, cause=cause)


def samples_do_not_depend_on_their_batch(case: LossCase) -> None:
    """Each sample's loss is the one it has alone, and its gradient N times smaller."""
    outputs = case.outputs()
    losses, gradient = case.thing.forward(outputs, LABELS)[0], case.gradient(outputs, LABELS)
    for i in range(N):
        one = slice(i, i + 1)
        alone = case.thing.forward(outputs[one], LABELS[one])[0]
        expect_same(alone, losses[one], f"loss of sample {i}, alone", tolerance=NEAR)
        found = case.gradient(outputs[one], LABELS[one])
        cause = "divide by the number of samples once: training minimizes the mean"
        expect_same(
            found / N, gradient[one], f"gradient of sample {i}, alone", tolerance=NEAR, cause=cause
        )


def dtype_is_kept(case: LossCase) -> None:
    """Losses, gradients and probabilities have the dtype of the outputs, for any targets."""
    for dtype in (np.float32, np.float64):
        for kind, targets in {"labels": LABELS, "float64 rows": case.rows()}.items():
            outputs = case.outputs(dtype)
            losses, saved = case.thing.forward(outputs, targets)
            cause = f"{kind} promote; take them in the dtype of the outputs"
            expect_dtype(losses, dtype, f"losses for {kind}", cause)
            expect_dtype(case.thing.backward(saved), dtype, f"gradient for {kind}", cause)
        expect_dtype(case.thing.probabilities(case.outputs(dtype)), dtype, "probabilities")


def inputs_are_not_written_to(case: LossCase) -> None:
    """Outputs and targets stay as they are."""
    outputs, rows, labels = case.outputs(), case.rows(), LABELS.copy()
    case.gradient(outputs, rows)
    case.gradient(outputs, labels)
    case.thing.probabilities(outputs)
    expect_untouched(outputs, case.outputs(), "outputs", "a pass")
    expect_untouched(rows, case.rows(), "targets", "a pass")
    expect_untouched(labels, LABELS, "targets", "a pass")


def empty_batch(case: LossCase) -> None:
    """A batch of 0 samples gives empty results without a warning."""
    outputs, labels = np.empty((0, K)), np.empty(0, np.int64)
    with warnings_as_failures("batch of 0"):
        expect_shape(case.thing.forward(outputs, labels)[0], (0,), "losses of a batch of 0")
        expect_shape(case.gradient(outputs, labels), (0, K), "gradient of a batch of 0")
        expect_shape(case.thing.probabilities(outputs), (0, K), "probabilities of a batch of 0")


def probabilities_are_probabilities(case: LossCase) -> None:
    """`probabilities` gives rows of numbers of at least 0 that sum to 1."""
    for scale in (1.0, 1e-3, 1e4):
        for dtype in (np.float32, np.float64):
            outputs = scale * case.outputs(dtype)
            found = case.thing.probabilities(outputs.astype(dtype))
            what = f"probabilities of outputs around ±{3 * scale:g}"
            expect_shape(found, (N, K), what)
            expect_finite(found, what, "subtract each row's largest value before exponentials")
            if found.min() < 0:
                raise fail(f"{what}: expected numbers ≥ 0, found {found.min():g}")
            expect_same(found.sum(axis=1), np.ones(N, dtype), f"{what}: sum", tolerance=1e-5)


def probabilities_keep_the_largest(case: LossCase) -> None:
    """The largest output has the largest probability: it is the answer."""
    found = case.thing.probabilities(case.outputs())
    for i, row in enumerate(case.outputs()):
        if found[i, row.argmax()] < found[i].max():
            raise fail(
                f"sample {i}: output {row.argmax()} is the largest, but class "
                f"{found[i].argmax()} has the largest probability"
            )


def extreme_outputs_stay_finite(case: LossCase) -> None:
    """Outputs of ±10,000 give finite losses and gradients without a warning."""
    outputs = 1e4 * np.sign(case.outputs(np.float32))
    with warnings_as_failures("outputs of ±10,000"):
        losses, saved = case.thing.forward(outputs, LABELS)
        expect_finite(losses, "losses", "log of a probability that is 0; work with log-sums")
        expect_finite(case.thing.backward(saved), "gradient")


def wrong_targets_raise_value_error(case: LossCase) -> None:
    """Targets of another shape, and labels that are no class, raise ValueError."""
    for what, targets in {
        f"a label {K} of {K} classes": np.array([0, 1, K, 0, 0]),
        "a label −1": np.array([0, -1, 1, 0, 0]),
        "fewer labels than samples": np.array([0, 1]),
        "rows of another length": np.zeros((N, K + 1)),
    }.items():
        try:
            case.thing.forward(case.outputs(), targets)
        except ValueError:
            continue
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        else:
            found = "a result"
        raise fail(
            f"{what}: expected ValueError, found {found}", "lenetkit.losses.as_rows checks them"
        )


def memory_order_does_not_matter(case: LossCase) -> None:
    """Outputs that are not contiguous give the same losses and gradients."""
    outputs = case.outputs()
    for same in (np.asfortranarray(outputs), np.repeat(outputs, 2, axis=1)[:, ::2]):
        found = case.thing.forward(same, LABELS)[0]
        expect_same(found, case.thing.forward(outputs, LABELS)[0], "losses", tolerance=NEAR)
        found = case.gradient(same, LABELS)
        expect_same(found, case.gradient(outputs, LABELS), "gradient", tolerance=NEAR)


def interleaved_passes_do_not_mix(case: LossCase) -> None:
    """Two forwards, then their two backwards: each as if it were alone; nothing is kept."""
    unchanged = Unchanged(case.thing)
    batches = case.outputs(), -case.outputs()[:2]
    saved = [case.thing.forward(b, LABELS[: len(b)])[1] for b in batches]
    unchanged.expect("forward")
    for i, batch in enumerate(batches):
        found = case.thing.backward(saved[i])
        expected = case.gradient(batch, LABELS[: len(batch)])
        cause = "what backward needs is kept in the loss instead of being returned by forward"
        expect_same(found, expected, f"gradient {i + 1} of two interleaved", cause=cause)


LOSS_CHECKS = (
    one_loss_a_sample,
    gradient_is_right_for_labels,
    gradient_is_right_for_rows,
    labels_are_the_same_as_one_hot_rows,
    samples_do_not_depend_on_their_batch,
    dtype_is_kept,
    inputs_are_not_written_to,
    empty_batch,
    probabilities_are_probabilities,
    probabilities_keep_the_largest,
    extreme_outputs_stay_finite,
    wrong_targets_raise_value_error,
    memory_order_does_not_matter,
    interleaved_passes_do_not_mix,
    *COMMON,
)


def loss_checks(loss: Loss, *, name: str | None = None) -> list[Check]:
    """The checks of one loss. Raises TypeError for anything but a loss."""
    expect_kind(loss, Loss)
    return collect(LOSS_CHECKS, LossCase(loss), name or subject_of(loss))


def check_loss(loss: Loss, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED) -> Report:
    """Hold a loss to what it promises. Raises CheckFailed, with the report, if it fails."""
    return require(loss_checks(loss), expected_failures=expected_failures)


def _expect_gradient(case: LossCase, targets: Targets, what: str) -> None:
    outputs = case.outputs()
    found = case.gradient(outputs.copy(), targets)
    weights = np.full(N, 1 / N)
    expect_gradient(
        found, lambda: case.thing.forward(outputs, targets)[0], outputs, weights, what, N
    )
