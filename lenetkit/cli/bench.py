"""`lenetkit bench`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import click

from lenetkit.cli.options import (
    json_option,
    kernels_option,
    plugin_option,
    print_json,
    report,
    set_option,
    spec_argument,
    table,
    threads_option,
)
from lenetkit.kernels.base import Kernels
from lenetkit.plan import Plan, load_plan
from lenetkit.profiling.profile import EPOCH, Profile, StepProfile, common_groups
from lenetkit.profiling.random_data import random_data
from lenetkit.profiling.sessions import InferenceSession, TrainingSession, Workload, alternate
from lenetkit.registry import installed
from lenetkit.spec.merge import Override

_INFERENCE_BATCHES = (1, 1000)
_BUSY = 1.25
"""From here on a step that is longer than its parts asks for a word."""


@click.command(name="bench", epilog="Example: lenetkit bench specs/lenet5.yaml --batch-size 128")
@spec_argument
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="Images a step.  [default: the spec's]"
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
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
        click.echo(_opening(plans[0], alike, inference) + "\n")
        click.echo("\n\n".join(_single(alike[0]) if len(alike) == 1 else _compared(alike)) + "\n")
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
                        "forward_gflops": _rate(step.forward_flops, step.forward),
                        "backward_seconds": step.backward,
                        "backward_gflops": _rate(step.backward_flops, step.backward),
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
        return [[Override.from_option("--kernels", "kernels", kernels)] if kernels else []]
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


def _opening(plan: Plan, profiles: Sequence[Profile], inference: bool) -> str:
    kernels = ", ".join(f"{p.kernels} on {_threads(p.threads)}" for p in profiles)
    return (
        f"{plan.spec.name}: {'inference' if inference else 'training'}, "
        f"batch {profiles[0].batch_size:,}, {kernels}; {profiles[0].count:,} steps"
    )


def _single(p: Profile) -> list[str]:
    """The paragraphs about one kernel set."""
    training = p.update is not None
    passes = ("forward", "GFLOP/s", "backward", "GFLOP/s") if training else ("GFLOP/s",)
    headers = ("part", "ms", "share", *passes, "scratch")
    others = {"batch": p.batch, "loss": p.loss, "update": p.update}
    plain = {
        name: (name, _ms(seconds), f"{seconds / p.parts:.1%}", *[""] * (len(passes) + 1))
        for name, seconds in others.items()
        if seconds is not None
    }
    layers = [_row(step, p, training) for step in p.steps]
    rows = [plain.pop("batch"), *layers, *plain.values()]
    total = ("step", _ms(p.whole), *[""] * (len(headers) - 2))
    paragraphs = [_table(headers, rows, total)]
    return [*paragraphs, *_algorithms(p), _summary([p])]


def _row(step: StepProfile, p: Profile, training: bool) -> tuple[str, ...]:
    figures = [_number(_rate(step.forward_flops, step.forward))]
    if training:
        figures = [_ms(step.forward), *figures, _ms(step.backward)]
        figures.append(_number(_rate(step.backward_flops, step.backward)))
    share = f"{step.seconds / p.parts:.1%}"
    return step.name, _ms(step.seconds), share, *figures, _memory(step.scratch_bytes)


def _compared(profiles: list[Profile]) -> list[str]:
    """The paragraphs about several kernel sets: milliseconds, and ratios to the first."""
    names = [p.kernels for p in profiles]
    headers = ("part", *(f"{name} ms" for name in names), *(f"{n}/{names[0]}" for n in names[1:]))
    rows = [_ratios("batch", [p.batch for p in profiles])]
    for group in common_groups(profiles):
        finest = max(group, key=len)
        name = "+".join(step.name for step in finest)
        rows.append(_ratios(name, [sum(step.seconds for step in steps) for steps in group]))
    if profiles[0].update is not None:
        rows.append(_ratios("loss", [p.loss or 0.0 for p in profiles]))
        rows.append(_ratios("update", [p.update or 0.0 for p in profiles]))
    total = _ratios("step", [p.whole for p in profiles])
    algorithms = [paragraph for p in profiles for paragraph in _algorithms(p)]
    return [_table(headers, rows, total), *algorithms, _summary(profiles)]


def _algorithms(p: Profile) -> list[str]:
    """A paragraph of what the kernel set says of itself; none where it says nothing."""
    told = [(step.name, step.algorithm) for step in p.steps if step.algorithm]
    return [table(told, ("part", f"{p.kernels}'s algorithm"))] if told else []


def _ratios(name: str, seconds: Sequence[float]) -> tuple[str, ...]:
    ratios = [f"{s / seconds[0]:.2f}" for s in seconds[1:]]
    return name, *map(_ms, seconds), *ratios


def _summary(profiles: Sequence[Profile]) -> str:
    """A row a kernel set: the step as a whole."""
    headers = ("kernels", "step ms", "middle half", "images/s", f"{EPOCH:,} images", "peak memory")
    rows = [
        (
            p.kernels,
            _ms(p.whole),
            " – ".join(map(_ms, p.quartiles)),
            f"{p.images_per_second:,.0f}",
            f"{p.epoch_seconds:,.2f} s",
            _memory(p.peak_bytes),
        )
        for p in profiles
    ]
    return _table(headers, rows)


def _table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None
) -> str:
    """A table of figures, narrower than tabulate makes one that knows its headers."""
    from tabulate import tabulate

    body = [headers, *rows, *([total] if total else [])]
    align = ["left", *["right"] * (len(headers) - 1)]
    made = tabulate(body, tablefmt="simple", colalign=align, disable_numparse=True)
    rule, first, *others, _ = made.splitlines()
    lines = [first, rule, *others]
    if total:
        lines.insert(-1, rule)
    return "\n".join(line.rstrip() for line in lines)


def _rate(flops: int, seconds: float | None) -> float | None:
    """GFLOP/s; None where there is nothing to count."""
    return flops / seconds / 1e9 if flops and seconds else None


def _ms(seconds: float | None) -> str:
    """Milliseconds, four digits or so."""
    if seconds is None:
        return ""
    ms = seconds * 1e3
    return f"{ms:.3f}" if ms < 10 else f"{ms:.2f}" if ms < 100 else f"{ms:,.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _memory(count: int) -> str:
    """`40 B`, `812 KiB`, `1.2 MiB`."""
    if count < 1 << 20:
        return f"{count / 1024:.0f} KiB" if count >= 1024 else f"{count} B" if count else ""
    return f"{count / (1 << 20):.1f} MiB"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
