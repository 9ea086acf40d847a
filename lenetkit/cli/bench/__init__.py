"""`lenetkit bench`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import click

from lenetkit.cli.arguments import (
    json_option,
    kernels_option,
    plugin_option,
    print_json,
    report,
    set_option,
    spec_argument,
    threads_option,
)
from lenetkit.cli.bench.tables import compared, opening, rate, single
from lenetkit.kernels.base import Kernels
from lenetkit.network.plan import Plan, load_plan
from lenetkit.profiling.profile import Profile
from lenetkit.profiling.random_data import random_data
from lenetkit.profiling.sessions import InferenceSession, TrainingSession, Workload, alternate
from lenetkit.registry.catalog import installed
from lenetkit.spec.merge import Override

_INFERENCE_BATCHES = (1, 1000)
_BUSY = 1.25
"""From here on a step that is longer than its parts asks for a word."""


@click.command(name="bench", epilog="Example: lenetkit bench specs/lenet5.yaml --batch-size 128")
@spec_argument
@click.option(
    "--batch-size",
    type=click.IntRange(min=1, max=1_000_000),
    help="Images a step.  [default: the spec's]",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1, max=1_000_000),
    help="Steps to measure.  [default: what two seconds hold, at least 10]",
)
@click.option(
    "--inference", is_flag=True, help="Forward only; for batches of 1 and 1,000, unless told."
)
@kernels_option
@click.option(
    "--compare",
    metavar="TYPE,TYPE",
    help="Several kernel sets, working in turns, such as numpy,numba.",
)
@threads_option
@set_option
@plugin_option
@json_option
def command(
    spec: str,
    batch_size: int | None,
    steps: int | None,
    inference: bool,
    kernels: str | None,
    compare: str | None,
    threads: int | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure where the time of a step goes, layer by layer.

    Runs the training loop on random images; needs no data. A step is cut into parts that leave
    nothing out: batch (picking and transforming the images), each layer or fused layers, loss,
    update (the optimizer). Times are medians; two FLOP are a multiply-add. Scratch is memory that a
    layer holds between passes.
    """
    changed = [Override.from_text(text) for text in changes]
    plans = [load_plan(spec, [*changed, *chosen]) for chosen in _kernel_choices(kernels, compare)]
    sizes = [batch_size or plans[0].spec.train.batch_size]
    if inference and batch_size is None:
        sizes = list(_INFERENCE_BATCHES)
    profiles = [p for size in sizes for p in _measure(plans, size, steps, threads, inference)]
    if as_json:
        print_json(facts(plans[0], profiles, inference))
        return
    for _, group in groupby(profiles, key=lambda profile: profile.batch_size):
        alike = list(group)
        click.echo(opening(plans[0], alike, inference) + "\n")
        click.echo("\n\n".join(single(alike[0]) if len(alike) == 1 else compared(alike)) + "\n")
    if any(p.whole > _BUSY * p.parts for p in profiles):
        report(
            "note: whole steps take much longer than the medians of their parts add up to: other "
            "programs interrupt them; compare parts, or measure again on a quieter machine"
        )


def facts(plan: Plan, profiles: Sequence[Profile], inference: bool) -> dict[str, Any]:
    """What was measured, as JSON values. Times are seconds."""
    first: dict[int, Profile] = {}
    for profile in profiles:
        first.setdefault(profile.batch_size, profile)
    return {
        "name": plan.spec.name,
        "mode": "inference" if inference else "training",
        "profiles": [
            {
                "kernels": p.kernels,
                "batch_size": p.batch_size,
                "threads": p.threads,
                "steps": p.count,
                "step_seconds": p.whole,
                "step_quartiles": list(p.quartiles),
                "ratio": p.whole / first[p.batch_size].whole,
                "images_per_second": p.images_per_second,
                "epoch_seconds": p.epoch_seconds,
                "peak_bytes": p.peak_bytes,
                "batch_seconds": p.batch,
                "loss_seconds": p.loss,
                "update_seconds": p.update,
                "layers": [
                    {
                        "name": step.name,
                        "forward_seconds": step.forward,
                        "forward_gflops": rate(step.forward_flops, step.forward),
                        "backward_seconds": step.backward,
                        "backward_gflops": rate(step.backward_flops, step.backward),
                        "share": step.seconds / p.parts,
                        "scratch_bytes": step.scratch_bytes,
                        "algorithm": step.algorithm,
                    }
                    for step in p.steps
                ],
            }
            for p in profiles
        ],
    }


def _kernel_choices(kernels: str | None, compare: str | None) -> list[list[Override]]:
    """What each kernel set to measure changes in the spec. Raises UsageError for a wrong list."""
    if compare is None:
        if kernels is None:
            return [[]]
        return [[Override.from_option("--kernels", "kernels", kernels)]]
    if kernels is not None:
        raise click.UsageError("--kernels and --compare exclude each other; name all in --compare")
    names = [name.strip() for name in compare.split(",")]
    if len(set(names)) < max(len(names), 2) or not all(names):
        raise click.UsageError(
            "--compare: expected two or more kernel sets, each once, such as numpy,numba; "
            f"found '{compare}'"
        )
    return [[Override.from_option("--compare", "kernels", name)] for name in names]


def _measure(
    plans: Sequence[Plan], size: int, steps: int | None, threads: int | None, inference: bool
) -> list[Profile]:
    kind = InferenceSession if inference else TrainingSession
    data = random_data(plans[0], size)
    names = installed().registry(Kernels)
    sessions = [
        kind(Workload(plan, names.name_of(type(plan.spec.kernels)), data, size, threads))
        for plan in plans
    ]
    alternate(sessions, steps)
    return [session.profile() for session in sessions]
