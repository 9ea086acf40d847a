"""`lenetkit diagnose`."""

from __future__ import annotations

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
    picture_path,
    plugin_option,
    set_options,
    spec_argument,
)
from lenetkit.cli.output import echo, paragraphs, print_json, report, table
from lenetkit.diagnosis import telling
from lenetkit.diagnosis.microscope import LayerLook
from lenetkit.diagnosis.subject import Subject
from lenetkit.diagnosis.telling import Diagnosis, Finding
from lenetkit.diagnosis.verdict import STEPS, diagnose, facts
from lenetkit.diagnosis.words import FIGURES
from lenetkit.network.plan import load_plan
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
    "--out",
    type=PATH,
    metavar="FILE",
    callback=picture_path,
    help="A picture by layer and step: .png, .svg or .pdf.",
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
    plan = load_plan(spec, changes)
    subject = Subject(spec, tuple(changes), plan, load_training_data(plan, data_dir, report))
    diagnosis = diagnose(subject, steps=steps, time_limit=time_limit, tell=_tell)
    if as_json:
        print_json(facts(diagnosis))
    else:
        echo("\n\n".join(_paragraphs(diagnosis)))
    if out is not None:
        from lenetkit import plots  # Matplotlib takes a while to import

        plots.save_figure(diagnosis.figure(), out)
        echo(printable(out), err=True)


def _tell(line: str) -> None:
    echo(line, err=True)


def _paragraphs(diagnosis: Diagnosis) -> Iterator[str]:
    subject = telling.subject(diagnosis)
    for verdict, finding in telling.verdicts(diagnosis):
        yield paragraphs(f"{subject}: {verdict}")
        if finding is not None:
            yield paragraphs(f"Evidence: {finding.evidence}.")
            yield from _cure(diagnosis, finding)
    if not diagnosis.healthy:
        yield table(telling.tried(diagnosis), telling.TRIED, telling.TRIED[1:4])
    yield from (paragraphs(f"Note: {note}") for note in diagnosis.notes)
    if diagnosis.left_out:
        lines = "; ".join(telling.left_out(diagnosis))
        yield paragraphs(f"Left out for lack of time: {lines}.")
    yield _layers(diagnosis)


def _cure(diagnosis: Diagnosis, finding: Finding) -> Iterator[str]:
    if finding.set:
        lines = "Cure: " + " ".join(f"--set {_quoted(line)}" for line in finding.set)
        yield lines + "\n" + paragraphs(telling.compared(diagnosis, finding))
    else:
        yield paragraphs(f"{'Cure' if finding.is_proved else 'May help'}: {finding.remedy}.")


def _quoted(line: str) -> str:
    """The line as a word for this system's shell."""
    is_windows = sys.platform == "win32"
    return subprocess.list2cmdline([line]) if is_windows else shlex.quote(line)


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
