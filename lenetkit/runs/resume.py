"""Whether a run can be resumed, and what differs if it cannot."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lenetkit.arrays import Views
from lenetkit.errors import RunError, SpecError
from lenetkit.model import file
from lenetkit.model.model import Model
from lenetkit.network.plan import Plan, plan_text
from lenetkit.registry.catalog import installed
from lenetkit.runs import environment
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.recorder import Recorder
from lenetkit.schedules import Moment
from lenetkit.spec.nodes import Mark, parse, plain
from lenetkit.training.data import TrainingData
from lenetkit.training.loop import Progress

_UNORDERED = ("", "train")
"""Sections whose keys may stand in any order; the others have a type, or are layers."""
_SAMPLED = 10_000
"""About how many of the steps to come are asked for their learning rate."""


def resume(recorder: Recorder, saved: Checkpoint, *, allow_different: bool) -> list[str]:
    """Set a recorder, its network and its progress to a checkpoint.

    Call it with the thread limit of the training in force. Returns what has changed since the run
    was made, if `allow_different` permits that: spec, data, plugins, versions, processor, threads.
    More epochs for a finished run do not count. Raises RunError for changes that are not permitted,
    and if the run cannot be resumed at all.
    """
    plan, folder = recorder.network.plan, recorder.folder.path
    if saved.state.epoch > plan.spec.train.epochs:
        raise RunError(
            f"{folder}: has already done {saved.state.epoch} epochs; "
            f"expected --epochs above that, found {plan.spec.train.epochs}"
        )
    found = differences(saved, recorder.network)
    if found and not allow_different:
        raise RunError(
            "\n  ".join([f"{folder}: cannot resume, because these differ:", *found])
            + "\n  undo that, resume anyway with --allow-different, or start over without --resume"
        )
    _expect_same_steps(saved, recorder.data, plan, folder)
    recorder.resume(saved, found)
    return found


def differences(saved: Checkpoint, network: Model) -> list[str]:
    """A line for each thing that differs from the checkpoint."""
    now = {**network.metadata, **file.describe(network.plan)}
    found = _spec(saved, network.plan)
    digests = [json.loads(texts["dataset_digest"]) for texts in (saved.metadata, now)]
    if saved.state.given:
        found += [f"data: other arrays than before ({part})" for part in _unlike(*digests)]
    elif digests[0] != digests[1]:
        names = (saved.metadata["dataset"], now["dataset"])
        hint = "; --data-dir says where to look" if names[0] != names[1] else ""
        found.append(f"data: {names[0]} had other content than the {names[1]} found now{hint}")
    makers = [_without_lenetkit(file.distributions(texts)) for texts in (saved.metadata, now)]
    found += _changed("plugin ", *makers)
    computing = environment.computing(network.plan.spec.kernels)
    return found + _changed("", saved.state.environment, computing)


def _unlike(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    parts = dict.fromkeys([*before, *now])
    return [part for part in parts if before.get(part) != now.get(part)]


def rising_rate(saved: Checkpoint, plan: Plan, data: TrainingData) -> str:
    """What more epochs do to the learning rate, and how to keep it; empty if it does not rise."""
    state, train = saved.state, plan.spec.train
    try:
        before = plan_text(saved.metadata["spec"], "spec", is_local=False).spec.train
    except SpecError:  # its plugins are gone
        return ""
    steps = math.ceil(len(data.train) / train.batch_size)
    rest = range(state.step, steps * train.epochs)
    if not state.step or not rest or train.epochs == before.epochs:
        return ""
    losses = tuple(state.validation_losses)
    done = state.step - 1
    at = Moment(done, steps, before.epochs, losses[: done // steps])
    last = before.schedule.rate(before.optimizer.lr, at)
    every = max(len(rest) // _SAMPLED, 1)
    sampled = sorted({*rest[::every], rest[-1]})
    moments = {step: Moment(step, steps, train.epochs, losses) for step in sampled}
    rates = {s: train.schedule.rate(train.optimizer.lr, at) for s, at in moments.items()}
    top = max(rates, key=rates.__getitem__)
    if rates[top] <= 1.01 * last or min(rates.values()) == rates[top]:
        return ""
    name, _ = installed().identity(train.schedule)
    first = rest[0]
    most = f", at most {rates[top]:.3g} at step {top + 1}" if top != first else ""
    return (
        f"the schedule {name} now spans {train.epochs} epochs, not {before.epochs}, so the "
        f"learning rate rises: it was {last:.3g} at step {state.step}, is {rates[first]:.3g} at "
        f"step {first + 1}{most}, and {rates[rest[-1]]:.3g} at the end\n"
        "  to keep it instead: --allow-different --set train.schedule=constant "
        f"--set train.optimizer.lr={last:.6g} (or a rate between the two)"
    )


def _spec(saved: Checkpoint, plan: Plan) -> list[str]:
    """The differences in the spec."""
    if _was_finished(saved, plan) and plan.spec.train.epochs > saved.state.epochs:
        train = replace(plan.spec.train, epochs=saved.state.epochs)
        plan = replace(plan, spec=replace(plan.spec, train=train))
    texts = (_resolved(saved.metadata["spec"]), plan.to_yaml(paths=False))
    before, now = (dict(_flat(plain(parse(text, Mark("spec"))))) for text in texts)
    return _changed("spec ", before, now)


def _was_finished(saved: Checkpoint, plan: Plan) -> bool:
    """Whether all its epochs were done, or `patience` had ended it."""
    state = saved.state
    done = Progress(
        Views({}), state.step, state.epoch, validation_merits=[*state.validation_merits]
    )
    return done.is_over(replace(plan.spec.train, epochs=state.epochs))


def _resolved(text: str) -> str:
    """A saved spec with the options that it did not know yet; as it is, if it no longer plans."""
    try:
        return plan_text(text, "spec").to_yaml(paths=False)
    except SpecError:
        return text


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """A spec's values by dotted path; a mapping adds its type, or, of layers, its order."""
    if isinstance(value, dict):
        kind = value.get("type")
        if isinstance(kind, str):
            value = {key: item for key, item in value.items() if key != "type"}
        if isinstance(kind, str):
            yield path, kind
        elif path not in _UNORDERED:
            yield path, ", ".join(map(str, value))
        inside = value.items()
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        inside = dict(enumerate(value)).items()
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return
    for key, item in inside:
        yield from _flat(item, f"{path}.{key}".lstrip("."))


def _changed(kind: str, before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{kind}{name}: was {before.get(name, 'absent')}, is {now.get(name, 'absent')}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]


def _without_lenetkit(makers: Mapping[str, str]) -> dict[str, str]:
    """The plugins' versions; lenetkit's own is in `environment.versions`."""
    return {name: version for name, version in makers.items() if name != "lenetkit"}


def _expect_same_steps(saved: Checkpoint, data: TrainingData, plan: Plan, folder: Path) -> None:
    """Raise RunError if the steps per epoch changed: the counters would lose their meaning."""
    per_epoch = math.ceil(len(data.train) / plan.spec.train.batch_size)
    state: Any = saved.state
    in_epoch = state.epoch * per_epoch <= state.step <= (state.epoch + 1) * per_epoch
    if not in_epoch or state.steps_per_epoch not in (0, per_epoch):
        raise RunError(
            f"{folder}: is at step {state.step} of epoch {state.epoch + 1}, which does not "
            f"fit the {per_epoch} steps per epoch that data and batch_size now give; "
            f'start from its weights with --init-from "{folder / "model.safetensors"}"'
        )
