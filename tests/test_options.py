"""Options: which values are accepted, how they are converted, how others are refused."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from lenetkit.errors import OptionError
from lenetkit.initializers import Initializer, Zeros
from lenetkit.options import Configurable, base_of, is_list, option, options_of, plugin_base
from lenetkit.values import show


@dataclass(frozen=True, kw_only=True)
class Sample(Configurable):
    """One option of every kind."""

    count: int = option(1, minimum=1, maximum=8, doc="An integer.")
    rate: float = option(0.5, above=0, below=1, doc="A number.")
    flag: bool = option(False, doc="A switch.")
    text: str = option("a", doc="A text.")
    mode: Literal["constant", "reflect", 1] = option("constant", doc="A choice.")
    size: int | tuple[int, int] = option(1, minimum=1, doc="One or two integers.")
    many: tuple[float, ...] = option((), minimum=0, doc="Any number of numbers.")
    maybe: int | None = option(None, minimum=0, doc="An integer or nothing.")
    init: Initializer | None = option(None, doc="A plugin.")


@dataclass(frozen=True, kw_only=True)
class Strict(Configurable):
    """A required option, and a rule about two options together."""

    low: int = option(doc="Lower end.")
    high: int = option(9, doc="Upper end.")

    def validate(self) -> None:
        if self.low > self.high:
            raise OptionError("low", f"must not exceed high ({self.high}), found {self.low}")


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("count", 8, 8),
        ("rate", 0.25, 0.25),
        ("rate", np.float64(0.25), 0.25),
        ("flag", True, True),
        ("text", "3", "3"),
        ("mode", "reflect", "reflect"),
        ("mode", 1, 1),
        ("size", 5, 5),
        ("size", [5, 3], (5, 3)),
        ("size", (5, 3), (5, 3)),
        ("many", [], ()),
        ("many", [1, 0.5], (1.0, 0.5)),
        ("maybe", None, None),
        ("maybe", 0, 0),
        ("init", Zeros(), Zeros()),
    ],
)
def test_values_become_the_declared_type(name: str, given: Any, kept: Any) -> None:
    found = getattr(Sample(**{name: given}), name)
    assert found == kept
    assert type(found) is type(kept)
    if isinstance(kept, tuple):
        assert [type(item) for item in found] == [type(item) for item in kept]


def test_integers_become_floats_if_a_float_is_declared() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Wide(Configurable):
        rate: float = option(doc="A number.")

    found = Wide(rate=3).rate
    assert found == 3
    assert type(found) is float


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("count", 0, "expected an integer ≥ 1 and ≤ 8, found 0"),
        ("count", 9, "expected an integer ≥ 1 and ≤ 8, found 9"),
        ("count", 2.0, "expected an integer ≥ 1 and ≤ 8, found 2.0"),
        ("count", True, "expected an integer ≥ 1 and ≤ 8, found true"),
        ("count", "2", "expected an integer ≥ 1 and ≤ 8, found '2'"),
        ("count", None, "expected an integer ≥ 1 and ≤ 8, found null"),
        ("count", [2], "expected an integer ≥ 1 and ≤ 8, found [2]"),
        ("rate", 0, "expected a number > 0 and < 1, found 0"),
        ("rate", 1.0, "expected a number > 0 and < 1, found 1.0"),
        ("rate", False, "expected a number > 0 and < 1, found false"),
        ("rate", float("nan"), "expected a number > 0 and < 1, found nan"),
        ("rate", float("inf"), "expected a number > 0 and < 1, found inf"),
        ("flag", 1, "expected true or false, found 1"),
        ("flag", "yes", "expected true or false, found 'yes'"),
        ("text", 3, "expected a string, found 3"),
        (
            "mode",
            "reflekt",
            "expected one of constant, reflect, 1, found 'reflekt'; did you mean 'reflect'?",
        ),
        ("mode", True, "expected one of constant, reflect, 1, found true"),
        ("size", [5], "expected an integer or a list of 2 integers ≥ 1, found [5]"),
        ("size", [5, 0], "expected an integer or a list of 2 integers ≥ 1, found [5, 0]"),
        ("size", [5, True], "expected an integer or a list of 2 integers ≥ 1, found [5, true]"),
        ("size", {"h": 5}, "expected an integer or a list of 2 integers ≥ 1, found a mapping"),
        ("many", 1.0, "expected a list of numbers ≥ 0, found 1.0"),
        ("many", [float("inf")], "expected a list of numbers ≥ 0, found [inf]"),
        ("many", [0.5, -1], "expected a list of numbers ≥ 0, found [0.5, -1]"),
        ("maybe", -1, "expected an integer ≥ 0, found -1"),
        ("text", ["a" * 99], "expected a string, found ['" + "a" * 56 + "…]"),
    ],
)
def test_invalid_values_are_refused_with_what_was_expected(
    name: str, given: Any, message: str
) -> None:
    with pytest.raises(OptionError, match=f"^{re.escape(f'{name}: {message}')}$") as caught:
        Sample(**{name: given})
    assert (caught.value.option, caught.value.problem) == (name, message)


def test_integers_too_large_for_a_float_are_refused() -> None:
    with pytest.raises(OptionError, match=r"^rate: expected a number"):
        Sample(rate=10**400)


def test_objects_that_are_not_plugins_are_refused() -> None:
    with pytest.raises(OptionError, match=r"^init: expected an Initializer, found 'zeros'$"):
        Sample(init="zeros")  # type: ignore[arg-type]


def test_options_are_checked_together_after_each_one() -> None:
    message = re.escape("low: must not exceed high (9), found 10")
    with pytest.raises(OptionError, match=f"^{message}$"):
        Strict(low=10)
    with pytest.raises(OptionError, match=re.escape("low: expected an integer, found 'x'")):
        Strict(low="x")  # type: ignore[arg-type]


def test_options_cannot_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Strict(low=1).low = 2  # type: ignore[misc]


def test_a_changed_copy_is_checked_too() -> None:
    assert dataclasses.replace(Sample(), size=[2, 3]).size == (2, 3)  # type: ignore[arg-type]
    with pytest.raises(OptionError):
        dataclasses.replace(Sample(), count=0)


def test_equal_options_make_equal_objects() -> None:
    assert Sample(size=(2, 3)) == Sample(size=[2, 3])  # type: ignore[arg-type]
    assert hash(Sample(size=(2, 3))) == hash(Sample(size=(2, 3)))
    assert Sample(count=2) != Sample()


def test_declarations_can_be_read_back() -> None:
    low, high = options_of(Strict)
    assert (low.name, low.required, low.doc) == ("low", True, "Lower end.")
    assert (high.name, high.required, high.default) == ("high", False, 9)
    assert [opt.name for opt in options_of(Sample)][:3] == ["count", "rate", "flag"]


def test_hints_of_lists_and_plugins_are_recognized() -> None:
    hints = {opt.name: opt.hint for opt in options_of(Sample)}
    assert [name for name, hint in hints.items() if is_list(hint)] == ["many"]
    assert {n: plugin_base(h) for n, h in hints.items() if plugin_base(h)} == {"init": Initializer}
    assert plugin_base(tuple[Initializer, ...]) is Initializer
    assert base_of(Zeros()) is Initializer


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ([1, (None, "b")], "[1, [null, 'b']]"),
        ({"a": 1}, "a mapping"),
        ("a" * 58, f"'{'a' * 58}'"),
        ("a" * 59, f"'{'a' * 56}…"),
    ],
)
def test_values_are_shown_as_written_in_a_spec(value: Any, text: str) -> None:
    assert show(value) == text
