"""Which failure explains which, whose line raised it, and the method to look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenetkit.conformance.examples import checks_of, example_checks
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.report import Check, CheckFailed, Report, run_checks
from lenetkit.options import Configurable
from lenetkit.registry.catalog import Catalog
from lenetkit.registry.plugin_file import add_file
from tests.conformance.test_wrong_objects import RIGHT

PLUGINS = Path(__file__).parents[1] / "support" / "field" / "plugins"


def field_report(name: str) -> Report:
    """What the checks of a plugin from the field find."""
    (entry,) = add_file(Catalog(()), PLUGINS / f"{name}.py")
    return run_checks(example_checks(entry.point.load(), entry.name))


# plugin → the first cause: its check, parts of its message and cause, its method, its line
FIRST = {
    "l12b_self_assign": (
        "passes_return_what_the_contract_says",
        "cannot assign to field 'x' (l12b_self_assign.py:18, in forward)",
        "return it from forward, as in `return y, x`",
        ("forward", "self.x = x"),
    ),
    "l17b_forward_one": (
        "passes_return_what_the_contract_says",
        "forward: expected two values, the output and what backward needs, found ndarray",
        "write `return y, saved`",
        ("forward", "def forward(self, params, x, call):"),
    ),
    "l03_inplace": (
        "input_is_not_written_to",
        "x after forward",
        "forward writes to x; work on a copy of it",
        ("forward", "x *= 1 / (1 + np.exp(-x))"),
    ),
    "l05_added": (
        "gradients_are_written",
        "gradient of weight, where NaN and where 7 was",
        "write grads['weight'][...] = …",
        ("backward", "def backward(self, params, saved, dy, grads, call):"),
    ),
    "l01_forgot_mean": (
        "input_gradient_is_right",
        "dx at",
        "",
        ("backward", "def backward(self, params, saved, dy, grads, call):"),
    ),
    "l18b_axis0only": (
        "parameter_gradients_are_right",
        "gradient of bias",
        "",
        ("backward", "def backward(self, params, saved, dy, grads, call):"),
    ),
    "s03_overflow": (
        "extreme_outputs_stay_finite",
        "RuntimeWarning: overflow encountered in exp",
        "the exponential of a large number",
        ("forward", "p = np.exp(outputs)"),
    ),
    "o07_sqrt_noeps": (
        "zero_gradient_is_accepted",
        "RuntimeWarning: invalid value encountered in divide",
        "add a small eps",
        ("step", "params -= lr * grads / np.sqrt(v)"),
    ),
    "o03b_local_state": (
        "active_slots_are_used",
        "state['v'] is still 0 after two steps",
        "`v = …` makes a new array that is forgotten; write state['v'][...] = …",
        ("step", "def step(self, params, grads, state, lr, t):"),
    ),
    "i03_transposed": (
        "sample_has_the_given_shape",
        "expected shape (6, 3, 5, 5), found (5, 5, 3, 6)",
        "the axes are in reverse order",
        ("sample", "def sample(self, rng, shape, fan_in, fan_out):"),
    ),
}


@pytest.mark.parametrize("name", FIRST)
def test_the_first_cause_is_the_only_one_and_the_line_is_the_authors(name: str) -> None:
    check, message, cause, (function, text) = FIRST[name]
    found = field_report(name)
    ((first, others),) = found.failures()
    assert first.name == check
    assert message in first.found
    assert cause in first.cause
    assert first.line is not None
    assert (first.line.function, first.line.text) == (function, text)
    assert Path(first.line.file) == PLUGINS / f"{name}.py"
    assert 1 + len(others) == found.failed


def test_the_text_counts_what_follows() -> None:
    found = field_report("l12b_self_assign")
    lines = [line for line in str(found).splitlines() if "SKIPPED" not in line]
    assert len(lines) == 4
    assert lines[-1] == f"      and {found.failed - 1} more checks fail for the same reason"


def raise_it() -> None:
    raise ZeroDivisionError("division by zero")


def fail() -> None:
    raise CheckFailed("no")


class Author:
    """Its package is this test's."""


ORIGINS = Origins(
    ((Rung(("base",)), Rung(("middle",), ("leaf",))), (Rung(("other",), ("leaf",)),)),
)


def results(**runs: object) -> dict[str, str]:
    """The names of failed checks with what they follow from."""
    checks = [Check(n, "x", run, cls=Author, origins=ORIGINS) for n, run in runs.items()]  # type: ignore[arg-type]
    return {r.name: r.follows for r in run_checks(checks).of("failed")}


def test_a_failure_follows_from_the_lowest_rung_that_failed() -> None:
    assert results(leaf=fail, middle=fail, base=fail) == {
        "leaf": "base",
        "middle": "base",
        "base": "",
    }
    assert results(leaf=fail, middle=fail) == {"leaf": "middle", "middle": ""}
    assert results(leaf=fail, other=fail) == {"leaf": "other", "other": ""}


def test_failures_of_different_ladders_are_separate() -> None:
    assert results(middle=fail, other=fail, unknown=fail) == {
        "middle": "",
        "other": "",
        "unknown": "",
    }


def test_what_one_line_raises_is_one_fault() -> None:
    assert results(middle=raise_it, other=raise_it, unknown=fail) == {
        "middle": "other",
        "other": "",
        "unknown": "",
    }


def test_equal_failures_of_several_subjects_are_one() -> None:
    checks = [Check("base", subject, fail, origins=ORIGINS) for subject in ("a", "b", "c")]
    ((first, others),) = run_checks(checks).failures()
    assert (first.subject, [r.subject for r in others]) == ("a", ["b", "c"])


def test_an_exit_is_a_failure_of_its_check() -> None:
    def leave() -> None:
        raise SystemExit(0)

    (failure,) = run_checks([Check("one", "x", leave)]).of("failed")
    assert failure.message.startswith("raised SystemExit: 0 (test_origin.py:")


def test_ctrl_c_ends_the_checks() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_checks([Check("one", "x", interrupt)])


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: type(right).__name__)
def test_ladders_and_methods_name_checks_and_methods_that_exist(right: Configurable) -> None:
    checks = checks_of(right, "right")
    names, origins = {check.name for check in checks}, checks[0].origins
    assert set(origins.presumed) <= names
    assert {name for of_method in origins.methods.values() for name in of_method} <= names
    second = {"second_backward", "function", "derivative"}  # of some layers only
    assert all(hasattr(right, method) for method in set(origins.methods) - second)
