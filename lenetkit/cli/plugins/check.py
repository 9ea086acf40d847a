"""`lenetkit plugins check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lenetkit.cli.arguments import json_option, print_json, table
from lenetkit.errors import PluginError, did_you_mean
from lenetkit.registry.catalog import GROUPS, Registration, installed
from lenetkit.registry.plugin_file import add_file
from lenetkit.testing import Report, run_checks
from lenetkit.testing.examples import example_checks

_HEADERS = ("name", "kind", "distribution", "passed", "failed", "expected", "skipped", "state")


@click.command(name="check", epilog="Example: lenetkit plugins check my-layers")
@click.argument("targets", metavar="[NAME|DISTRIBUTION|FILE.py]...", nargs=-1)
@click.option("--verbose", is_flag=True, help="Say why each skipped check was skipped.")
@json_option
def command(targets: tuple[str, ...], verbose: bool, as_json: bool) -> int:
    """Run the conformance suite on names, a distribution or a file.

    Without a target: on everything registered. The exit status is 1 where a check fails. A class
    is checked by the objects that its `examples()` gives, else by one with its defaults. Failures
    that a class announces in `expected_failures`, with the reason, are counted apart.
    """
    rows, reports = [], []
    for group, entry in _chosen(targets):
        report, state = _check(group, entry)
        reports.append(report)
        rows.append(_row(group, entry, report, state))
    if as_json:
        print_json(rows)
    else:
        click.echo(table([list(row.values()) for row in rows], _HEADERS, _HEADERS[3:7]))
        _tell(reports, verbose)
    return 1 if any(row["state"] not in ("ok", "not checked") for row in rows) else 0


def _chosen(targets: tuple[str, ...]) -> list[tuple[str, Registration]]:
    """The registrations that the targets mean, in the order of the groups."""
    files = {target: add_file(installed(), Path(target)) for target in targets if _is_file(target)}
    everything = [(group, e) for group in GROUPS for e in installed().entries()[group]]
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
            raise PluginError(f"nothing is registered as '{target}'{did_you_mean(target, valid)}")
        chosen += found
    return list(dict.fromkeys(chosen))


def _is_file(target: str) -> bool:
    return target.endswith(".py")


def _check(group: str, entry: Registration) -> tuple[Report, str]:
    try:
        cls = installed().registry(GROUPS[group]).load(entry)
    except PluginError as error:
        return run_checks([]), str(error)
    checks = example_checks(cls, entry.name)
    names = {check.name for check in checks}
    expected = {name: why for name, why in cls.expected_failures.items() if name in names}
    report = run_checks(checks, expected_failures=expected)
    if not report.results:
        return report, "not checked"
    return report, "ok" if report.ok else "failed"


def _row(group: str, entry: Registration, report: Report, state: str) -> dict[str, Any]:
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


def _tell(reports: list[Report], verbose: bool) -> None:
    """What failed, and how much was skipped or not checked at all."""
    for report in reports:
        if not report.ok or (verbose and report.skipped):
            click.echo(f"\n{report}")
    skipped = sum(report.skipped for report in reports)
    unchecked = sum(not report.results for report in reports)
    if skipped and not verbose:
        click.echo(f"\n{skipped} checks were skipped; --verbose says why.")
    if unchecked:
        click.echo(
            f"{unchecked} not checked: the class gives no `examples()`, and none can be guessed."
        )
