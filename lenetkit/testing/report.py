"""Checks and what came of them: every one that ran, failed, was skipped or expected to fail."""

from __future__ import annotations

import traceback
import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from lenetkit.errors import did_you_mean
from lenetkit.options import Configurable, options_of

Subject = TypeVar("Subject")
Outcome = Literal["passed", "failed", "skipped", "expected failure", "unexpected pass"]
NOTHING_EXPECTED: Mapping[str, str] = MappingProxyType({})


class CheckFailed(AssertionError):  # noqa: N818
    """A promise is not kept; the message says where, what was found and what was expected."""


class CheckSkipped(unittest.SkipTest):
    """A check that does not concern this object; the message says why. pytest shows it as a skip.

    A loop over checks by hand must catch it as it catches CheckFailed.
    """


@dataclass(frozen=True)
class Check:
    """One promise, to be held against one object. Calling it runs it.

    Raises CheckFailed where the promise is broken, CheckSkipped where it does not concern the
    object, and lets through whatever the object itself raises.
    """

    name: str
    subject: str
    run: Callable[[], None] = field(repr=False, compare=False)
    doc: str = ""
    """The promise, in one sentence or two."""

    @property
    def id(self) -> str:
        """`SUBJECT-NAME`: one for every check and object."""
        return f"{self.subject}-{self.name}"

    def __call__(self) -> None:
        self.run()


@dataclass(frozen=True)
class Result:
    """What came of one check. `message` says why it failed, was skipped or was expected to fail."""

    name: str
    subject: str
    outcome: Outcome
    message: str = ""

    def __str__(self) -> str:
        lines = self.message.splitlines() or [""]
        text = "\n      ".join(lines)
        return f"{self.outcome.upper()} {self.subject}-{self.name}: {text}".rstrip(": ")


@dataclass(frozen=True)
class Report:
    """All results. `str(report)` is a line of counts, then everything that did not simply pass."""

    results: tuple[Result, ...]

    @property
    def passed(self) -> int:
        """How many checks ran and held."""
        return len(self.of("passed"))

    @property
    def failed(self) -> int:
        """How many checks ran and did not hold."""
        return len(self.of("failed"))

    @property
    def skipped(self) -> int:
        """How many checks do not concern the object."""
        return len(self.of("skipped"))

    @property
    def expected_failures(self) -> int:
        """How many checks failed as announced."""
        return len(self.of("expected failure"))

    @property
    def unexpected_passes(self) -> int:
        """How many checks held although they were announced to fail."""
        return len(self.of("unexpected pass"))

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and nothing held that was announced to fail."""
        return not self.failed and not self.unexpected_passes

    def of(self, outcome: Outcome) -> tuple[Result, ...]:
        """The results with one outcome, in order."""
        return tuple(result for result in self.results if result.outcome == outcome)

    def __str__(self) -> str:
        counts = ", ".join(
            (
                f"{len(self.results)} checks: {self.passed} passed",
                f"{self.failed} failed",
                f"{self.skipped} skipped",
                f"{self.expected_failures} expected to fail",
                f"{self.unexpected_passes} passed unexpectedly",
            )
        )
        order: tuple[Outcome, ...] = ("failed", "unexpected pass", "expected failure", "skipped")
        shown = [str(result) for outcome in order for result in self.of(outcome)]
        return "\n  ".join([counts, *shown])


def collect(
    functions: Sequence[Callable[[Subject], None]], case: Subject, subject: str
) -> list[Check]:
    """One check for each function, named after it and documented by its docstring."""
    return [_check(function, case, subject) for function in functions]


def _check(function: Callable[[Subject], None], case: Subject, subject: str) -> Check:
    doc = " ".join((function.__doc__ or "").split())
    return Check(function.__name__, subject, lambda: function(case), doc)


def run_checks(
    checks: Sequence[Check], *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """Run all checks, whatever becomes of each.

    `expected_failures` maps names of checks to the reason why they are to fail.
    Raises ValueError for a name that is no check's.
    """
    names = {check.name for check in checks}
    for name in expected_failures:
        if name not in names:
            raise ValueError(f"expected_failures: no check '{name}'{did_you_mean(name, names)}")
    return Report(tuple(_run(check, expected_failures.get(check.name)) for check in checks))


def require(
    checks: Sequence[Check], *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """Run all checks and return the report. Raises CheckFailed, with all of it, unless it is ok."""
    report = run_checks(checks, expected_failures=expected_failures)
    if not report.ok:
        raise CheckFailed(str(report))
    return report


def _run(check: Check, expected: str | None) -> Result:
    try:
        check()
    except unittest.SkipTest as skip:
        return Result(check.name, check.subject, "skipped", str(skip))
    except Exception as error:  # an object under test may fail in any way: it is a finding
        if expected is not None:
            return Result(check.name, check.subject, "expected failure", expected)
        return Result(check.name, check.subject, "failed", failure_text(error))
    if expected is not None:
        return Result(check.name, check.subject, "unexpected pass", f"was to fail: {expected}")
    return Result(check.name, check.subject, "passed")


def failure_text(error: BaseException) -> str:
    """What went wrong; for anything but a failed check also its type and place."""
    if isinstance(error, CheckFailed):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    place = f" ({Path(last.filename).name}:{last.lineno}, in {last.name})" if last else ""
    return f"raised {type(error).__name__}: {error}{place}"


def subject_of(thing: Configurable) -> str:
    """What an object is called in ids: its class, and the options that are not the default."""
    options = {
        option.name: getattr(thing, option.name, None)
        for option in options_of(type(thing))
        if getattr(thing, option.name, None) != option.default
    }
    shown = ",".join(f"{name}={value!r}" for name, value in options.items()).replace(" ", "")
    return f"{type(thing).__name__}({shown})" if shown else type(thing).__name__


def expect_kind(thing: Any, kind: type[Configurable]) -> None:
    """Raises TypeError, with what to do, for anything but an object of the kind."""
    if isinstance(thing, kind):
        return
    base = f"{kind.__module__}.{kind.__name__}"
    if isinstance(thing, type) and issubclass(thing, kind):
        raise TypeError(
            f"expected an object, found the class {thing.__name__}; write {thing.__name__}(…)"
        )
    raise TypeError(
        f"expected an object whose class derives from {base}, found {type(thing).__name__}"
    )
