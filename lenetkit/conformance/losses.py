"""What `lenetkit.losses` promises of every loss."""

from __future__ import annotations

import copy
import dis
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array
from lenetkit.conformance import compare
from lenetkit.conformance.common import COMMON_LADDERS, Unchanged
from lenetkit.conformance.numeric import expect_gradient, spread
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.other_options import expect_effects
from lenetkit.conformance.reloading import FORGOTTEN, reloaded
from lenetkit.conformance.report import CheckSkipped
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.losses import Loss, SecondOrderLoss, Targets
from lenetkit.registry.blame import package_of

ROUNDING = 1e-9
DTYPES = (np.float32, np.float64)
CLASSES = (4, 10, 1, 2, 3, 5, 6, 7, 8, 9, 16, 17, 26, 100, 200, 300, 1000)
"""The numbers of classes K to try; the first that a loss takes is used throughout."""
BATCH = 5
SIZES = (
    (5, 4),
    (1, 4),
    (2, 4),
    (3, 2),
    (9, 10),
    (18, 3),
    (4, 1),
    (33, 2),
    (2, 26),
    *((2, K) for K in (5, 6, 7, 8, 9, 16, 17)),
    (1, 100),
    (1, 1000),
)
"""N × K for gradients: around a block of 8 or 16, and with few and many classes."""
BATCHES = (*range(1, 35), 63, 64, 65, 100, 128, 129, 257, 1000)
ALONE = 65
"""Samples of a batch that are compared."""
LARGE = (20.0, 1e4)


@dataclass(frozen=True)
class LossCase:
    """A loss under test with outputs and targets."""

    thing: Loss

    @property
    def size(self) -> tuple[int, int]:
        """N and K: the first number of classes that the loss takes."""
        return BATCH, next((k for k in CLASSES if self.takes(k)), CLASSES[0])

    def takes(self, K: int, targets: Callable[[tuple[int, int]], Array] | None = None) -> bool:
        """Whether the loss takes K outputs; one that weights its classes has a number of them.

        `targets` are labels, unless others are given.
        """
        try:
            self.thing.forward(self.outputs((1, K)), (targets or _labels)((1, K)))
        except ValueError as error:
            return not _is_refusal(error)
        except Exception:  # the check that needs it reports it
            return True
        return True

    def sizes(self) -> Iterator[tuple[int, int]]:
        """All N × K that the loss takes, its own first."""
        yield self.size
        taken = {K: self.takes(K) for K in CLASSES}
        yield from (size for size in SIZES if taken[size[1]] and size != self.size)

    def outputs(self, size: tuple[int, int] | None = None, dtype: Any = np.float64) -> Array:
        """Outputs (N, K), all different, and not a margin of 1 or ½ apart."""
        return (1.0371 * spread(size or self.size)).astype(dtype)

    def labels(self) -> Array:
        """A class for each sample."""
        return _labels(self.size)

    def rows(self) -> Array:
        """The labels as one-hot rows (N, K)."""
        return _one_hot(self.size)

    def results(self, outputs: Array, targets: Targets) -> dict[str, Array]:
        """Copies of the losses (N,), d(mean loss)/d(outputs) and second derivatives, if any."""
        losses, saved = self.thing.forward(outputs, targets)
        found = {"losses": copy.copy(losses), "gradient": copy.copy(self.thing.backward(saved))}
        if isinstance(self.thing, SecondOrderLoss):
            _, saved = self.thing.forward(outputs, targets)
            found["second derivatives"] = copy.copy(self.thing.second_backward(saved))
        return found


def _labels(size: tuple[int, int]) -> Array:
    """Classes in random order, all of them where there are as many samples."""
    N, K = size
    order = np.random.default_rng(N).permutation(K)
    return (K - 1 - np.resize(order, N)).astype(np.int64)


def _one_hot(size: tuple[int, int]) -> Array:
    """The labels as rows (N, K)."""
    return np.eye(size[1])[_labels(size)]


def _soft_rows(size: tuple[int, int]) -> Array:
    """Rows of probabilities, as mixing and smoothing of labels make them."""
    return 0.6 * _one_hot(size) + 0.4 * np.random.default_rng(0).dirichlet(
        np.ones(size[1]), size[0]
    )


def one_loss_per_sample(case: LossCase) -> None:
    """`forward` gives one finite number for each sample."""
    for N, K in case.sizes():
        losses, _ = case.thing.forward(case.outputs((N, K)), _labels((N, K)))
        cause = "return the loss of each sample, not their mean"
        compare.expect_shape(losses, (N,), f"losses{_of((N, K))}", cause)
        compare.expect_finite(losses, f"losses{_of((N, K))}")


def passes_are_repeatable(case: LossCase) -> None:
    """The same batch gives the same bits again, whatever came between."""
    before = case.results(case.outputs(), case.labels())
    case.results(-3 * case.outputs(), case.labels())
    cause = "the loss draws random numbers, or remembers earlier batches"
    found = case.results(case.outputs(), case.labels())
    compare.expect_all_same(found, before, "the same batch again", cause=cause)


def gradient_is_right_for_labels(case: LossCase) -> None:
    """For class labels, `backward` is the gradient of the mean loss."""
    for size in case.sizes():
        _expect_gradient(case, case.outputs(size), _labels(size), f"gradient for labels{_of(size)}")


def gradient_is_right_for_rows(case: LossCase) -> None:
    """For one-hot rows, `backward` is the gradient of the mean loss."""
    _expect_gradient(case, case.outputs(), case.rows(), "gradient for one-hot rows")


def gradient_is_right_for_soft_rows(case: LossCase) -> None:
    """For rows of probabilities, too, unless `forward` refuses them with a ValueError."""
    for size in case.sizes():
        if not case.takes(size[1], _soft_rows):
            raise CheckSkipped("the loss takes labels and one-hot rows only")
        what = f"gradient for soft rows{_of(size)}"
        cause = "right for one-hot rows only: every value of a row counts"
        _expect_gradient(case, case.outputs(size), _soft_rows(size), what, cause)


def gradient_is_right_for_large_outputs(case: LossCase) -> None:
    """Where outputs are as large as ±20 or ±10,000, `backward` is still `forward`'s gradient."""
    for scale in LARGE:
        outputs = scale / 3 * case.outputs()
        for kind, targets in {"labels": case.labels(), "one-hot rows": case.rows()}.items():
            what = f"gradient for {kind}, outputs around ±{scale:,.0f}"
            _expect_gradient(case, outputs, targets, what)


def second_derivatives_are_right(case: LossCase) -> None:
    """`second_backward` is d²L/d(outputs)² of each sample; where that is negative, at least 0."""
    if not isinstance(case.thing, SecondOrderLoss):
        raise CheckSkipped("the loss has no second derivatives")
    for size in case.sizes():
        kinds = {"labels": _labels(size), "one-hot rows": _one_hot(size)}
        if case.takes(size[1], _soft_rows):
            kinds["soft rows"] = _soft_rows(size)
        for kind, targets in kinds.items():
            _expect_curvature(case.thing, case.outputs(size), targets, f"for {kind}{_of(size)}")


def labels_are_the_same_as_one_hot_rows(case: LossCase) -> None:
    """A class label and its one-hot row give the same losses and gradients, for every class."""
    cause = "convert targets to rows with lenetkit.losses.as_rows"
    for K in filter(case.takes, CLASSES):
        size = max(K, BATCH), K
        outputs, classes = case.outputs(size), _labels(size)
        expected = case.results(outputs, _one_hot(size))
        for dtype in (np.int64, np.int32, np.uint8):
            if np.iinfo(dtype).max >= K - 1:
                found = case.results(outputs, classes.astype(dtype))
                what = f"labels{_of(size)} as {np.dtype(dtype)}"
                _expect_close(found, expected, what, cause)


def samples_do_not_depend_on_their_batch(case: LossCase) -> None:
    """A sample alone has the same loss as in a batch of any size N, and N times the gradient.

    And the same probabilities.
    """
    cause = "divide by the number of samples once: training minimizes the mean"
    size = max(BATCHES), case.size[1]
    outputs, rows = case.outputs(size), _one_hot(size)
    alone = [_scaled(case, outputs[i : i + 1], rows[i : i + 1]) for i in range(ALONE)]
    for N in BATCHES:
        together = _scaled(case, outputs[:N], rows[:N])
        for name, values in together.items():
            compare.expect_shape(values, (N, *size[1:])[: values.ndim], f"{name}, N = {N}")
        expected = {n: np.concatenate([one[n] for one in alone[:N]]) for n in together}
        found = {n: values[:ALONE] for n, values in together.items()}
        _expect_close(found, expected, f"in a batch of {N}", cause)


def dtype_is_kept(case: LossCase) -> None:
    """Losses, gradients and probabilities have the dtype of the outputs, for all targets."""
    wide = case.results(case.outputs(), case.rows())
    for dtype in DTYPES:
        outputs = case.outputs(dtype=dtype)
        for kind, targets in {"labels": case.labels(), "float64 rows": case.rows()}.items():
            cause = f"{kind} promote the result; convert them to the dtype of the outputs"
            found = case.results(outputs, targets)
            for name, values in found.items():
                compare.expect_dtype(values, dtype, f"{name} for {kind}", cause)
            compare.expect_all_same(found, wide, np.dtype(dtype).name, tolerance=1e-4)
        compare.expect_dtype(case.thing.probabilities(outputs), dtype, "probabilities")


def inputs_are_not_written_to(case: LossCase) -> None:
    """Outputs and targets stay as they are."""
    outputs, rows, classes = case.outputs(), case.rows(), case.labels()
    case.results(outputs, rows)
    case.results(outputs, classes)
    case.thing.probabilities(outputs)
    compare.expect_untouched(outputs, case.outputs(), "outputs", "a pass")
    compare.expect_untouched(rows, case.rows(), "targets", "a pass")
    compare.expect_untouched(classes, case.labels(), "targets", "a pass")


def gradients_own_their_memory(case: LossCase) -> None:
    """The gradient is a plain array that the layers may write to, in memory of its own."""
    outputs, rows = case.outputs(), case.rows()
    given = {"the outputs": outputs, "the targets": rows}
    expected = case.results(outputs.copy(), rows.copy())
    losses, saved = case.thing.forward(outputs, rows)
    if type(losses) is not np.ndarray:
        raise compare.fail(f"losses: expected a plain array, found a {type(losses).__name__}")
    written = {"gradient": case.thing.backward(saved)}
    if isinstance(case.thing, SecondOrderLoss):
        written["second derivatives"] = case.thing.second_backward(
            case.thing.forward(outputs, rows)[1]
        )
    for name, values in written.items():
        compare.expect_own_memory(values, name, given)
        values.fill(7)
    found = case.results(outputs, rows)
    cause = "the loss keeps its gradient and returns it again"
    compare.expect_all_same(found, expected, "after writing to a gradient", cause=cause)


def empty_batch(case: LossCase) -> None:
    """A batch of 0 samples gives empty results without a warning."""
    K = case.size[1]
    outputs = np.empty((0, K))
    with compare.warnings_as_failures("batch of 0"):
        found = case.results(outputs, np.empty(0, np.int64))
        probabilities = case.thing.probabilities(outputs)
    for name, values in found.items():
        shape = (0,) if name == "losses" else (0, K)
        compare.expect_shape(values, shape, f"{name} of a batch of 0")
    compare.expect_shape(probabilities, (0, K), "probabilities of a batch of 0")


def probabilities_are_probabilities(case: LossCase) -> None:
    """`probabilities` gives rows of numbers of at least 0 that sum to 1."""
    cause = "subtract the largest value of each row before taking exponentials"
    for size in case.sizes():
        for scale in (1.0, 1e-3, 1e4):
            for dtype in DTYPES:
                found = case.thing.probabilities((scale * case.outputs(size)).astype(dtype))
                what = f"probabilities of outputs around ±{3 * scale:g}{_of(size)}"
                compare.expect_shape(found, size, what)
                compare.expect_finite(found, what, cause)
                if found.min() < 0:
                    raise compare.fail(f"{what}: expected numbers ≥ 0, found {found.min():g}")
                total = found.sum(axis=1)
                ones = np.ones(size[0], dtype)
                compare.expect_same(total, ones, f"{what}: sum", tolerance=1e-5)


def probabilities_keep_the_largest(case: LossCase) -> None:
    """The largest output has the largest probability."""
    for size in case.sizes():
        outputs = case.outputs(size)
        found = case.thing.probabilities(outputs)
        for i, row in enumerate(outputs):
            if found[i, row.argmax()] < found[i].max():
                raise compare.fail(
                    f"sample {i}{_of(size)}: output {row.argmax()} is the largest, but class "
                    f"{found[i].argmax()} has the largest probability"
                )


def extreme_outputs_stay_finite(case: LossCase) -> None:
    """Outputs of ±10,000 give finite losses and gradients without a warning."""
    outputs = 1e4 * np.sign(case.outputs(dtype=np.float32))
    cause = (
        "the exponential of a large number, or the logarithm of a probability of 0; subtract the "
        "largest output of each row first, as log-sum-exp does"
    )
    with compare.warnings_as_failures("outputs of ±10,000", cause):
        for name, values in case.results(outputs, case.labels()).items():
            compare.expect_finite(values, name, cause)


def exact_outputs_stay_finite(case: LossCase) -> None:
    """Outputs that are all 0, or exactly the targets, give finite losses and gradients."""
    rows = case.rows()
    with np.errstate(all="ignore"):  # what is not finite is reported
        for what, outputs in {"all 0": 0 * rows, "equal to the targets": rows.copy()}.items():
            for name, values in case.results(outputs, rows).items():
                cause = "0 / 0: a division by a norm, root or range that is 0"
                compare.expect_finite(values, f"{name} of outputs {what}", cause)


def real_targets_count(case: LossCase) -> None:
    """With `takes_real_targets`, rows of any numbers count in full, and their gradient is right."""
    if not case.thing.takes_real_targets:
        raise CheckSkipped("the loss takes targets of classes only")
    outputs = case.outputs()
    targets = 4.13 * spread(outputs.shape)[::-1]
    _expect_gradient(case, outputs, targets, "gradient for rows of real numbers")
    before = case.thing.forward(outputs, targets)[0]
    for sign in (1, -1):
        far = np.where(np.sign(targets) == sign, 3 * targets, targets)
        if np.array_equal(case.thing.forward(outputs, far)[0], before):
            kind = "positive" if sign > 0 else "negative"
            raise compare.fail(
                f"losses stay the same where all {kind} targets are three times as large",
                "targets are limited, but takes_real_targets says that any number counts",
            )


def nan_is_not_hidden(case: LossCase) -> None:
    """A sample with an output of NaN has a loss of NaN, and the others theirs, if it counts."""
    clean = case.results(case.outputs(), case.labels())
    N, K = case.size
    for k in [*range(K), slice(None)]:
        outputs = case.outputs()
        outputs[1, k] = np.nan
        if not clean["gradient"][1, k].any():
            continue
        losses, _ = case.thing.forward(outputs, case.labels())
        place = "every output" if isinstance(k, slice) else f"output {k}"
        if np.isfinite(losses[1]):
            raise compare.fail(
                f"{place} of sample 1 is NaN: expected a loss of NaN, found {losses[1]:g}",
                "training that has diverged goes on unnoticed; np.where(x > 0, x, 0), fmax and "
                "nan_to_num turn NaN into a number, np.maximum(x, 0) keeps it",
            )
        others = np.arange(N) != 1
        what = f"losses of the other samples, where {place} of sample 1 is NaN"
        compare.expect_same(losses[others], clean["losses"][others], what, tolerance=ROUNDING)


def wrong_targets_raise_value_error(case: LossCase) -> None:
    """Targets of a different shape, and labels that are not a class, raise ValueError."""
    N, K = case.size
    for what, targets in {
        f"a label {K} of {K} classes": np.array([0, 0, K, 0, 0]),
        "a label −1": np.array([0, -1, 0, 0, 0]),
        "fewer labels than samples": np.array([0, 0]),
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
    expected = case.results(outputs, case.labels())
    for same in (np.asfortranarray(outputs), np.repeat(outputs, 2, axis=1)[:, ::2]):
        _expect_close(case.results(same, case.labels()), expected, "outputs not contiguous")


def interleaved_passes_do_not_mix(case: LossCase) -> None:
    """Forward passes, then their backward passes, give what each gives alone."""
    unchanged = Unchanged(case.thing)
    outputs, classes = case.outputs(), case.labels()
    batches = outputs, -outputs, -outputs[:2]
    alone = [case.results(batch, classes[: len(batch)])["gradient"] for batch in batches]
    saved = [case.thing.forward(batch, classes[: len(batch)])[1] for batch in batches]
    unchanged.expect("forward")
    gradients = [case.thing.backward(each) for each in saved]
    for i, (found, expected) in enumerate(zip(gradients, alone, strict=True), start=1):
        cause = (
            "the loss keeps what backward needs, or its gradient; return it instead, in memory of "
            "its own"
        )
        what = f"gradient {i} of {len(batches)} interleaved passes"
        compare.expect_same(found, expected, what, cause=cause)


def a_new_process_gives_the_same(case: LossCase) -> None:
    """Where its module has just run, the loss gives the same bits."""
    outputs, classes = 2 * case.outputs(), case.labels()
    found = LossCase(reloaded(case.thing)).results(outputs, classes)
    expected = case.results(outputs, classes)
    compare.expect_all_same(found, expected, "in a new process", cause=FORGOTTEN)


def every_option_has_an_effect(case: LossCase) -> None:
    """Every option changes the losses, their gradients or the probabilities."""

    def results(thing: Loss) -> bytes:
        found = []
        for size in LossCase(thing).sizes():
            for scale in (1e-2, 1.0, 10.0):
                outputs = scale * case.outputs(size)
                losses, saved = thing.forward(outputs, _labels(size))
                found += [losses, thing.backward(saved), thing.probabilities(outputs)]
        return b"".join(np.asarray(values).tobytes() for values in found)

    expect_effects(case.thing, results)


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
            Rung(("passes_are_repeatable",)),
            Rung(
                ("inputs_are_not_written_to",),
                (
                    "interleaved_passes_do_not_mix",
                    "gradients_own_their_memory",
                    "nan_is_not_hidden",
                    "labels_are_the_same_as_one_hot_rows",
                    "memory_order_does_not_matter",
                ),
            ),
            Rung(
                ("gradient_is_right_for_labels",),
                (
                    "gradient_is_right_for_rows",
                    "gradient_is_right_for_soft_rows",
                    "gradient_is_right_for_large_outputs",
                    "real_targets_count",
                    "samples_do_not_depend_on_their_batch",
                    "second_derivatives_are_right",
                    "dtype_is_kept",
                ),
            ),
            Rung(
                ("second_derivatives_are_right",),
                ("samples_do_not_depend_on_their_batch", "dtype_is_kept"),
            ),
            Rung((), ("a_new_process_gives_the_same", "every_option_has_an_effect")),
        ),
        (Rung(("probabilities_are_probabilities",), ("probabilities_keep_the_largest",)),),
        (
            Rung(
                ("extreme_outputs_stay_finite", "exact_outputs_stay_finite"),
                ("gradient_is_right_for_large_outputs", "nan_is_not_hidden"),
            ),
        ),
    ),
    {
        "backward": (
            "gradient_is_right_for_labels",
            "gradient_is_right_for_rows",
            "gradient_is_right_for_soft_rows",
            "gradient_is_right_for_large_outputs",
            "gradients_own_their_memory",
            "samples_do_not_depend_on_their_batch",
        ),
        "second_backward": ("second_derivatives_are_right",),
        "probabilities": ("probabilities_are_probabilities", "probabilities_keep_the_largest"),
        "forward": (
            "one_loss_per_sample",
            "wrong_targets_raise_value_error",
            "nan_is_not_hidden",
            "labels_are_the_same_as_one_hot_rows",
        ),
    },
    keep="return it from forward, as in `return losses, saved`, and backward receives it",
)
ONCE = (a_new_process_gives_the_same, every_option_has_an_effect)
SUITE = Suite(Loss, LossCase, promises_in(__name__), _ORIGINS, once=ONCE)
loss_checks, check_loss = SUITE.checks, SUITE.check


def _of(size: tuple[int, int]) -> str:
    return f" (N = {size[0]}, K = {size[1]})"


def _is_refusal(error: ValueError) -> bool:
    """Whether a `raise` statement raised it in words; NumPy's own errors come from an operator."""
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    if last is None or package_of(str(last.tb_frame.f_globals.get("__name__"))) == "numpy":
        return False
    return dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]] == "RAISE_VARARGS"


def _expect_close(
    found: dict[str, Array], expected: dict[str, Array], what: str, cause: str = ""
) -> None:
    compare.expect_all_same(found, expected, what, tolerance=ROUNDING, cause=cause)


def _scaled(case: LossCase, outputs: Array, targets: Targets) -> dict[str, Array]:
    """What a sample has whatever its batch."""
    found = case.results(outputs, targets)
    found["gradient times N"] = found.pop("gradient") * len(outputs)
    found["probabilities"] = case.thing.probabilities(outputs)
    return found


def _expect_gradient(
    case: LossCase, outputs: Array, targets: Targets, what: str, cause: str = ""
) -> None:
    weights = np.full(len(outputs), 1 / len(outputs))
    found = case.results(outputs.copy(), targets)["gradient"]

    def losses() -> Array:
        return case.thing.forward(outputs, targets)[0]

    expect_gradient(found, losses, outputs, weights, what, len(outputs), lambda: cause)


def _expect_curvature(loss: SecondOrderLoss, outputs: Array, targets: Targets, what: str) -> None:
    """Compare second derivatives with differences of the gradient."""
    found = loss.second_backward(loss.forward(outputs, targets)[1])
    what = f"second derivatives {what}"
    compare.expect_shape(found, outputs.shape, what)
    compare.expect_finite(found, what)
    if found.min() < 0:
        raise compare.fail(f"{what}: expected numbers ≥ 0, found {found.min():g}")
    N, K = outputs.shape
    step = 1e-5
    numeric = np.empty((N, K))
    for k in range(K):  # samples do not depend on each other
        move = np.zeros((N, K))
        move[:, k] = step
        slopes = [
            loss.backward(loss.forward(outputs + sign * move, targets)[1])[:, k] * N
            for sign in (1, -1)
        ]
        numeric[:, k] = (slopes[0] - slopes[1]) / (2 * step)
    convex = numeric >= 0
    compare.expect_same(
        np.where(convex, found, 0),
        np.where(convex, numeric, 0),
        what,
        tolerance=1e-4,
        cause="d²L/d(outputs)² of each sample, not divided by N",
    )
