"""`lenetkit diagnose`."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from lenetkit.cli.arguments import (
    PATH,
    data_dir_option,
    json_option,
    plugin_option,
    set_options,
    spec_argument,
)
from lenetkit.cli.output import echo, paragraphs, print_json, report, table
from lenetkit.diagnosis.microscope import LayerLook
from lenetkit.diagnosis.skill import Skill
from lenetkit.diagnosis.subject import Subject
from lenetkit.diagnosis.verdict import STEPS, Diagnosis, Finding, diagnose, facts
from lenetkit.diagnosis.words import FIGURES, SENTENCES
from lenetkit.errors import InputError
from lenetkit.network.plan import load_plan
from lenetkit.runs.folder import PICTURE_KINDS
from lenetkit.spec.merge import Override
from lenetkit.text import NOTHING, number, percent, printable
from lenetkit.training.data import load_training_data


@click.command(name="diagnose", epilog="Example: lenetkit diagnose lenet5-sgd-stuck")
@spec_argument
@set_options("--seed")
@plugin_option
@data_dir_option
@click.option(
    "--steps",
    type=click.IntRange(min=1, max=1_000_000),
    default=STEPS,
    show_default=True,
    help="Steps that are watched, and of each experiment.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Begin no experiment after so long; those left out are named.",
)
@click.option(
    "--out", type=PATH, metavar="FILE", help="A picture by layer and step: .png, .svg or .pdf."
)
@json_option
def command(
    spec: str,
    changes: Sequence[Override],
    data_dir: Path | None,
    steps: int,
    time_limit: float | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say what keeps a network from learning, and the cure.

    Watches a short training layer by layer, tries cures from the same start on the same batches,
    and names the cause whose cure makes the network learn.
    """
    if out is not None:
        _expect_picture(out)
    plan = load_plan(spec, changes)
    subject = Subject(spec, tuple(changes), plan, load_training_data(plan, data_dir, report))
    diagnosis = diagnose(subject, steps=steps, time_limit=time_limit, tell=_tell)
    if as_json:
        print_json(facts(diagnosis))
    else:
        echo("\n\n".join(_paragraphs(diagnosis)))
    if out is not None:
        _draw(diagnosis, out)


def _tell(line: str) -> None:
    echo(line, err=True)


def _paragraphs(diagnosis: Diagnosis) -> Iterator[str]:
    case = diagnosis.case
    subject = f"{case.subject.plan.spec.name} on {case.subject.data.train.called}"
    if diagnosis.healthy:
        yield paragraphs(f"{subject}: healthy. {_progress(diagnosis)}")
    elif not diagnosis.findings:
        yield paragraphs(f"{subject}: it does not learn, and no cause was found.")
    for finding in diagnosis.findings:
        yield paragraphs(f"{subject}: {_headline(finding)}")
        yield paragraphs(f"Evidence: {finding.evidence}.")
        yield _cure(diagnosis, finding)
    if not diagnosis.healthy:
        yield _tried(diagnosis)
    yield from (paragraphs(f"Note: {note}") for note in diagnosis.notes)
    if diagnosis.left_out:
        lines = "; ".join(" ".join(lines) for lines in diagnosis.left_out)
        yield paragraphs(f"Left out for lack of time: {lines}.")
    yield _layers(diagnosis)


def _headline(finding: Finding) -> str:
    probably = "" if finding.is_proved else "probably "
    where = f" in {', '.join(map(printable, finding.layers))}" if finding.layers else ""
    return f"{probably}{finding.cause}{where}. {SENTENCES[finding.cause]}"


def _cure(diagnosis: Diagnosis, finding: Finding) -> str:
    if not finding.set:
        return paragraphs(f"Cure: {finding.remedy}.") if finding.remedy else ""
    lines = "Cure: " + " ".join(f"--set {_quoted(line)}" for line in finding.set)
    return lines + "\n" + paragraphs(_compared(diagnosis, finding))


def _quoted(line: str) -> str:
    """The line as a word for this system's shell."""
    is_windows = sys.platform == "win32"
    return subprocess.list2cmdline([line]) if is_windows else shlex.quote(line)


def _compared(diagnosis: Diagnosis, finding: Finding) -> str:
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


def _tried(diagnosis: Diagnosis) -> str:
    watch = diagnosis.case.watch
    rows = [("(as it is)", *_result(watch.steps, watch.end, watch.diverged))]
    rows += [(" ".join(t.lines), *_result(t.steps, t.end, t.said)) for t in diagnosis.trials]
    return table(rows, ("tried", "steps", "loss", "accuracy", ""), ("steps", "loss", "accuracy"))


def _result(steps: int, end: Skill, said: str) -> tuple[str, str, str, str]:
    return f"{steps:,}", number(end.loss, ".3g"), percent(end.accuracy, 1), said


def _layers(diagnosis: Diagnosis) -> str:
    look = diagnosis.case.watch.looks[-1]
    headers = ("layer", *FIGURES.values())
    rows = [(name, *_figures(layer)) for name, layer in look.layers.items()]
    heading = f"Each layer after {look.step:,} steps:"
    return heading + "\n" + table(rows, headers, headers[1:])


def _figures(layer: LayerLook) -> Iterator[str]:
    for name in FIGURES:
        value = getattr(layer, name)
        shown = percent(value, 0) if name in ("dead", "flat") else number(value, ".2g")
        yield "" if shown == NOTHING else shown


def _expect_picture(path: Path) -> None:
    if path.suffix.lower().removeprefix(".") not in PICTURE_KINDS:
        wanted = ", ".join(f".{kind}" for kind in sorted(PICTURE_KINDS))
        raise InputError(f"{path}: cannot save a picture as {path.suffix!r}; use {wanted}")


def _draw(diagnosis: Diagnosis, path: Path) -> None:
    from lenetkit import plots  # Matplotlib takes a while to import

    case, watch = diagnosis.case, diagnosis.case.watch
    names = list(watch.looks[0].layers)
    panels = {
        shown: [[getattr(look.layers[n], key) for look in watch.looks] for n in names]
        for key, shown in FIGURES.items()
        if key != "mean"
    }
    cause = diagnosis.findings[0].cause if diagnosis.findings else "healthy"
    figure = plots.layers_figure(
        [look.step for look in watch.looks],
        panels,
        names,
        watch.losses,
        constant=watch.end.constant,
        title=f"{case.subject.plan.spec.name}: {cause}",
        dataset=case.subject.data.train.dataset,
    )
    plots.save_figure(figure, path)
    echo(printable(path), err=True)
