"""What `lenetkit.losses` promises of every loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance import compare
from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.numeric import expect_gradient, spread
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.losses import Loss, Targets

N, K = 5, 4
LABELS = np.array([3, 0, 2, 2, 1])
ROUNDING = 1e-9
DTYPES = (np.float32, np.float64)


@dataclass(frozen=True)
class LossCase:
    """A loss under test with outputs and targets."""

    thing: Loss

    def outputs(self, dtype: Any = np.float64) -> Array:
        """Outputs (N, K), all different."""
        return spread((N, K)).astype(dtype)

    def rows(self) -> Array:
        """The labels as one-hot rows (N, K)."""
        return np.eye(K)[LABELS]

    def results(self, outputs: Array, targets: Targets) -> dict[str, Array]:
        """The losses (N,) and d(mean loss)/d(outputs)."""
        losses, saved = self.thing.forward(outputs, targets)
        return {"losses": losses, "gradient": self.thing.backward(saved)}


def one_loss_per_sample(case: LossCase) -> None:
    """`forward` gives one finite number for each sample."""
    losses, _ = case.thing.forward(case.outputs(), LABELS)
    compare.expect_shape(losses, (N,), "losses", "return the loss of each sample, not their mean")
    compare.expect_finite(losses, "losses")


def gradient_is_right_for_labels(case: LossCase) -> None:
    """For class labels, `backward` is the gradient of the mean loss."""
    _expect_gradient(case, LABELS, "gradient for labels")


def gradient_is_right_for_rows(case: LossCase) -> None:
    """For one-hot rows, `backward` is the gradient of the mean loss."""
    _expect_gradient(case, case.rows(), "gradient for one-hot rows")


def labels_are_the_same_as_one_hot_rows(case: LossCase) -> None:
    """A class label and its one-hot row give the same losses and gradients."""
    expected = case.results(case.outputs(), case.rows())
    for dtype in (np.int64, np.uint8):
        cause = "convert targets to rows with lenetkit.losses.as_rows"
        _expect_close(case.results(case.outputs(), LABELS.astype(dtype)), expected, "labels", cause)


def samples_do_not_depend_on_their_batch(case: LossCase) -> None:
    """A sample alone has the same loss as in a batch of N, and N times the gradient."""
    together = case.results(case.outputs(), LABELS)
    for i in range(N):
        one = slice(i, i + 1)
        alone = case.results(case.outputs()[one], LABELS[one])
        alone["gradient"] = alone["gradient"] / N
        expected = {name: values[one] for name, values in together.items()}
        cause = "divide by the number of samples once: training minimizes the mean"
        _expect_close(alone, expected, f"sample {i}, alone", cause)


def dtype_is_kept(case: LossCase) -> None:
    """Losses, gradients and probabilities have the dtype of the outputs, for all targets."""
    for dtype in DTYPES:
        for kind, targets in {"labels": LABELS, "float64 rows": case.rows()}.items():
            cause = f"{kind} promote the result; convert them to the dtype of the outputs"
            for name, values in case.results(case.outputs(dtype), targets).items():
                compare.expect_dtype(values, dtype, f"{name} for {kind}", cause)
        probabilities = case.thing.probabilities(case.outputs(dtype))
        compare.expect_dtype(probabilities, dtype, "probabilities")


def inputs_are_not_written_to(case: LossCase) -> None:
    """Outputs and targets stay as they are."""
    outputs, rows, labels = case.outputs(), case.rows(), LABELS.copy()
    case.results(outputs, rows)
    case.results(outputs, labels)
    case.thing.probabilities(outputs)
    compare.expect_untouched(outputs, case.outputs(), "outputs", "a pass")
    compare.expect_untouched(rows, case.rows(), "targets", "a pass")
    compare.expect_untouched(labels, LABELS, "targets", "a pass")


def empty_batch(case: LossCase) -> None:
    """A batch of 0 samples gives empty results without a warning."""
    outputs = np.empty((0, K))
    with compare.warnings_as_failures("batch of 0"):
        found = case.results(outputs, np.empty(0, np.int64))
        probabilities = case.thing.probabilities(outputs)
    compare.expect_shape(found["losses"], (0,), "losses of a batch of 0")
    compare.expect_shape(found["gradient"], (0, K), "gradient of a batch of 0")
    compare.expect_shape(probabilities, (0, K), "probabilities of a batch of 0")


def probabilities_are_probabilities(case: LossCase) -> None:
    """`probabilities` gives rows of numbers of at least 0 that sum to 1."""
    for scale in (1.0, 1e-3, 1e4):
        for dtype in DTYPES:
            found = case.thing.probabilities((scale * case.outputs(dtype)).astype(dtype))
            what = f"probabilities of outputs around ±{3 * scale:g}"
            compare.expect_shape(found, (N, K), what)
            cause = "subtract the largest value of each row before taking exponentials"
            compare.expect_finite(found, what, cause)
            if found.min() < 0:
                raise compare.fail(f"{what}: expected numbers ≥ 0, found {found.min():g}")
            total = found.sum(axis=1)
            compare.expect_same(total, np.ones(N, dtype), f"{what}: sum", tolerance=1e-5)


def probabilities_keep_the_largest(case: LossCase) -> None:
    """The largest output has the largest probability."""
    found = case.thing.probabilities(case.outputs())
    for i, row in enumerate(case.outputs()):
        if found[i, row.argmax()] < found[i].max():
            raise compare.fail(
                f"sample {i}: output {row.argmax()} is the largest, but class "
                f"{found[i].argmax()} has the largest probability"
            )


def extreme_outputs_stay_finite(case: LossCase) -> None:
    """Outputs of ±10,000 give finite losses and gradients without a warning."""
    outputs = 1e4 * np.sign(case.outputs(np.float32))
    cause = (
        "the exponential of a large number, or the logarithm of a probability of 0; subtract the "
        "largest output of each row first, as log-sum-exp does"
    )
    with compare.warnings_as_failures("outputs of ±10,000", cause):
        for name, values in case.results(outputs, LABELS).items():
            compare.expect_finite(values, name, cause)


def wrong_targets_raise_value_error(case: LossCase) -> None:
    """Targets of a different shape, and labels that are not a class, raise ValueError."""
    for what, targets in {
        f"a label {K} of {K} classes": np.array([0, 1, K, 0, 0]),
        "a label −1": np.array([0, -1, 1, 0, 0]),
        "fewer labels than samples": np.array([0, 1]),
        "rows of a different length": np.zeros((N, K + 1)),
    }.items():
        try:
            case.thing.forward(case.outputs(), targets)
        except ValueError:
            continue
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        else:
            found = "a result"
        cause = "lenetkit.losses.as_rows checks them"
        raise compare.fail(f"{what}: expected ValueError, found {found}", cause)


def memory_order_does_not_matter(case: LossCase) -> None:
    """Outputs that are not contiguous give the same losses and gradients."""
    outputs = case.outputs()
    expected = case.results(outputs, LABELS)
    for same in (np.asfortranarray(outputs), np.repeat(outputs, 2, axis=1)[:, ::2]):
        _expect_close(case.results(same, LABELS), expected, "outputs not contiguous")


def interleaved_passes_do_not_mix(case: LossCase) -> None:
    """Two forward passes, then their two backward passes, give what each gives alone."""
    unchanged = Unchanged(case.thing)
    batches = case.outputs(), -case.outputs()[:2]
    saved = [case.thing.forward(b, LABELS[: len(b)])[1] for b in batches]
    unchanged.expect("forward")
    for i, batch in enumerate(batches):
        found = case.thing.backward(saved[i])
        expected = case.results(batch, LABELS[: len(batch)])["gradient"]
        cause = "the loss keeps what backward needs; return it from forward instead"
        what = f"gradient {i + 1} of two interleaved passes"
        compare.expect_same(found, expected, what, cause=cause)


_ORIGINS = Origins(
    (
        *COMMON_LADDERS,
        (
            Rung(
                ("one_loss_per_sample",),
                (
                    "empty_batch",
                    "labels_are_the_same_as_one_hot_rows",
                    "dtype_is_kept",
                    "memory_order_does_not_matter",
                ),
            ),
            Rung(("inputs_are_not_written_to",), ("interleaved_passes_do_not_mix",)),
            Rung(
                ("gradient_is_right_for_labels",),
                ("gradient_is_right_for_rows", "samples_do_not_depend_on_their_batch"),
            ),
        ),
        (Rung(("probabilities_are_probabilities",), ("probabilities_keep_the_largest",)),),
    ),
    {
        "backward": ("gradient_is_right_for_labels", "gradient_is_right_for_rows"),
        "probabilities": ("probabilities_are_probabilities", "probabilities_keep_the_largest"),
        "forward": ("one_loss_per_sample", "wrong_targets_raise_value_error"),
    },
    keep="return it from forward, as in `return losses, saved`, and backward receives it",
)
SUITE = Suite(Loss, LossCase, promises_in(__name__), _ORIGINS)
loss_checks, check_loss = SUITE.checks, SUITE.check


def _expect_close(
    found: dict[str, Array], expected: dict[str, Array], what: str, cause: str = ""
) -> None:
    compare.expect_all_same(found, expected, what, tolerance=ROUNDING, cause=cause)


def _expect_gradient(case: LossCase, targets: Targets, what: str) -> None:
    outputs, weights = case.outputs(), np.full(N, 1 / N)
    found = case.results(outputs.copy(), targets)["gradient"]

    def losses() -> Array:
        return case.thing.forward(outputs, targets)[0]

    expect_gradient(found, losses, outputs, weights, what, N)
