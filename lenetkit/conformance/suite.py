"""What every plugin of one kind promises, as a list of checks and as one call that runs them."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar, TypeVarTuple

from lenetkit.conformance.common import COMMON
from lenetkit.conformance.origin import Origins
from lenetkit.conformance.other_options import variants
from lenetkit.conformance.report import (
    NOTHING_EXPECTED,
    Check,
    CheckFailed,
    CheckSkipped,
    Report,
    run_checks,
)
from lenetkit.options import Configurable, options_of

Thing = TypeVar("Thing", bound=Configurable)
Context = TypeVarTuple("Context")


class Suite(Generic[Thing, *Context]):
    """The promises of one kind of plugin, followed by those of all kinds.

    A promise is a function of a case, `case(thing, *context)`: the plugin, and what it is used on.
    The function's name is the check's name and its docstring the check's documentation. `origins`
    says which failures explain which others. If `once` is given, all other promises are checked
    with each option changed, too; a case is then a dataclass.
    """

    def __init__(
        self,
        kind: type[Thing],
        case: Callable[[Thing, *Context], Any],
        promises: Iterable[Callable[[Any], None]],
        origins: Origins,
        *,
        once: Container[Callable[[Any], None]] | None = None,
    ) -> None:
        self.kind, self.case, self.origins = kind, case, origins
        self.promises = (*promises, *COMMON)
        self.varied = [f for f in self.promises if once is not None and f not in once]

    def checks(self, thing: Thing, *context: *Context, name: str | None = None) -> list[Check]:
        """One check for each promise, for one object. Runs none of them.

        The ids begin with `name`, or with the object's class and options.
        Raises TypeError for an object of another kind.
        """
        expect_kind(thing, self.kind)
        case, subject = self.case(thing, *context), name or subject_of(thing)
        return [
            Check(
                f.__name__,
                subject,
                functools.partial(_with_each_option if f in self.varied else _once, f, case),
                " ".join(str(f.__doc__).split()),
                type(thing),
                self.origins,
            )
            for f in self.promises
        ]

    def check(
        self,
        thing: Thing,
        *context: *Context,
        expected_failures: Mapping[str, str] = NOTHING_EXPECTED,
    ) -> Report:
        """Run all checks on one object; the report says what passed, what was skipped and why.

        `expected_failures` maps names of checks to the reason why they fail. Raises CheckFailed,
        with the whole report, if another check fails or one of them passes, and ValueError for a
        name that no check has.
        """
        report = run_checks(self.checks(thing, *context), expected_failures=expected_failures)
        if not report.ok:
            raise CheckFailed(str(report))
        return report


def _once(promise: Callable[[Any], None], case: Any) -> None:
    promise(case)


def _with_each_option(promise: Callable[[Any], None], case: Any) -> None:
    """Check a promise for an object, then with each of its options changed.

    Raises CheckSkipped if it applies to none of these. A note on what is raised says which option
    was changed.
    """
    skips = []
    try:
        promise(case)
    except CheckSkipped as skip:
        skips.append(skip)
    others = variants(case.thing)
    for variant in others:
        try:
            promise(replace(case, thing=variant.thing))
        except CheckSkipped as skip:
            skips.append(skip)
        except Exception as error:
            error.add_note(f"with {variant}")
            raise
    if len(skips) == 1 + len(others):
        raise skips[0]


def promises_in(module: str) -> list[Callable[[Any], None]]:
    """The public functions that a module has defined so far: each is a promise of its kind."""
    return [
        value
        for name, value in vars(sys.modules[module]).items()
        if inspect.isfunction(value) and value.__module__ == module and not name.startswith("_")
    ]


def subject_of(thing: Configurable) -> str:
    """What ids call an object: its class, and the options that differ from their defaults."""
    values = [(option, getattr(thing, option.name, None)) for option in options_of(type(thing))]
    changed = [f"{o.name}={value!r}" for o, value in values if value != o.default]
    shown = ",".join(changed).replace(" ", "")
    return f"{type(thing).__name__}({shown})" if shown else type(thing).__name__


def expect_kind(thing: Any, kind: type[Configurable]) -> None:
    """Raises TypeError, with what to do, for anything but an object of the kind."""
    if isinstance(thing, kind):
        return
    if isinstance(thing, type) and issubclass(thing, kind):
        name = thing.__name__
        raise TypeError(f"expected an object, found the class {name}; write {name}(…)")
    raise TypeError(
        f"expected an object whose class derives from {kind.__module__}.{kind.__name__}, "
        f"found {type(thing).__name__}"
    )
