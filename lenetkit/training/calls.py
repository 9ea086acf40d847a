"""What the calls that train have in common: their settings, and events that must be taken."""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lenetkit.errors import OptionError, Problem, SpecError, did_you_mean
from lenetkit.network.plan import Plan
from lenetkit.options import Configurable, Option, options_of
from lenetkit.registry.catalog import installed
from lenetkit.registry.synonyms import option_meant, option_note
from lenetkit.schedules import uses_lr
from lenetkit.spec.bind import Binder
from lenetkit.spec.merge import Override, overrides
from lenetkit.spec.sections import TrainSpec
from lenetkit.training.loop import Event


class Events(Generator[Event, None, None]):
    """The events of a training, computed as they are taken.

    Warns if it is dropped before the first one is, because then nothing was trained.
    """

    def __init__(self, events: Generator[Event], advice: str) -> None:
        self._events = events
        weakref.finalize(self, _expect_begun, events, advice)

    def send(self, value: None) -> Event:
        """The next event."""
        return self._events.send(value)

    def throw(self, *error: Any) -> Event:
        """Raise an error where the training stands."""
        return self._events.throw(*error)


def _expect_begun(events: Generator[Event], advice: str) -> None:
    if inspect.getgeneratorstate(events) == inspect.GEN_CREATED:
        message = f"nothing was trained, because no event was taken; {advice}"
        warnings.warn(message, RuntimeWarning, stacklevel=3)


def with_settings(plan: Plan, call: str, settings: Mapping[str, Any]) -> TrainSpec:
    """The spec's `train` with some of its options changed; values are as in a spec, or objects.

    Raises TypeError for names that are none of its options, and SpecError for wrong values.
    """
    known = {opt.name: opt for opt in options_of(TrainSpec)}
    if unknown := [name for name in settings if name not in known]:
        hint = _argument_meant(call, unknown[0]) or _meant(unknown[0], known, plan)
        raise TypeError(f"{call}() has no setting '{unknown[0]}'{hint}")
    return replace(plan.spec.train, **_values(known, call, settings))


def with_validation(plan: Plan, call: str, validation: float | None) -> Plan:
    """The plan with `data.validation` changed, unless it is None. Raises SpecError if wrong."""
    if validation is None:
        return plan
    data = plan.spec.data
    known = {opt.name: opt for opt in options_of(type(data.options))}
    values = _values(known, call, {"validation": validation})
    try:
        options = replace(data.options, **values)
    except OptionError as error:
        raise SpecError([Problem(f"{call}()", error.option, error.problem)]) from None
    return replace(plan, spec=replace(plan.spec, data=replace(data, options=options)))


def warn_of_unused_rate(
    plan: Plan, changed: Sequence[Override], report: Callable[[str], None]
) -> None:
    """Say so, if a rate was given that the schedule does not use."""
    schedule = plan.spec.train.schedule
    said = [c.value.mark.source for c in changed if c.path == "train.optimizer.lr"]
    if said and not uses_lr(schedule):
        name, _ = installed().identity(schedule)
        report(f"warning: {said[-1]}: has no effect, because the schedule {name} sets the rates")


def _values(known: Mapping[str, Option], call: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the options of these names take them. Raises SpecError for wrong ones."""
    binder = Binder(installed())
    values = {
        change.path: binder.value(known[change.path], change.value, change.path)
        for change in overrides(settings)
    }
    if binder.problems:
        raise SpecError(replace(p, source=f"{call}()") for p in binder.problems)
    return values


def _argument_meant(call: str, name: str) -> str:
    """Which argument of `fit` has another name elsewhere: Keras' validation_split."""
    word = name.replace("_", "")
    if call != "fit":
        return ""
    if word in ("validationdata", "evalset"):
        return "; arrays that are evaluated after each epoch are test=(images, labels)"
    if word in ("classnames", "labelnames", "targetnames"):
        return "; did you mean 'classes'?"
    return "; did you mean 'validation'?" if option_meant(name, ["validation"]) else ""


def _meant(name: str, known: Collection[str], plan: Plan) -> str:
    if meant := option_meant(name, known):
        return f"; did you mean '{meant}'?"
    for part in ("optimizer", "schedule"):
        thing: Configurable = getattr(plan.spec.train, part)
        if meant := option_meant(name, [opt.name for opt in options_of(type(thing))]):
            type_name, _ = installed().identity(thing)
            return f"; it belongs to the {part}: {part}={{'type': '{type_name}', '{meant}': …}}"
    note = option_note(name)
    return f"; {note}" if note else did_you_mean(name, known)
