"""`lenetkit bench`."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import click

from lenetkit.cli import arguments
from lenetkit.cli.bench.printing import compared, heading, single
from lenetkit.cli.output import echo, paragraphs, print_json, report
from lenetkit.kernels.base import Kernels
from lenetkit.network.plan import Plan, load_plan
from lenetkit.profiling.profile import Profile, StageProfile
from lenetkit.profiling.random_data import random_data
from lenetkit.profiling.sessions import InferenceSession, TrainingSession, Workload, alternate
from lenetkit.registry.catalog import installed
from lenetkit.spec.merge import Override

_INFERENCE_BATCHES = (1, 1000)
_PROFILE_KEYS = (
    *("kernels", "batch_size", "threads", "steps", "step_seconds", "step_quartiles"),
    *("images_per_second", "epoch_seconds", "peak_bytes"),
    *("batch_seconds", "loss_seconds", "update_seconds"),
)
_STAGE_KEYS = (
    *("name", "forward_seconds", "forward_gflops", "backward_seconds", "backward_gflops"),
    *("scratch_bytes", "algorithm"),
)
_COUNT = click.IntRange(min=1, max=1_000_000)


@click.command(name="bench", epilog="Example: lenetkit bench specs/lenet5.yaml --batch-size 128")
@arguments.spec_argument
@click.option("--batch-size", type=_COUNT, help="Images per step.  [default: the spec's]")
@click.option(
    "--steps",
    type=_COUNT,
    help="Steps to measure.  [default: as many as take two seconds, at least 10]",
)
@click.option(
    "--inference",
    is_flag=True,
    help="Forward passes only, by default of batches of 1 and of 1,000 images.",
)
@arguments.kernels_option
@click.option(
    "--compare",
    metavar="TYPE,TYPE",
    help="Several kernel sets, measured in turn, such as numpy,numba.",
)
@arguments.threads_option
@arguments.set_options()
@arguments.plugin_option
@arguments.json_option
def command(
    spec: str,
    batch_size: int | None,
    steps: int | None,
    inference: bool,
    kernels: str | None,
    compare: str | None,
    threads: int | None,
    changes: list[Override],
    as_json: bool,
) -> None:
    """Measure where the time of a step goes, layer by layer.

    Runs the training loop on random images; needs no data. A step is divided into parts that
    leave nothing out: batch (picking and transforming the images), each layer or fused layers,
    loss, update (the optimizer). Times are medians; a multiply-add counts as two FLOP. Scratch is
    memory that a layer keeps between passes.
    """
    plans = [load_plan(spec, [*changes, *chosen]) for chosen in _kernel_choices(kernels, compare)]
    sizes = [batch_size or plans[0].spec.train.batch_size]
    if inference and batch_size is None:
        sizes = list(_INFERENCE_BATCHES)
    groups = [_measure(plans, size, steps, threads, inference) for size in sizes]
    name, mode = plans[0].spec.name, "inference" if inference else "training"
    if as_json:
        profiles = [_facts(profile, group[0]) for group in groups for profile in group]
        print_json({"name": name, "mode": mode, "profiles": profiles})
        return
    for group in groups:
        echo(paragraphs(f"{name}: {mode}, {heading(group)}") + "\n")
        echo("\n\n".join(single(group[0]) if len(group) == 1 else compared(group)) + "\n")
    if any(profile.disturbed for group in groups for profile in group):
        report(
            "note: whole steps take much longer than the medians of their parts added up: other "
            "programs interrupt them; compare the parts, or measure again on a quieter machine"
        )


def _facts(profile: Profile, first: Profile) -> dict[str, Any]:
    """A profile as JSON values; `first` is that of the kernel set it is compared with."""

    def stage_facts(stage: StageProfile) -> dict[str, Any]:
        return {**_values(stage, _STAGE_KEYS), "share": stage.seconds / profile.parts_seconds}

    return {
        **_values(profile, _PROFILE_KEYS),
        "ratio": profile.step_seconds / first.step_seconds,
        "layers": [stage_facts(stage) for stage in profile.stages],
    }


def _values(thing: object, names: Sequence[str]) -> dict[str, Any]:
    return dict(zip(names, attrgetter(*names)(thing), strict=True))


def _kernel_choices(kernels: str | None, compare: str | None) -> list[list[Override]]:
    """How each kernel set to measure changes the spec. Raises UsageError for a wrong list."""
    if compare is None:
        chosen = [] if kernels is None else [("--kernels", kernels)]
        return [[Override.from_option(option, "kernels", name) for option, name in chosen]]
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
    session = InferenceSession if inference else TrainingSession
    data = random_data(plans[0], size)
    names = installed().registry(Kernels)
    sessions = [
        session(Workload(plan, names.name_of(type(plan.spec.kernels)), data, size, threads))
        for plan in plans
    ]
    alternate(sessions, steps)
    return [session.profile() for session in sessions]
