"""Profiles as tables that fit a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from lenetkit.cli.arguments import table
from lenetkit.network.plan import Plan
from lenetkit.profiling.profile import EPOCH, Profile, StepProfile, common_groups


def opening(plan: Plan, profiles: Sequence[Profile], inference: bool) -> str:
    """What was measured, in a line."""
    kernels = ", ".join(f"{p.kernels} on {_threads(p.threads)}" for p in profiles)
    return (
        f"{plan.spec.name}: {'inference' if inference else 'training'}, "
        f"batch {profiles[0].batch_size:,}, {kernels}; {profiles[0].count:,} steps"
    )


def single(p: Profile) -> list[str]:
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
    figures = [_number(rate(step.forward_flops, step.forward))]
    if training:
        figures = [_ms(step.forward), *figures, _ms(step.backward)]
        figures.append(_number(rate(step.backward_flops, step.backward)))
    share = f"{step.seconds / p.parts:.1%}"
    return step.name, _ms(step.seconds), share, *figures, _memory(step.scratch_bytes)


def compared(profiles: list[Profile]) -> list[str]:
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


def rate(flops: int, seconds: float | None) -> float | None:
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
