"""Checks and their results: each one passed, failed, was skipped, or was expected to fail."""

from __future__ import annotations

import traceback
import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from lenetkit.errors import did_you_mean

Outcome = Literal["passed", "failed", "skipped", "expected failure", "unexpected pass"]
NOTHING_EXPECTED: Mapping[str, str] = MappingProxyType({})


class CheckFailed(AssertionError):  # noqa: N818
    """A promise is broken; the message says where, what was found and what was expected."""


class CheckSkipped(unittest.SkipTest):
    """A check that does not apply to this object; the message says why. pytest shows a skip.

    Code that calls checks itself must catch it along with CheckFailed.
    """


@dataclass(frozen=True)
class Check:
    """One promise, to be checked on one object. Calling it runs it.

    Raises CheckFailed if the promise is broken and CheckSkipped if it does not apply. Exceptions
    from the object itself pass through.
    """

    name: str
    subject: str
    run: Callable[[], None] = field(repr=False, compare=False)
    doc: str = ""
    """The promise, in one sentence or two."""

    @property
    def id(self) -> str:
        """`SUBJECT-NAME`, unique for every check and object."""
        return f"{self.subject}-{self.name}"

    def __call__(self) -> None:
        self.run()


@dataclass(frozen=True)
class Result:
    """The result of one check. `message` says why it failed, was skipped or should have failed."""

    name: str
    subject: str
    outcome: Outcome
    message: str = ""

    def __str__(self) -> str:
        text = self.message.replace("\n", "\n      ")
        return f"{self.outcome.upper()} {self.subject}-{self.name}: {text}".rstrip(": ")


@dataclass(frozen=True)
class Report:
    """All results. `str(report)` is a line of counts, then every result other than a pass."""

    results: tuple[Result, ...]

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return len(self.of("passed"))

    @property
    def failed(self) -> int:
        """How many checks failed unexpectedly."""
        return len(self.of("failed"))

    @property
    def skipped(self) -> int:
        """How many checks do not apply to the object."""
        return len(self.of("skipped"))

    @property
    def expected_failures(self) -> int:
        """How many checks failed as expected."""
        return len(self.of("expected failure"))

    @property
    def unexpected_passes(self) -> int:
        """How many checks passed although they were expected to fail."""
        return len(self.of("unexpected pass"))

    @property
    def ok(self) -> bool:
        """Whether nothing failed unexpectedly and nothing passed unexpectedly."""
        return not self.failed and not self.unexpected_passes

    def of(self, outcome: Outcome) -> tuple[Result, ...]:
        """The results with one outcome, in order."""
        return tuple(result for result in self.results if result.outcome == outcome)

    def __str__(self) -> str:
        counts = (
            f"{len(self.results)} checks: {self.passed} passed, {self.failed} failed, "
            f"{self.skipped} skipped, {self.expected_failures} expected to fail, "
            f"{self.unexpected_passes} passed unexpectedly"
        )
        order: tuple[Outcome, ...] = ("failed", "unexpected pass", "expected failure", "skipped")
        shown = [str(result) for outcome in order for result in self.of(outcome)]
        return "\n  ".join([counts, *shown])


def expect_known(expected_failures: Mapping[str, str], checks: Sequence[Check]) -> None:
    """Raises ValueError for an expected failure that names none of the checks."""
    names = {check.name for check in checks}
    for name in expected_failures:
        if name not in names:
            raise ValueError(f"expected_failures: no check '{name}'{did_you_mean(name, names)}")


def run_checks(
    checks: Sequence[Check], *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """Run all checks, whatever the result of each.

    `expected_failures` maps names of checks to the reason why they fail.
    Raises ValueError for a name that no check has.
    """
    expect_known(expected_failures, checks)
    return Report(tuple(_run(check, expected_failures.get(check.name)) for check in checks))


def _run(check: Check, expected: str | None) -> Result:
    outcome: Outcome = "passed" if expected is None else "unexpected pass"
    message = "" if expected is None else f"expected to fail: {expected}"
    try:
        check()
    except unittest.SkipTest as skip:
        outcome, message = "skipped", str(skip)
    except Exception as error:  # the object under test may raise anything: that is a failure too
        if expected is None:
            outcome, message = "failed", failure_text(error)
        else:
            outcome, message = "expected failure", expected
    return Result(check.name, check.subject, outcome, message)


def failure_text(error: BaseException) -> str:
    """What went wrong; unless a check failed, with the exception's type and where it was raised."""
    if isinstance(error, CheckFailed):
        return str(error)
    at = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(at.filename).name}:{at.lineno}, in {at.name}"
    return f"raised {type(error).__name__}: {error} ({place})"
