"""Whether each case is what it claims, without `diagnose`: ill and curable, or healthy."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from diagnosis.cases import HERE, Case, halves, load
from diagnosis.training import Outcome, train
from lenetkit.errors import LenetkitError
from lenetkit.files.atomic import write_text

FILE = HERE / "verification.csv"
TIMES = 2.0
"""An ill spec that learns makes at least so many times the errors of the cured one."""


@dataclass(frozen=True)
class Verified:
    """What a case and its own cure led to."""

    name: str
    half: str
    cause: str
    """Empty: healthy."""
    errors: float
    cured_errors: float | None
    """None: there is no cure that a spec can say, or nothing to cure."""
    majority: float
    holds: bool
    verdict: str

    def line(self) -> str:
        """In a line."""
        cured = "" if self.cured_errors is None else f" → {self.cured_errors:.2%}"
        what = self.cause or "healthy"
        return f"{self.name} ({what}): {self.errors:.2%}{cured} wrong; {self.verdict}"


def verify(case: Case) -> Verified:
    """Train a case for one pass, and once more with its cure."""
    outcome, cured, holds, verdict = None, None, False, ""
    try:
        outcome = train(case)
        cured = train(case, case.cure) if case.cure else None
        holds, verdict = _ill(case, outcome, cured) if case.cause else _healthy(outcome)
    except LenetkitError as error:
        verdict = f"cannot be trained: {error}"
    return Verified(
        case.name,
        halves(load())[case.name],
        case.cause or "",
        outcome.errors if outcome else 1.0,
        cured.errors if cured else None,
        outcome.majority if outcome else 0.0,
        holds,
        verdict,
    )


def _healthy(outcome: Outcome) -> tuple[bool, str]:
    return outcome.learns, "learns" if outcome.learns else "does not learn"


def _ill(case: Case, outcome: Outcome, cured: Outcome | None) -> tuple[bool, str]:
    if cured is not None and not cured.learns:
        return False, "its cure does not learn"
    if case.cause == "frozen_layer":
        return _frozen(case, outcome)
    if outcome.diverged:
        return True, "diverges"
    if not outcome.learns:
        return True, "does not learn"
    times = outcome.errors / cured.errors if cured else 1.0
    return times >= TIMES, f"{times:.1f} times the errors of the cured"


def _frozen(case: Case, outcome: Outcome) -> tuple[bool, str]:
    moved = [name for name in case.layers if name in outcome.moved]
    if moved or not outcome.moved:
        return False, f"moved: {', '.join(outcome.moved) or 'none'}"
    return True, f"no weight of {', '.join(case.layers)} moves"


def write(path: Path, found: Iterable[Verified]) -> None:
    """The table as CSV."""
    rows = [asdict(one) for one in found]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows(map(_cell, row.values()) for row in rows)
    write_text(path, text.getvalue())


def _cell(value: object) -> object:
    return f"{value:.4f}" if isinstance(value, float) else value


def read(path: Path = FILE) -> dict[str, Verified]:
    """The committed table, by name."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["name"]: _verified(row) for row in csv.DictReader(file)}


def _verified(row: dict[str, str]) -> Verified:
    cured = row["cured_errors"]
    return Verified(
        row["name"],
        row["half"],
        row["cause"],
        float(row["errors"]),
        float(cured) if cured else None,
        float(row["majority"]),
        row["holds"] == "True",
        row["verdict"],
    )
