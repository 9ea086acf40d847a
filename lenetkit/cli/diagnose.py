"""`lenetkit diagnose`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lenetkit.cli.arguments import (
    data_dir_option,
    json_option,
    plugin_option,
    set_options,
    spec_argument,
)
from lenetkit.cli.output import echo, paragraphs, print_json, report
from lenetkit.diagnosis.subject import Subject
from lenetkit.diagnosis.verdict import STEPS, Diagnosis, as_json, diagnose
from lenetkit.network.plan import load_plan
from lenetkit.spec.merge import Override
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
@json_option
def command(
    spec: str,
    changes: Sequence[Override],
    data_dir: Path | None,
    steps: int,
    time_limit: float | None,
    as_json: bool,
) -> None:
    """Say what keeps a network from learning, and the cure.

    Watches a short training layer by layer, tries cures from the same start on the same batches,
    and names the cause whose cure makes the network learn.
    """
    plan = load_plan(spec, changes)
    subject = Subject(spec, tuple(changes), plan, load_training_data(plan, data_dir, report))
    diagnosis = diagnose(subject, steps=steps, time_limit=time_limit)
    if as_json:
        print_json(_json(diagnosis))
        return
    for finding in diagnosis.findings:
        echo(paragraphs(f"{finding.cause}: {finding.evidence}"))
        echo(" ".join(f"--set {line}" for line in finding.set))
    if diagnosis.healthy:
        echo("healthy")


def _json(diagnosis: Diagnosis) -> dict[str, object]:
    return as_json(diagnosis)
