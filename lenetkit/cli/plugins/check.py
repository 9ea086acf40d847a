"""`lenetkit plugins check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lenetkit.cli.arguments import json_option
from lenetkit.cli.output import print_json, table
from lenetkit.cli.plugins.registered import Row, load, rows, unknown
from lenetkit.conformance.examples import example_checks, how_to_check
from lenetkit.conformance.report import Report, run_checks
from lenetkit.errors import PluginError
from lenetkit.registry.catalog import GROUPS, installed
from lenetkit.registry.plugin_file import add_file

_COUNTS = ("passed", "failed", "expected", "skipped")
_HEADERS = ("name", "kind", "distribution", *_COUNTS, "state")


@click.command(name="check", epilog="Example: lenetkit plugins check my-layers")
@click.argument("targets", metavar="[NAME|DISTRIBUTION|FILE.py]...", nargs=-1)
@click.option("--verbose", is_flag=True, help="Say why each skipped check was skipped.")
@json_option
def command(targets: tuple[str, ...], verbose: bool, as_json: bool) -> int:
    """Run the conformance suite on names, a distribution or a file.

    Without a target, everything registered is checked. The exit status is 1 if a check fails. A
    class is checked with the objects from its `examples()`, or else one with its defaults.
    Failures that a class announces in `expected_failures`, with a reason, are counted separately.
    """
    reports, facts, without = [], [], []
    for row in _chosen(targets):
        report, state = _check(row)
        reports.append(report)
        facts.append(_facts(row, report, state))
        if state == "not checked":
            without.append(row)
    if as_json:
        print_json(facts)
    else:
        click.echo(table([list(fact.values()) for fact in facts], _HEADERS, _COUNTS))
        _explain(reports, verbose)
        for row in without:
            click.echo(f"\nnot checked: {how_to_check(load(row))}")
    return 1 if any(fact["state"] not in ("ok", "not checked") for fact in facts) else 0


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
    state = "ok" if report.ok else "failed"
    return report, state if report.results else "not checked"


def _facts(row: Row, report: Report, state: str) -> dict[str, Any]:
    group, entry = row
    return {
        "name": entry.name,
        "kind": GROUPS[group].kind,
        "distribution": entry.provider.distribution,
        "passed": report.passed,
        "failed": report.failed,
        "expected": report.expected_failures,
        "skipped": report.skipped,
        "state": state,
    }


def _explain(reports: list[Report], verbose: bool) -> None:
    """Print what failed, and how many checks were skipped or not run at all."""
    for report in reports:
        if not report.ok or (verbose and report.skipped):
            click.echo(f"\n{report}")
    skipped = sum(report.skipped for report in reports)
    if skipped and not verbose:
        click.echo(f"\n{skipped} checks were skipped; --verbose says why.")
