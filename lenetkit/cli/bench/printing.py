"""Profiles as tables."""

from __future__ import annotations

from collections.abc import Sequence

from lenetkit.cli.output import table
from lenetkit.profiling.profile import EPOCH, Profile, StageProfile, common_groups
from lenetkit.text import percent


def heading(profiles: Sequence[Profile]) -> str:
    """What was measured, in a line."""
    first = profiles[0]
    kernels = ", ".join(
        f"{p.kernels} on {p.threads} thread{'s' if p.threads > 1 else ''}" for p in profiles
    )
    return f"batch {first.batch_size:,}, {kernels}; {first.steps:,} steps"


def single(p: Profile) -> list[str]:
    """The paragraphs about one kernel set."""
    training = p.update_seconds is not None
    passes = ("forward", "GFLOP/s", "backward", "GFLOP/s") if training else ("GFLOP/s",)
    headers = ("part", "ms", "share", *passes, "scratch")

    def row(name: str, seconds: float, *figures: str) -> list[str]:
        cells = [name, _ms(seconds), percent(seconds / p.parts_seconds, 1), *figures]
        return cells + [""] * (len(headers) - len(cells))

    rows = [row("batch", p.batch_seconds)]
    rows += [row(s.name, s.seconds, *_figures(s, training)) for s in p.stages]
    if p.loss_seconds is not None and p.update_seconds is not None:
        rows += [row("loss", p.loss_seconds), row("update", p.update_seconds)]
    total = ["step", _ms(p.step_seconds), *[""] * (len(headers) - 2)]
    return [_table(headers, rows, total), *_algorithms(p), _summary([p])]


def _figures(stage: StageProfile, training: bool) -> list[str]:
    figures = [_number(stage.forward_gflops)]
    if training:
        figures = [_ms(stage.forward_seconds), *figures, _ms(stage.backward_seconds)]
        figures.append(_number(stage.backward_gflops))
    return [*figures, _memory(stage.scratch_bytes)]


def compared(profiles: list[Profile]) -> list[str]:
    """The paragraphs about several kernel sets: milliseconds, and ratios to the first."""
    names = [p.kernels for p in profiles]
    headers = ("part", *(f"{name} ms" for name in names), *(f"{n}/{names[0]}" for n in names[1:]))
    rows = [_ratios("batch", [p.batch_seconds for p in profiles])]
    for group in common_groups(profiles):
        name = "+".join(stage.name for stage in max(group, key=len))
        rows.append(_ratios(name, [sum(stage.seconds for stage in stages) for stages in group]))
    if profiles[0].update_seconds is not None:
        rows.append(_ratios("loss", [p.loss_seconds or 0.0 for p in profiles]))
        rows.append(_ratios("update", [p.update_seconds or 0.0 for p in profiles]))
    total = _ratios("step", [p.step_seconds for p in profiles])
    algorithms = [paragraph for p in profiles for paragraph in _algorithms(p)]
    return [_table(headers, rows, total), *algorithms, _summary(profiles)]


def _algorithms(p: Profile) -> list[str]:
    """A paragraph on the kernel set's algorithms; none if it names none."""
    named = [(stage.name, stage.algorithm) for stage in p.stages if stage.algorithm]
    return [table(named, ("part", f"{p.kernels}'s algorithm"))] if named else []


def _ratios(name: str, seconds: Sequence[float]) -> list[str]:
    return [name, *map(_ms, seconds), *(f"{s / seconds[0]:.2f}" for s in seconds[1:])]


def _summary(profiles: Sequence[Profile]) -> str:
    """The step as a whole, a row for each kernel set."""
    headers = ("kernels", "step ms", "middle half", "images/s", f"{EPOCH:,} images", "peak memory")
    rows = [
        (
            p.kernels,
            _ms(p.step_seconds),
            " – ".join(map(_ms, p.step_quartiles)),
            f"{p.images_per_second:,.0f}",
            f"{p.epoch_seconds:,.2f} s",
            _memory(p.peak_bytes),
        )
        for p in profiles
    ]
    return _table(headers, rows)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] = ()) -> str:
    """A table of figures, with a name in the first column."""
    return table(rows, headers, headers[1:], total)


def _ms(seconds: float | None) -> str:
    """Milliseconds, with about four digits."""
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
