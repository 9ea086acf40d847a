"""The tables of the benchmark, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from tabulate import tabulate

from diagnosis.asking import Answer
from diagnosis.cases import CAUSES
from diagnosis.verification import Verified

ANCHORS = """\
From the tools' own papers, each on programs of its own: DeepFD names the true fault of 27 of 52
faulty programs, UMLAUT 14, AUTOTRAINER 10; AUTOTRAINER repairs 98 % of its own eight illnesses.
"""


def verified(found: Sequence[Verified]) -> str:
    """How many cases of each cause there are, and what their errors are."""
    rows = []
    for cause in (*CAUSES, ""):
        own = [one for one in found if one.cause == cause]
        if own:
            cured = [one.cured_errors for one in own if one.cured_errors is not None]
            halves = [sum(one.half == half for one in own) for half in ("tune", "report")]
            holds = f"{sum(one.holds for one in own)} of {len(own)}"
            errors = _spread([one.errors for one in own])
            rows.append((cause or "(healthy)", *halves, holds, errors, _spread(cured)))
    headers = ("cause", "tune", "report", "as claimed", "test errors", "with the cure")
    return _table(rows, headers)


def answered(found: Sequence[Answer], known: Mapping[str, Verified]) -> str:
    """The figures by cause, those of the healthy, and the mistakes."""
    ill = [one for one in found if one.case.cause]
    rows = [
        _cause_row(cause, own, known)
        for cause in CAUSES
        if (own := [one for one in ill if one.case.cause == cause])
    ]
    if ill:
        rows.append(_cause_row("**all**", ill, known))
    headers = ("cause", "named first", "layers right", "cured", "no spec can cure", "seconds")
    parts = [_table(rows, headers)] if rows else []
    if healthy := [one for one in found if not one.case.cause]:
        alarms = sum(one.is_false_alarm for one in healthy)
        seconds = _seconds(healthy)
        parts.append(f"False alarms: {alarms} of {len(healthy)} healthy specs ({seconds} s).\n")
    return "\n".join([*parts, ANCHORS, *_mistakes(found, known)])


def is_cured(answer: Answer, known: Mapping[str, Verified]) -> bool:
    """Whether training with the changes learns, and goes at least half of the way to the own cure.

    Half of the way from the errors of the ill spec to those of the spec with the case's cure.
    """
    own = known[answer.case.name]
    if answer.outcome is None or not answer.outcome.learns or own.cured_errors is None:
        return False
    return answer.outcome.errors <= (own.errors + own.cured_errors) / 2


def _cause_row(
    name: str, own: Sequence[Answer], known: Mapping[str, Verified]
) -> tuple[object, ...]:
    placed = [one for one in own if one.case.layers]
    curable = [one for one in own if one.case.cure]
    return (
        name,
        _of(one.names_cause for one in own),
        _of(one.names_layers for one in placed),
        _of(is_cured(one, known) for one in curable),
        len(own) - len(curable) or "",
        _seconds(own),
    )


def _mistakes(found: Sequence[Answer], known: Mapping[str, Verified]) -> list[str]:
    lines = []
    for one in found:
        case = one.case
        if one.is_false_alarm or (case.cause and not one.names_cause):
            lines.append(f"- {one.line()}")
        elif case.layers and not one.names_layers:
            said = ", ".join(one.layers) or "none"
            lines.append(f"- {case.name}: layers {said}; expected {', '.join(case.layers)}")
        if case.cure and not is_cured(one, known):
            errors = f"{one.outcome.errors:.1%} wrong" if one.outcome else one.failure or "no cure"
            lines.append(f"- {case.name}: not cured by {' '.join(one.cure) or 'nothing'}: {errors}")
    return ["Mistakes:\n", *lines] if lines else []


def _of(answers: Iterable[bool]) -> str:
    each = list(answers)
    return f"{sum(each)} of {len(each)}" if each else ""


def _seconds(answers: Sequence[Answer]) -> str:
    """Median and largest."""
    seconds = [one.seconds for one in answers]
    return f"{statistics.median(seconds):.1f}, at most {max(seconds):.1f}"


def _spread(shares: Sequence[float]) -> str:
    if not shares:
        return ""
    low, high = (f"{100 * share:.1f}" for share in (min(shares), max(shares)))
    return f"{low} – {high} %"


def _table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    align = ("left", *["right"] * (len(headers) - 1))
    text = tabulate(rows, headers, tablefmt="github", disable_numparse=True, colalign=align)
    return f"{text}\n"
