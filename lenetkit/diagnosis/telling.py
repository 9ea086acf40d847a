"""A diagnosis: what was found; in words, for a terminal and a notebook; and its picture."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lenetkit.diagnosis.case import Case, Cure
from lenetkit.diagnosis.skill import Skill
from lenetkit.diagnosis.words import FIGURES, SENTENCES
from lenetkit.text import number, percent, printable

if TYPE_CHECKING:
    from lenetkit.plots import Figure


@dataclass(frozen=True)
class Trial:
    """An experiment: the same training, from the same start, with these lines."""

    lines: Cure
    steps: int
    end: Skill
    learned: bool
    said: str = ""
    """Why it could not be made, or ended early."""


@dataclass(frozen=True)
class Finding:
    """A cause, proved by its experiment; one that is not is called probable in `evidence`."""

    cause: str
    layers: tuple[str, ...]
    step: int
    evidence: str
    remedy: str
    set: Cure
    trial: Trial | None = None
    is_proved: bool = True

    @property
    def overrides(self) -> dict[str, str]:
        """`set` as `build` and `fit` take it."""
        return {key: value for key, _, value in (line.partition("=") for line in self.set)}


@dataclass(eq=False, repr=False)
class Diagnosis:
    """What was found, and all figures."""

    case: Case
    findings: list[Finding] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[Cure] = field(default_factory=list)
    """Experiments for which there was no time."""

    @property
    def healthy(self) -> bool:
        """Whether nothing is ill: it learns, and no cure makes it learn far better."""
        return not self.findings and not self.case.is_stuck

    @property
    def series(self) -> dict[str, Any]:
        """`loss` and `rate` of each step; the steps of the `looks`; and `layers`: the figures of
        each layer at each look.
        """
        watch = self.case.watch
        first = watch.looks[0].layers
        return {
            "loss": watch.losses,
            "rate": watch.rates,
            "looks": [look.step for look in watch.looks],
            "layers": {
                name: {
                    figure: [getattr(look.layers[name], figure) for look in watch.looks]
                    for figure in vars(first[name])
                }
                for name in first
            },
        }

    def figure(self) -> Figure:
        """The loss by step, and the figures of all layers by layer and step."""
        return figure(self)

    def __repr__(self) -> str:
        return f"<Diagnosis of {subject(self)}: {self}>"

    def __str__(self) -> str:
        cures = [f"{named(f)}; cure: {' '.join(f.set) or f.remedy}" for f in self.findings]
        return "; ".join(cures) or verdicts(self)[0][0].partition(". ")[0]

    def _repr_html_(self) -> str:
        from lenetkit.html.rendering import render  # Jinja2 takes a while to import

        return render(
            "diagnosis.html",
            subject=subject(self),
            verdicts=verdicts(self),
            compared=functools.partial(compared, self),
            notes=[*self.notes, *(f"left out: {lines}" for lines in left_out(self))],
            headers=TRIED,
            tried=[] if self.healthy else tried(self),
        )


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
