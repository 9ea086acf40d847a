"""A diagnosis in words, for a terminal and for a notebook, and its picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lenetkit.diagnosis.words import FIGURES, SENTENCES
from lenetkit.text import number, percent, printable

if TYPE_CHECKING:
    from lenetkit.diagnosis.skill import Skill
    from lenetkit.diagnosis.verdict import Diagnosis, Finding
    from lenetkit.plots import Figure

TRIED = ("tried", "steps", "loss", "accuracy", "")
"""What the columns of `tried` are called."""


def subject(diagnosis: Diagnosis) -> str:
    """The spec's name, and its data."""
    case = diagnosis.case
    return f"{case.subject.plan.spec.name} on {case.subject.data.train.called}"


def verdicts(diagnosis: Diagnosis) -> list[tuple[str, Finding | None]]:
    """Each finding in a sentence or two, or that there is none."""
    if diagnosis.healthy:
        return [(f"healthy. {_progress(diagnosis)}", None)]
    if not diagnosis.findings:
        return [("it does not learn, and no cause was found.", None)]
    return [(f"{named(found)}. {SENTENCES[found.cause]}", found) for found in diagnosis.findings]


def named(finding: Finding) -> str:
    """The cause, and the layers where it is."""
    probably = "" if finding.is_proved else "probably "
    where = f" in {', '.join(map(printable, finding.layers))}" if finding.layers else ""
    return f"{probably}{finding.cause}{where}"


def compared(diagnosis: Diagnosis, finding: Finding) -> str:
    """What the cure made of it; empty without an experiment."""
    watch, trial = diagnosis.case.watch, finding.trial
    if trial is None:
        return ""
    now, then = _standing(trial.end), _standing(watch.end)
    less = "" if trial.steps == watch.steps else f" after {watch.steps:,}"
    return f"With it, {trial.steps:,} steps end at {now}, instead of {then}{less}."


def _standing(end: Skill) -> str:
    loss = f"loss {number(end.loss, '.3g')}"
    return loss if math.isnan(end.accuracy) else f"{loss}, {percent(end.accuracy, 1)} read right"


def _progress(diagnosis: Diagnosis) -> str:
    watch = diagnosis.case.watch
    return (
        f"After {watch.steps:,} steps: {_standing(watch.end)}; outputs that ignore the image have "
        f"loss {number(watch.end.constant, '.3g')} at best."
    )


def tried(diagnosis: Diagnosis) -> list[tuple[str, ...]]:
    """A row for the training as it is, and one for each experiment, as `TRIED` says."""
    watch = diagnosis.case.watch
    rows = [("(as it is)", watch.steps, watch.end, watch.diverged)]
    rows += [(" ".join(t.lines), t.steps, t.end, t.said) for t in diagnosis.trials]
    return [
        (what, f"{steps:,}", number(end.loss, ".3g"), percent(end.accuracy, 1), said)
        for what, steps, end, said in rows
    ]


def left_out(diagnosis: Diagnosis) -> Iterator[str]:
    """The experiments for which there was no time."""
    return (" ".join(lines) for lines in diagnosis.left_out)


def figure(diagnosis: Diagnosis) -> Figure:
    """The loss by step, and the figures of all layers by layer and step."""
    from lenetkit import plots  # Matplotlib takes a while to import

    case, watch = diagnosis.case, diagnosis.case.watch
    names = list(watch.looks[0].layers)
    panels = {
        shown: [[getattr(look.layers[n], key) for look in watch.looks] for n in names]
        for key, shown in FIGURES.items()
        if key != "mean"
    }
    cause = diagnosis.findings[0].cause if diagnosis.findings else "healthy"
    return plots.layers_figure(
        [look.step for look in watch.looks],
        panels,
        names,
        watch.losses,
        constant=watch.end.constant,
        title=f"{case.subject.plan.spec.name}: {cause}",
        dataset=case.subject.data.train.dataset,
    )
