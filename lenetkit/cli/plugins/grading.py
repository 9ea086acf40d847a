"""The conformance suite run on a class: facts for JSON and the table, and a report to read."""

from __future__ import annotations

import dataclasses
import inspect
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lenetkit.cli.plugins.registered import Row, load
from lenetkit.cli.plugins.workers import Fault, Frame, Job, Name
from lenetkit.conformance.examples import example_checks, how_to_check
from lenetkit.conformance.report import Check, Report, Result, explained, in_addition, run_check
from lenetkit.errors import PluginError, is_ctrl_c
from lenetkit.options import Configurable
from lenetkit.registry.blame import Line
from lenetkit.registry.catalog import GROUPS

ANNOUNCED = "ok but for announced failures"
"""The state where all failures are in `expected_failures`."""
UNCHECKED = "not checked"
Facts = dict[str, Any]
Note = Callable[..., None]
_NOT_THE_AUTHORS = (str(Path(__file__).parents[2]), sysconfig.get_path("stdlib"), "<")


def graded(row: Row, note: Note, *, verbose: bool) -> Facts:
    """The facts of a class, and its report as `details`. `note` is told each step before it."""
    group, entry = row
    name: Name = (group, entry.provider.distribution, entry.name)
    try:
        cls = load(row)
    except PluginError as error:
        return _facts(name, None, _alone("loads", entry.name, str(error)), "does not load")
    path = inspect.getsourcefile(cls)
    note("class", path)
    note("check", "examples", None)
    try:
        checks = example_checks(cls, entry.name)
        how = "" if checks else how_to_check(cls)
    except BaseException as error:  # the author's `examples`, `__init__` or `output_shape`
        if is_ctrl_c(error):
            raise
        fault = run_check(Check("examples", entry.name, _raiser(error), cls=cls))
        return _facts(name, path, Report((fault,)), "failed")
    report = _report(cls, checks, note)
    state = "failed" if not report.ok else ANNOUNCED if report.expected_failures else "ok"
    if not report.passed and report.ok and not report.expected_failures:
        state, how = UNCHECKED, how or "every check was skipped"
    return _facts(name, path, report, state, how, verbose=verbose)


def _raiser(error: BaseException) -> Callable[[], None]:
    def again() -> None:
        raise error

    return again


def _report(cls: type[Configurable], checks: Sequence[Check], note: Note) -> Report:
    """All checks, each noted before and with its result."""
    names = {check.name for check in checks}
    expected = {name: why for name, why in cls.expected_failures.items() if name in names}
    results = []
    for check in checks:
        method = check.origins.method(check.name, cls)
        note("check", check.name, dataclasses.astuple(method) if method else None)
        results.append(run_check(check, expected.get(check.name)))
        note("result", dataclasses.asdict(results[-1]))
    return Report(explained(results, checks))


def of_fault(job: Job, name: Name | None, fault: Fault) -> Facts:
    """The facts of a class with which its process ended; checks that ended before it are kept."""
    check, method, results = "loads", None, []
    path = str(job.file) if job.file else None
    for kind, *values in fault.events:
        match kind:
            case "class":
                path = values[0] or path
            case "check":
                check, method = values
            case "result":
                results.append(_result(values[0]))
    subject = name[2] if name else Path(str(job.file)).stem
    line = _authors_line(fault.frames, path) or (Line(*method) if method else None)
    text = fault.how.removeprefix(f"{job.file}: ")
    if line and line.function:
        text += f" ({line.place}, in {line.function})"
    alone = _alone(check, subject, text, line)
    loaded = name is not None and check != "loads"
    report = Report((*alone.results, *results))
    return _facts(name, path, report, "failed" if loaded else "does not load", file=job.file)


def without_plugins(file: Path) -> Facts:
    """The facts of a file in a folder that says nothing of plugins."""
    facts = _facts(None, str(file), Report(()), UNCHECKED, "there is no PLUGINS in it", file=file)
    return {**facts, "helper": True}


def _alone(check: str, subject: str, message: str, line: Line | None = None) -> Report:
    return Report((Result(check, subject, "failed", message, line),))


def _result(values: dict[str, Any]) -> Result:
    line = values.pop("line")
    return Result(**values, line=Line(**line) if line else None)


def _authors_line(frames: Sequence[Frame], path: str | None) -> Line | None:
    """The innermost line in the class's folder, or else in neither Python nor lenetkit."""
    own = [frame for frame in frames if path and Path(frame[0]).parent == Path(path).parent]
    others = [frame for frame in frames if not frame[0].startswith(_NOT_THE_AUTHORS)]
    for file, number, function in (own or others)[:1]:
        return Line("", function, str(Path(file).absolute()), number)
    return None


def _facts(
    name: Name | None,
    path: str | None,
    report: Report,
    state: str,
    how: str = "",
    *,
    verbose: bool = False,
    file: Path | None = None,
) -> Facts:
    group, distribution, called = name or ("", file.name if file else "", file.stem if file else "")
    return {
        "name": called,
        "kind": GROUPS[group].kind if name else None,
        "distribution": distribution,
        "path": path,
        "passed": report.passed,
        "failed": report.failed + report.unexpected_passes,
        "expected": report.expected_failures,
        "skipped": report.skipped,
        "state": state,
        "failures": [
            _failure(r, path) for root, others in report.failures() for r in (root, *others)
        ]
        + [_failure(r, path) for r in report.of("unexpected pass")],
        "details": _details(report, how, verbose=verbose),
    }


def _failure(result: Result, path: str | None) -> dict[str, Any]:
    return {
        "check": result.name,
        "message": result.found,
        "cause": result.cause,
        "file": result.line.file if result.line else path,
        "line": result.line.number if result.line else None,
    }


def _details(report: Report, how: str, *, verbose: bool) -> str:
    """What there is to say of a class, one paragraph each."""
    said = [f"{UNCHECKED}: {how}"] if how else []
    for root, others in report.failures():
        place = f"\n      at {root.line.file}:{root.line.number}" if root.line else ""
        said.append(f"{root}{place}{in_addition(len(others))}")
    others = [*report.of("unexpected pass"), *report.of("expected failure")]
    return "\n".join([*said, *map(str, others + list(report.of("skipped") if verbose else ()))])
