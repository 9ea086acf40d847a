"""Checks and their results: each one passed, failed, was skipped, or was expected to fail."""

from __future__ import annotations

import traceback
import unittest
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from lenetkit.conformance.origin import Origins, raised_at
from lenetkit.errors import cause, did_you_mean, is_ctrl_c
from lenetkit.registry.blame import Line

Outcome = Literal["passed", "failed", "skipped", "expected failure", "unexpected pass"]
NOTHING_EXPECTED: Mapping[str, str] = MappingProxyType({})
_CAUSE = "\nlikely cause: "


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
    cls: type | None = field(default=None, repr=False, compare=False)
    """The class under test."""
    origins: Origins = field(default=Origins(), repr=False, compare=False)
    announced: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """Checks that are expected to fail, beside those that the class announces."""

    @property
    def id(self) -> str:
        """`SUBJECT-NAME`, unique for every check and object."""
        return f"{self.subject}-{self.name}"

    def __call__(self) -> None:
        own = getattr(self.cls, "expected_failures", ())
        token = _announced.set(self.announced.union(own))
        try:
            self.run()
        finally:
            _announced.reset(token)


_announced = ContextVar("_announced", default=frozenset[str]())


def is_announced(name: str) -> bool:
    """Whether a check is expected to fail: another one that runs now leaves the same out."""
    return name in _announced.get()


def expecting(checks: Sequence[Check], expected_failures: Collection[str]) -> list[Check]:
    """The checks, knowing which of them are expected to fail.

    Raises ValueError for a name that no check has.
    """
    expect_known(expected_failures, checks)
    return [replace(check, announced=frozenset(expected_failures)) for check in checks]


@dataclass(frozen=True)
class Result:
    """The result of one check. `message` says why it failed, was skipped or should have failed."""

    name: str
    subject: str
    outcome: Outcome
    message: str = ""
    line: Line | None = None
    """The line of the plugin that a failure comes from, or the method to look at."""
    raised: str = ""
    """What the plugin raised, if it did: the type."""
    follows: str = ""
    """The check whose failure explains this one, possibly itself, for another subject."""

    @property
    def found(self) -> str:
        """The message without its likely cause."""
        return self.message.partition(_CAUSE)[0]

    @property
    def cause(self) -> str:
        """The likely cause; empty if none is known."""
        return self.message.partition(_CAUSE)[2]

    def __str__(self) -> str:
        text = self.message.replace("\n", "\n      ")
        return f"{self.outcome.upper()} {self.subject}-{self.name}: {text}".rstrip(": ")


@dataclass(frozen=True, repr=False)
class Report:
    """All results. `str(report)` is a line of counts, then every result other than a pass.

    Failures come first that no other explains; those that follow from them are only counted.
    """

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

    def __repr__(self) -> str:
        return f"<Report of {self._counts}>"

    def __str__(self) -> str:
        return "\n  ".join([self._counts, *self._shown(), *map(str, self.of("skipped"))])

    def _repr_html_(self) -> str:
        from lenetkit.html.rendering import render  # Jinja2 takes a while to import

        skipped = [str(result) for result in self.of("skipped")]
        return render("checks.html", heading=self._counts, shown=self._shown(), skipped=skipped)

    @property
    def _counts(self) -> str:
        return (
            f"{len(self.results)} checks: {self.passed} passed, {self.failed} failed, "
            f"{self.skipped} skipped, {self.expected_failures} expected to fail, "
            f"{self.unexpected_passes} passed unexpectedly"
        )

    def _shown(self) -> list[str]:
        """What neither passed nor was skipped."""
        failures = [str(root) + in_addition(len(others)) for root, others in self.failures()]
        order: tuple[Outcome, ...] = ("unexpected pass", "expected failure")
        return [*failures, *(str(result) for outcome in order for result in self.of(outcome))]

    def failures(self) -> list[tuple[Result, list[Result]]]:
        """Each failure that no other explains, with those that follow from it."""
        failed = self.of("failed")
        roots = [result for result in failed if not result.follows]
        return [(root, [r for r in failed if r.follows == root.name]) for root in roots]


def expect_known(expected_failures: Collection[str], checks: Sequence[Check]) -> None:
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
    checks = expecting(checks, expected_failures)
    return Report(explained([run_check(c, expected_failures.get(c.name)) for c in checks], checks))


def run_check(check: Check, expected: str | None = None) -> Result:
    """Run one check. `expected` is the reason why it fails, if it should.

    Warnings fail the checks that look for them, and no others, whatever Python's filters say.
    """
    outcome: Outcome = "passed" if expected is None else "unexpected pass"
    message = "" if expected is None else f"expected to fail: {expected}"
    line, raised = None, ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check()
    except unittest.SkipTest as skip:
        outcome, message = "skipped", str(skip)
    except BaseException as error:  # the object under test may raise anything: that fails too
        if is_ctrl_c(error):
            raise
        if expected is not None:
            outcome, message = "expected failure", expected
        else:
            outcome, message = "failed", _failure_text(error, check)
            fault = error.__cause__ if isinstance(error, CheckFailed) else error
            line = raised_at(fault, check.cls)
            raised = type(fault).__name__ if line else ""
            line = line or check.origins.method(check.name, check.cls)
    return Result(check.name, check.subject, outcome, message, line, raised)


def explained(results: Sequence[Result], checks: Sequence[Check]) -> tuple[Result, ...]:
    """The results with `follows` filled in.

    A failure follows from one that its check presumes not to happen, and from an earlier one of
    the same check, or raised by the same line.
    """
    presumed = {check.name: check.origins.presumed.get(check.name, frozenset()) for check in checks}
    failed = [result for result in results if result.outcome == "failed"]
    roots: list[Result] = []
    found: dict[tuple[str, str], str] = {}
    for result in sorted(failed, key=lambda result: len(presumed[result.name])):
        for root in roots:
            if root.name in presumed[result.name] or _same_fault(root, result):
                found[result.name, result.subject] = root.name
                break
        else:
            roots.append(result)
    return tuple(replace(r, follows=found.get((r.name, r.subject), "")) for r in results)


def _same_fault(one: Result, other: Result) -> bool:
    """Whether two failures are of one check, or were raised by the same line."""
    if one.name == other.name:
        return True
    return bool(one.raised) and (one.raised, one.line) == (other.raised, other.line)


def in_addition(count: int) -> str:
    """What follows a failure that explains `count` others."""
    others = "one more check fails" if count == 1 else f"{count} more checks fail"
    return f"\n      and {others} for the same reason" if count else ""


def _failure_text(error: BaseException, check: Check) -> str:
    """What went wrong, after the notes that say for which options.

    Unless a check failed, with the exception's type and where it was raised.
    """
    notes = "".join(f"{note}: " for note in getattr(error, "__notes__", ()))
    if isinstance(error, CheckFailed):
        return f"{notes}{error}"
    line = raised_at(error, check.cls)
    at = traceback.extract_tb(error.__traceback__)[-1]
    place = line.place if line else f"{Path(at.filename).name}:{at.lineno}"
    text = f"{notes}raised {cause(error)} ({place}, in {line.function if line else at.name})"
    advice = check.origins.advice(error)
    return f"{text}{_CAUSE}{advice}" if advice else text
