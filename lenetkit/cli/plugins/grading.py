"""The conformance suite run on registrations: facts for JSON and tables, and reports."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from lenetkit.cli.plugins.registered import Row, load, rows, unknown
from lenetkit.conformance.examples import example_checks, how_to_check
from lenetkit.conformance.report import Report, Result, run_checks
from lenetkit.errors import PluginError
from lenetkit.registry.catalog import GROUPS, installed
from lenetkit.registry.plugin_file import add_file

ANNOUNCED = "ok but for announced failures"
"""The state where all failures are in `expected_failures`."""


def checked(
    targets: tuple[str, ...], verbose: bool = False
) -> tuple[list[dict[str, Any]], list[str]]:
    """The facts of everything that the targets mean, and the reports to show."""
    facts, texts = [], []
    for row in _chosen(targets):
        report, state = _check(row)
        facts.append(_facts(row, report, state))
        if not report.ok or (verbose and report.skipped):
            texts.append(str(report))
        if state == "not checked":
            texts.append(f"not checked: {how_to_check(load(row))}")
    return facts, texts


def _chosen(targets: tuple[str, ...]) -> list[Row]:
    """The registrations that the targets mean, without repeats."""
    files = {t: add_file(installed(), Path(t)) for t in targets if t.endswith(".py")}
    everything = rows()
    if not targets:
        return everything
    chosen = []
    for target in targets:
        found = [
            (group, entry)
            for group, entry in everything
            if entry in files.get(target, ())
            or target in (entry.name, entry.qualified, entry.provider.distribution)
        ]
        if not found:
            valid = {n for _, e in everything for n in (e.name, e.provider.distribution)}
            raise unknown(target, valid)
        chosen += found
    return list(dict.fromkeys(chosen))


def _check(row: Row) -> tuple[Report, str]:
    try:
        cls = load(row)
    except PluginError as error:
        return run_checks([]), str(error)
    checks = example_checks(cls, row[1].name)
    names = {check.name for check in checks}
    expected = {name: why for name, why in cls.expected_failures.items() if name in names}
    report = run_checks(checks, expected_failures=expected)
    state = "failed" if not report.ok else ANNOUNCED if report.expected_failures else "ok"
    return report, state if report.results else "not checked"


def _facts(row: Row, report: Report, state: str) -> dict[str, Any]:
    group, entry = row
    return {
        "name": entry.name,
        "kind": GROUPS[group].kind,
        "distribution": entry.provider.distribution,
        "path": inspect.getsourcefile(load(row)) if report.results else None,
        "passed": report.passed,
        "failed": report.failed,
        "expected": report.expected_failures,
        "skipped": report.skipped,
        "state": state,
        "failures": [_failure(r) for root, others in report.failures() for r in (root, *others)],
    }


def _failure(result: Result) -> dict[str, Any]:
    return {
        "check": result.name,
        "message": result.found,
        "cause": result.cause,
        "file": result.line.file if result.line else None,
        "line": result.line.number if result.line else None,
    }
